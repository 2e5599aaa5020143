# The cluster of branches: each environment has a namespace and a host of its own, and shares everything else.

module "fitwave" {
  source             = "../../modules/fitwave"
  name               = "fitwave-branches"
  region             = var.region
  zones              = var.zones
  cidr               = "10.30.0.0/16"
  one_nat_gateway    = true
  kubernetes_version = "1.34"
  administrators     = var.administrators
  api_cidrs          = var.api_cidrs
  redis_node_type    = "cache.t4g.medium"
  redis_replicas     = 0
  bucket             = var.bucket
  old_versions_days  = 1
  zone               = var.zone
  domain             = var.domain
  hosts              = { for environment in var.environments : environment => "${environment}.${var.domain}" }
}

output "manifests" {
  description = "By environment, what `fitwave cluster render` needs to know; no secrets."
  value       = module.fitwave.manifests
}

output "redis_password_secret" {
  description = "The secret with Redis's password, by name."
  value       = module.fitwave.redis_password_secret
}
