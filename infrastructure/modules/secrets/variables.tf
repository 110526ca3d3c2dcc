variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the secrets."
  type        = string
}

variable "secret_key" {
  description = "Value of SECRET_KEY; ephemeral, so it reaches neither plan nor state."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.secret_key) >= 32
    error_message = "secret_key has at least 32 characters."
  }
}

variable "secret_key_version" {
  description = "Raise it to write a new SECRET_KEY; running tasks see it after a forced deployment."
  type        = number
  default     = 1

  validation {
    condition     = var.secret_key_version >= 1 && floor(var.secret_key_version) == var.secret_key_version
    error_message = "secret_key_version is a whole number from 1."
  }
}

variable "recovery_window_days" {
  description = "Days that a deleted secret can be restored: 0 for none, else 7 to 30."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days is 0, or 7 to 30."
  }
}
