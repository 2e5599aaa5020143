output "target_group_arns" {
  description = "By environment, what its gateway's pods are registered with."
  value       = { for environment, group in aws_lb_target_group.gateway : environment => group.arn }
}
