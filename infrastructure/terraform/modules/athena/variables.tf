variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "account_id" {
  description = "Account that the logs are of."
  type        = string
}

variable "region" {
  description = "Region that the logs are of."
  type        = string
}

variable "vpc_id" {
  description = "VPC whose traffic is logged."
  type        = string
}

variable "access_log_bucket" {
  description = "Bucket of the load balancer's access logs."
  type        = string
}

variable "retention_days" {
  description = "Days that the flow log and the results of queries are kept in S3."
  type        = number
  default     = 90

  validation {
    condition     = var.retention_days >= 1 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days is a whole number from 1."
  }
}

variable "most_gigabytes" {
  description = "A query that scans more is ended."
  type        = number
  default     = 100

  validation {
    condition     = var.most_gigabytes >= 1 && floor(var.most_gigabytes) == var.most_gigabytes
    error_message = "most_gigabytes is a whole number from 1."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket destroys its objects too."
  type        = bool
  default     = false
}
