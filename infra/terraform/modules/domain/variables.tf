variable "name" {
  description = "Names everything that is made here."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", var.name))
    error_message = "1 to 24 lower-case letters, digits and inner hyphens."
  }
}

variable "zone" {
  description = "The Route 53 zone that the domain is in; it exists already."
  type        = string
}

variable "domain" {
  description = "The one domain of all markets."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "A domain like fit.example.com."
  }
}

variable "hosts" {
  description = "By environment, its host: the domain itself, or one below it."
  type        = map(string)
}

variable "vpc_id" {
  description = "The network's."
  type        = string
}

variable "subnets" {
  description = "Where the load balancer stands."
  type        = list(string)
}

variable "pods" {
  description = "The security group of the pods that answer."
  type        = string
}

variable "cluster" {
  description = "The cluster whose pods answer."
  type        = string
}

variable "log_bucket" {
  description = "Where requests are logged."
  type        = string
}
