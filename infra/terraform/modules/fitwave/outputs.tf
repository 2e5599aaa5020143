output "manifests" {
  description = "By environment, what `fitwave cluster render` needs to know; no secrets."
  value = {
    for environment, host in var.hosts : environment => {
      host                = host
      region              = var.region
      image_repository    = module.cluster.image_repository
      lake_uri            = module.object_store.lake_uris[environment]
      redis_address       = module.redis.address
      file_system_id      = module.cluster.file_system_id
      target_group_arn    = module.domain.target_group_arns[environment]
      load_balancer_cidrs = module.network.load_balancer_cidrs
      private_cidrs       = module.network.private_cidrs
    }
  }
}

output "redis_password_secret" {
  description = "The secret with Redis's password, by name."
  value       = module.redis.password_secret
}
