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

variable "database_user" {
  description = "What the names of the application's two database users begin with."
  type        = string
  default     = "ohmycoins_app"

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]{0,60}$", var.database_user))
    error_message = "database_user is lower-case letters, digits and underscores, at most 61."
  }
}

variable "database_passwords" {
  description = "A new password for each of the two database users, a and b; ephemeral, and written only when it is that user's turn."
  type        = map(string)
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(setsubtract(["a", "b"], keys(var.database_passwords))) == 0 && alltrue([for password in values(var.database_passwords) : length(password) >= 32])
    error_message = "database_passwords has a password of at least 32 characters for a and for b."
  }
}

variable "database_password_version" {
  description = "Raise it by one for a new database password, which a deployment then carries to the tasks."
  type        = number
  default     = 1

  validation {
    condition     = var.database_password_version >= 1 && floor(var.database_password_version) == var.database_password_version
    error_message = "database_password_version is a whole number from 1."
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
