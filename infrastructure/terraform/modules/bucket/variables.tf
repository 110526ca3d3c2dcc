variable "bucket" {
  description = "Name of the bucket, unique in all of AWS; it ends with the account's number."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the objects; null for S3's own key, which load balancer logs need."
  type        = string
  default     = null
}

variable "policy_statements" {
  description = "Further statements of the bucket's policy, a JSON list."
  type        = string
  default     = "[]"

  validation {
    condition     = can(tolist(jsondecode(var.policy_statements))) || can(length(jsondecode(var.policy_statements)))
    error_message = "policy_statements is a JSON list of policy statements."
  }
}

variable "expire_days" {
  description = "Days after which objects expire; null keeps them."
  type        = number
  default     = null

  validation {
    condition     = var.expire_days == null ? true : var.expire_days >= 1 && floor(var.expire_days) == var.expire_days
    error_message = "expire_days is a whole number from 1, or null."
  }
}

variable "noncurrent_days" {
  description = "Days that a replaced version stays recoverable."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days is a whole number from 1."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket destroys its objects too."
  type        = bool
  default     = false
}

variable "object_lock" {
  description = "Whether objects can be locked against deletion, each by whoever writes it; there is no lock by default."
  type        = bool
  default     = false
}
