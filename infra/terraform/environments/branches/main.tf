# The cluster of branches: each environment has a namespace and a host of its own, and shares everything else.

locals {
  name         = "fitwave-branches"
  environments = var.environments
  hosts        = { for environment in var.environments : environment => "${environment}.${var.domain}" }
}

module "network" {
  source          = "../../modules/network"
  name            = local.name
  cidr            = var.cidr
  zones           = var.zones
  one_nat_gateway = true
  key_arn         = aws_kms_key.this.arn
}

module "cluster" {
  source             = "../../modules/cluster"
  name               = local.name
  kubernetes_version = var.kubernetes_version
  vpc_id             = module.network.vpc_id
  subnets            = module.network.private_subnets
  private_cidrs      = module.network.private_cidrs
  administrators     = var.administrators
  api_cidrs          = var.api_cidrs
  environments       = local.environments
  lake_policies      = module.object_store.policies
  key_arn            = aws_kms_key.this.arn
}

module "redis" {
  source    = "../../modules/redis"
  name      = local.name
  vpc_id    = module.network.vpc_id
  subnets   = module.network.private_subnets
  clients   = module.cluster.node_security_group
  node_type = var.redis_node_type
  replicas  = 0
  key_arn   = aws_kms_key.this.arn
}

module "object_store" {
  source            = "../../modules/object_store"
  name              = var.bucket
  environments      = local.environments
  key_arn           = aws_kms_key.this.arn
  old_versions_days = 1
}

module "domain" {
  source     = "../../modules/domain"
  name       = local.name
  zone       = var.zone
  domain     = var.domain
  hosts      = local.hosts
  vpc_id     = module.network.vpc_id
  subnets    = module.network.load_balancer_subnets
  pods       = module.cluster.node_security_group
  cluster    = module.cluster.name
  log_bucket = module.object_store.log_bucket
}
