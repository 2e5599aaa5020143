# What differs from one account to the next; the rest stands in main.tf.

variable "region" {
  description = "Where everything is."
  type        = string
}

variable "zones" {
  description = "Availability zones of the region."
  type        = list(string)
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
