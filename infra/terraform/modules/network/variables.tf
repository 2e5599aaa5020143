variable "name" {
  description = "Names everything that is made here."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", var.name))
    error_message = "1 to 24 lower-case letters, digits and inner hyphens."
  }
}

variable "cidr" {
  description = "The VPC's addresses: a /16, of which each zone gets a /20 for the load balancer and a /18 for pods."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "An IPv4 network of /16, like 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 3 && length(distinct(var.zones)) == length(var.zones)
    error_message = "Two or three different zones: the load balancer needs two, and the network has room for three."
  }
}

variable "one_nat_gateway" {
  description = "One way out for all zones: cheaper, and away with its zone."
  type        = bool
}

variable "key_arn" {
  description = "The key of the flow logs."
  type        = string
}
