variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name))
    error_message = "name is a prefix of 4 to 32 lower-case letters, digits and hyphens, such as ohmycoins-staging."
  }
}

variable "subnet_ids" {
  description = "Data subnets, one for each zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the members."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the data at rest."
  type        = string
}

variable "node_type" {
  description = "Type of each member, such as cache.t4g.micro."
  type        = string

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type is an ElastiCache type, such as cache.t4g.micro."
  }
}

variable "members" {
  description = "Members of the replication group: the primary and its replicas. From two on, failover is automatic."
  type        = number

  validation {
    condition     = contains([1, 2, 3, 4, 5], var.members)
    error_message = "members is 1 to 5: AWS allows one more, but an alarm takes ten metrics, and the hit rate reads two of each member."
  }
}

variable "snapshot_retention_days" {
  description = "Days that daily snapshots are kept; 0 for none."
  type        = number
  default     = 1

  validation {
    condition     = var.snapshot_retention_days >= 0 && var.snapshot_retention_days <= 35 && floor(var.snapshot_retention_days) == var.snapshot_retention_days
    error_message = "snapshot_retention_days is a whole number, 0 to 35."
  }
}

variable "maintenance_window" {
  description = "Weekly maintenance window in UTC, ddd:hh:mm-ddd:hh:mm."
  type        = string
  default     = "sat:16:00-sat:18:00"

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window is ddd:hh:mm-ddd:hh:mm in UTC, such as sat:16:00-sat:18:00."
  }
}

variable "apply_immediately" {
  description = "Whether changes are applied at once instead of in the maintenance window."
  type        = bool
  default     = false
}

variable "notification_topic_arn" {
  description = "Topic to which ElastiCache tells failovers and replaced nodes: not encrypted, with a policy that asks for aws:SourceOwner."
  type        = string
  default     = null
}

variable "log_group_names" {
  description = "Log group of each log type: slow-log, engine-log."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.log_group_names), ["slow-log", "engine-log"])) == 0
    error_message = "log_group_names knows slow-log and engine-log."
  }
}
