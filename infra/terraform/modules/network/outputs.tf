output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "load_balancer_subnets" {
  description = "Where the load balancer stands."
  value       = [for zone in var.zones : aws_subnet.load_balancer[zone].id]
}

output "private_subnets" {
  description = "Where everything else is."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "load_balancer_cidrs" {
  description = "The addresses that requests come from, as pods see them."
  value       = [for zone in var.zones : aws_subnet.load_balancer[zone].cidr_block]
}

output "private_cidrs" {
  description = "The addresses of pods and of Redis."
  value       = [for zone in var.zones : aws_subnet.private[zone].cidr_block]
}
