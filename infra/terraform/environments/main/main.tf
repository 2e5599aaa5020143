# Production: everything in three zones.

module "fitwave" {
  source             = "../../modules/fitwave"
  name               = "fitwave-main"
  region             = var.region
  zones              = var.zones
  cidr               = "10.20.0.0/16"
  one_nat_gateway    = false
  kubernetes_version = "1.34"
  administrators     = var.administrators
  api_cidrs          = var.api_cidrs
  redis_node_type    = "cache.r7g.large"
  redis_replicas     = 2
  bucket             = var.bucket
  old_versions_days  = 14
  zone               = var.zone
  domain             = var.domain
  hosts              = { main = var.domain }
}

output "manifests" {
  description = "By environment, what `fitwave cluster render` needs to know; no secrets."
  value       = module.fitwave.manifests
}

output "redis_password_secret" {
  description = "The secret with Redis's password, by name."
  value       = module.fitwave.redis_password_secret
}
