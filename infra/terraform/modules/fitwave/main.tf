# All that one cluster stands on. Its environments, one for each host, share it.

locals {
  environments = toset(keys(var.hosts))
}

module "network" {
  source          = "../network"
  name            = var.name
  cidr            = var.cidr
  zones           = var.zones
  one_nat_gateway = var.one_nat_gateway
  key_arn         = aws_kms_key.this.arn
}

module "cluster" {
  source             = "../cluster"
  name               = var.name
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
  source    = "../redis"
  name      = var.name
  vpc_id    = module.network.vpc_id
  subnets   = module.network.private_subnets
  clients   = module.cluster.node_security_group
  node_type = var.redis_node_type
  replicas  = var.redis_replicas
  key_arn   = aws_kms_key.this.arn
}

module "object_store" {
  source            = "../object_store"
  name              = var.bucket
  environments      = local.environments
  key_arn           = aws_kms_key.this.arn
  old_versions_days = var.old_versions_days
}

module "domain" {
  source     = "../domain"
  name       = var.name
  zone       = var.zone
  domain     = var.domain
  hosts      = var.hosts
  vpc_id     = module.network.vpc_id
  subnets    = module.network.load_balancer_subnets
  pods       = module.cluster.node_security_group
  cluster    = module.cluster.name
  log_bucket = module.object_store.log_bucket
}
