variable "name" {
  description = "Of the bucket; its logs' has `-logs` behind."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,56}[a-z0-9]$", var.name))
    error_message = "3 to 58 lower-case letters, digits and inner hyphens."
  }
}

variable "environments" {
  description = "Fitwave environments, each with a prefix of its own."
  type        = set(string)
}

variable "key_arn" {
  description = "The key of what is stored."
  type        = string
}

variable "old_versions_days" {
  description = "How long what was overwritten or deleted can be brought back. A customer who was forgotten is gone after it."
  type        = number

  validation {
    condition     = var.old_versions_days >= 1 && var.old_versions_days <= 30
    error_message = "1 to 30 days: what a customer has had erased must be gone within a month."
  }
}
