output "lake_uris" {
  description = "By environment, its `lake_uri`."
  value       = { for environment in var.environments : environment => "s3://${aws_s3_bucket.lake.id}/${environment}/lake" }
}

output "policies" {
  description = "By environment, what its pods may do."
  value       = { for environment in var.environments : environment => data.aws_iam_policy_document.environment[environment].json }
}

output "log_bucket" {
  description = "Where access is logged."
  value       = aws_s3_bucket.logs.id
}
