variable "name" {
  description = "Names everything that is made here."
  type        = string
}

variable "region" {
  description = "Where everything is."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region like eu-central-1."
  }
}

variable "zones" {
  description = "Availability zones of the region."
  type        = list(string)
}

variable "cidr" {
  description = "The VPC's addresses, a /16."
  type        = string
}

variable "one_nat_gateway" {
  description = "One way out for all zones: cheaper, and gone with its zone."
  type        = bool
}

variable "kubernetes_version" {
  description = "Of the control plane."
  type        = string
}

variable "administrators" {
  description = "ARNs of IAM roles that may do everything in the cluster."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Networks from which Kubernetes' API is reached besides the VPC; empty: none."
  type        = list(string)
}

variable "redis_node_type" {
  description = "The size of Redis: docs/data.md tells how much memory features take."
  type        = string
}

variable "redis_replicas" {
  description = "Copies of Redis, in other zones."
  type        = number
}

variable "bucket" {
  description = "The lakehouse's bucket; its name is unique in all of S3."
  type        = string
}

variable "old_versions_days" {
  description = "How long what the lakehouse has overwritten or deleted can be brought back."
  type        = number
}

variable "zone" {
  description = "The Route 53 zone that the domain is in; it exists already."
  type        = string
}

variable "domain" {
  description = "The one domain of all markets."
  type        = string
}

variable "hosts" {
  description = "By environment, its host: the domain itself, or one below it."
  type        = map(string)

  validation {
    condition     = length(var.hosts) > 0 && alltrue([for name in keys(var.hosts) : can(regex("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", name))])
    error_message = "At least one environment, each of 1 to 40 lower-case letters, digits and inner hyphens."
  }
}
