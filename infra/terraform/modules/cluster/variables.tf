variable "name" {
  description = "Names everything that is made here."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", var.name))
    error_message = "1 to 24 lower-case letters, digits and inner hyphens."
  }
}

variable "kubernetes_version" {
  description = "Of the control plane."
  type        = string

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "A minor version like 1.34."
  }
}

variable "vpc_id" {
  description = "The network's."
  type        = string
}

variable "subnets" {
  description = "Of nodes, pods and the shared file system."
  type        = list(string)
}

variable "private_cidrs" {
  description = "Who may mount the shared file system."
  type        = list(string)
}

variable "administrators" {
  description = "ARNs of IAM roles that may do everything in the cluster."
  type        = list(string)

  validation {
    condition     = length(var.administrators) > 0 && alltrue([for arn in var.administrators : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", arn))])
    error_message = "At least one ARN of an IAM role: whoever creates the cluster gets no rights by that."
  }
}

variable "api_cidrs" {
  description = "Networks from which Kubernetes' API is reached besides the VPC; empty: none."
  type        = list(string)

  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "Not everybody: list the networks of those who operate the cluster."
  }
}

variable "environments" {
  description = "Fitwave environments on this cluster, each a namespace."
  type        = set(string)
}

variable "lake_policies" {
  description = "By environment, the IAM policy that its pods have."
  type        = map(string)
}

variable "key_arn" {
  description = "The key of Kubernetes' secrets, the shared file system and images."
  type        = string
}
