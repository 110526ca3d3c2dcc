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
    condition     = var.trail_retention_days >= 90 && floor(var.trail_retention_days) == var.trail_retention_days
    error_message = "trail_retention_days is at least 90, as long as CloudTrail's own event history."
  }
}

variable "flow_retention_days" {
  description = "Days that the flow log is kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_retention_days)
    error_message = "flow_retention_days is one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "force_destroy" {
  description = "Whether destroying the trail's bucket destroys its files too."
  type        = bool
  default     = false
}
