output "address" {
  description = "Host and port of the primary, wherever it is."
  value       = "${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"
}

output "password_secret" {
  description = "The name of the secret that holds the password."
  value       = aws_secretsmanager_secret.this.name
}
