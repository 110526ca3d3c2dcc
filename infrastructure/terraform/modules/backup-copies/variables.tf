variable "name" {
  description = "Prefix of every name, such as ohmycoins-production."
  type        = string
}

variable "account_id" {
  description = "Account of the database."
  type        = string
}

variable "database_arn" {
  description = "ARN of the DB instance whose backups are copied."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the vault here."
  type        = string
}

variable "region" {
  description = "Region that the automated backups are copied to: the one of the provider aws.copies. null for no copy there."
  type        = string
  default     = null
}

variable "account_vault_arn" {
  description = "ARN of the backup vault of another account that recovery points are copied to. null for no copy there."
  type        = string
  default     = null

  validation {
    condition     = var.account_vault_arn == null || can(regex("^arn:[a-z-]+:backup:[a-z0-9-]+:[0-9]{12}:backup-vault:.+$", var.account_vault_arn))
    error_message = "account_vault_arn is the ARN of a backup vault: arn:<partition>:backup:<region>:<account>:backup-vault:<name>."
  }
}

variable "vault_lock" {
  description = "Whether the vault here keeps each recovery point for retention_days, whoever wants to delete it."
  type        = bool
  default     = false
}

variable "retention_days" {
  description = "Days that copies are kept, in the other region and in both vaults."
  type        = number
  default     = 35

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 35
    error_message = "retention_days is 1 to 35: RDS keeps automated backups no longer."
  }
}

variable "schedule" {
  description = "When AWS Backup makes a recovery point, as a cron expression in UTC."
  type        = string
  default     = "cron(0 15 * * ? *)"
}

variable "deletion_window_days" {
  description = "Days that a key which is deleted can be had back."
  type        = number
  default     = 30
}
