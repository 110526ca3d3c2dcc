variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "account_id" {
  description = "Account whose calls the trail records."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "Home region of the trail."
  type        = string
}

variable "vpc_id" {
  description = "VPC whose traffic is logged."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the trail and the flow log."
  type        = string
}

variable "trail_retention_days" {
  description = "Days that the trail's files are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.trail_retention_days >= 90
    error_message = "trail_retention_days is at least 90, as long as CloudTrail's own event history."
  }
}

variable "flow_retention_days" {
  description = "Days that the flow log is kept."
  type        = number
  default     = 365
}

variable "force_destroy" {
  description = "Whether destroying the trail's bucket destroys its files too."
  type        = bool
  default     = false
}
