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
  default     = "10.20.0.0/16"
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
  default     = "cache.r7g.large"
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
  description = "The one domain of all markets."
  type        = string
}
