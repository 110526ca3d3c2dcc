variable "name" {
  description = "Identifier of the instance, such as ohmycoins-staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name))
    error_message = "name is 4 to 32 lower-case letters, digits and hyphens, such as ohmycoins-staging."
  }
}

variable "account_id" {
  description = "Account of the instance, which alone may have RDS assume the monitoring role."
  type        = string
}

variable "subnet_ids" {
  description = "Data subnets, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids names at least two subnets in different zones; RDS takes no fewer."
  }
}

variable "security_group_id" {
  description = "Security group of the instance."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the storage, the backups, Performance Insights and the master password."
  type        = string
}

variable "log_group_names" {
  description = "Log groups that exist before RDS exports its logs to them."
  type        = list(string)
}

variable "database_name" {
  description = "Name of the database."
  type        = string
  default     = "ohmycoins"
}

variable "username" {
  description = "Name of the master user."
  type        = string
  default     = "ohmycoins"
}

variable "own_password" {
  description = "Password of the master user instead of one that RDS makes and rotates; ephemeral, so it reaches neither plan nor state."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "own_password_version" {
  description = "Raise it to write a new own_password; null has RDS make the password."
  type        = number
  default     = null
}

variable "instance_class" {
  description = "Class of the instance, such as db.t4g.micro."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class is an RDS class, such as db.t4g.micro."
  }
}

variable "max_connections" {
  description = "Connections that PostgreSQL accepts; the connection alarm and the connection budget rest on it."
  type        = number

  validation {
    condition     = var.max_connections >= 25 && var.max_connections <= 5000
    error_message = "max_connections is 25 to 5000: below that RDS's own connections leave none for the application."
  }
}

variable "slow_statement_ms" {
  description = "Milliseconds from which a statement is logged as slow."
  type        = number
  default     = 1000

  validation {
    condition     = var.slow_statement_ms >= 0
    error_message = "slow_statement_ms is 0 or more."
  }
}

variable "allocated_storage_gb" {
  description = "Storage in GiB; it grows by itself to twice that."
  type        = number

  validation {
    condition     = var.allocated_storage_gb >= 20 && var.allocated_storage_gb <= 32768
    error_message = "allocated_storage_gb is 20 to 32768; gp3 has no smaller volume."
  }
}

variable "multi_az" {
  description = "Whether a standby runs in another zone."
  type        = bool
}

variable "backup_retention_days" {
  description = "Days that automated backups are kept."
  type        = number

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days is 1 to 35; 0 would switch backups off."
  }
}

variable "backup_window" {
  description = "Daily backup window in UTC, hh:mm-hh:mm."
  type        = string
  default     = "13:00-14:00"

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "backup_window is hh:mm-hh:mm in UTC, such as 13:00-14:00."
  }
}

variable "maintenance_window" {
  description = "Weekly maintenance window in UTC, ddd:hh:mm-ddd:hh:mm. Sunday 02:00–04:00 AEST is sat:16:00-sat:18:00."
  type        = string
  default     = "sat:16:00-sat:18:00"

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window is ddd:hh:mm-ddd:hh:mm in UTC, such as sat:16:00-sat:18:00."
  }
}

variable "deletion_protection" {
  description = "Whether the instance refuses deletion, and leaves a final snapshot when deletion is allowed."
  type        = bool
}

variable "apply_immediately" {
  description = "Whether changes are applied at once instead of in the maintenance window."
  type        = bool
  default     = false
}
