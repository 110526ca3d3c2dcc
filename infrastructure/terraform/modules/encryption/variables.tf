variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name))
    error_message = "name is a prefix of 4 to 32 lower-case letters, digits and hyphens, such as ohmycoins-staging."
  }
}

variable "account_id" {
  description = "Account whose administrators may use the keys."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "Region whose log service may use the operations key."
  type        = string
}

variable "deletion_window_days" {
  description = "Days between asking for a key's deletion and losing everything that it encrypted."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days is 7 to 30; AWS takes nothing else."
  }
}
