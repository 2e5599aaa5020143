# One primary with copies, not a cluster: Ray keeps what its head knows here too, and takes no cluster.

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnets
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  family = "valkey8"

  # Nothing here is a cache: when memory is full, writers are told so.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  # A customer's row packed into one block takes two thirds of the memory (docs/data.md).
  parameter {
    name  = "hash-max-listpack-value"
    value = "512"
  }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-redis"
  description = "Redis, from the cluster's nodes and pods."
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "Redis over TLS"
  referenced_security_group_id = var.clients
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# It is in the state too, which is why the state is encrypted and private.
resource "random_password" "this" {
  length  = 64
  special = false
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Fitwave: online features, queues, locks, keys, and what Ray's head knows"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.node_type
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0
  port                       = 6379
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = random_password.this.result
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  snapshot_retention_limit   = 7
  auto_minor_version_upgrade = true
}

resource "aws_secretsmanager_secret" "this" {
  name       = "fitwave/${var.name}/redis"
  kms_key_id = var.key_arn
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = random_password.this.result
}
