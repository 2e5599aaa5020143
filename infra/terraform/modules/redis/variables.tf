variable "name" {
  description = "Names everything that is made here."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", var.name))
    error_message = "1 to 24 lower-case letters, digits and inner hyphens."
  }
}

variable "vpc_id" {
  description = "The network's."
  type        = string
}

variable "subnets" {
  description = "Where its nodes are."
  type        = list(string)
}

variable "clients" {
  description = "The security group of those who connect."
  type        = string
}

variable "node_type" {
  description = "The size of a node: all features of all markets are in memory, twice (docs/data.md)."
  type        = string

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "Like cache.r7g.large."
  }
}

variable "replicas" {
  description = "Copies of the primary, in other zones."
  type        = number

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "0 to 5; with 0, Redis is away with its zone."
  }
}

variable "key_arn" {
  description = "The key of its data and its password."
  type        = string
}
