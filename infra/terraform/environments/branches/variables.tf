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
  default     = "10.30.0.0/16"
}

variable "kubernetes_version" {
  description = "Of the control plane."
  type        = string
  default     = "1.34"
}

variable "administrators" {
  description = "ARNs of IAM roles that may do everything in the cluster."
  type        = list(string)
}

variable "api_cidrs" {
  description = "Networks from which Kubernetes' API is reached besides the VPC; empty: none."
  type        = list(string)
  default     = []
}

variable "redis_node_type" {
  description = "The size of Redis: docs/data.md tells how much memory features take."
  type        = string
  default     = "cache.t4g.medium"
}

variable "bucket" {
  description = "The lakehouse's bucket; its name is unique in all of S3."
  type        = string
}

variable "zone" {
  description = "The Route 53 zone that the domain is in; it exists already."
  type        = string
}

variable "domain" {
  description = "Environments are one below it: NAME.DOMAIN."
  type        = string
}

variable "environments" {
  description = "Environments of branches, by their names."
  type        = set(string)

  validation {
    condition     = length(var.environments) > 0 && alltrue([for name in var.environments : can(regex("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", name))])
    error_message = "At least one, each of 1 to 40 lower-case letters, digits and inner hyphens."
  }
}
