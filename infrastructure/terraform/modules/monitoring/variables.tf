variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "environment" {
  description = "Environment, the dimension of the heartbeat."
  type        = string
}

variable "responder" {
  description = "Whether a responder runs for this environment, here or elsewhere. Its heartbeat is expected then, and alerts that nobody takes are an alarm."
  type        = bool
  default     = true
}

variable "run_responder" {
  description = "Whether the responder's tasks are part of this stack: its log group and the alarm on itself are made then."
  type        = bool
  default     = false
}

variable "responder_database" {
  description = "Identifier of the responder's own database, for its log groups and alarms; null where it has none here."
  type        = string
  default     = null
}

variable "responder_service" {
  description = "Name of the responder's service, known once it runs: the alarm that expects its tasks is made after it."
  type        = string
  default     = null
}

variable "account_id" {
  description = "Account whose alarms may publish."
  type        = string
}

variable "region" {
  description = "Region of the alarms and dashboards."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the logs and the alerts, whose policy lets CloudWatch, EventBridge and SNS use it."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "flow_log_group_name" {
  description = "Log group of the flow log, which the saved queries read."
  type        = string
}

variable "cluster_name" {
  description = "Cluster of the services."
  type        = string
}

variable "load_balancer_arn_suffix" {
  description = "The LoadBalancer dimension."
  type        = string
}

variable "services" {
  description = "Each service's most tasks and the TargetGroup dimension."
  type = map(object({
    maximum                 = number
    target_group_arn_suffix = string
  }))

  validation {
    condition     = contains(keys(var.services), "backend")
    error_message = "services has backend: the application dashboard shows its response times."
  }
}

variable "service_names" {
  description = "Name of each service, known once it runs: the alarms that expect it to send metrics are made after it."
  type        = map(string)

  validation {
    condition     = toset(keys(var.service_names)) == toset(keys(var.services))
    error_message = "service_names names the same services as services."
  }
}

variable "alert_emails" {
  description = "Addresses that get the alarms of each severity: { \"SEV-1\" = [\"oncall@example.com\"] }. Each must confirm once, from the mail that AWS sends."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.alert_emails), ["SEV-1", "SEV-2", "SEV-3"])) == 0
    error_message = "alert_emails knows SEV-1, SEV-2 and SEV-3."
  }

  validation {
    condition     = alltrue([for address in flatten(values(var.alert_emails)) : can(regex("^[^@\\s,;<>]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", address))])
    error_message = "alert_emails are plain addresses, such as oncall@example.com."
  }

  validation {
    condition     = alltrue([for addresses in values(var.alert_emails) : length(addresses) == length(distinct(addresses))])
    error_message = "alert_emails names an address once for a severity."
  }
}

variable "database" {
  description = "The instance's identifier (not its resource id), its connections, storage and memory."
  type = object({
    identifier      = string
    max_connections = number
    storage_gb      = number
    memory_mib      = number
  })

  validation {
    condition     = !startswith(var.database.identifier, "db-")
    error_message = "database.identifier is the instance's identifier: with the resource id (db-…) no alarm would ever have data."
  }
}

variable "cache_member_ids" {
  description = "Cache cluster id of each member (…-001), never the replication group's, under which there are no metrics."
  type        = list(string)

  validation {
    condition     = length(var.cache_member_ids) > 0 && alltrue([for id in var.cache_member_ids : can(regex("-[0-9]{3}$", id))])
    error_message = "cache_member_ids are members of a replication group, which end in -001, -002 …"
  }

  validation {
    condition     = length(var.cache_member_ids) <= 5
    error_message = "cache_member_ids are five at most: the hit rate reads two metrics of each, and an alarm takes ten."
  }
}

variable "alarm_periods" {
  description = "Seconds of an alarm's period: standard for most, slow for those that need more traffic to judge."
  type = object({
    standard = optional(number, 60)
    slow     = optional(number, 300)
  })
  default = {}

  validation {
    condition     = alltrue([for period in values(var.alarm_periods) : contains([10, 20, 30], period) || (period > 0 && period <= 3600 && period % 60 == 0)])
    error_message = "alarm_periods are 10, 20, 30 or a multiple of 60 seconds up to 3600; CloudWatch takes no others, and looks back a day at most."
  }
}

variable "traffic_floors" {
  description = "Below so many answers a period the error rate, and below so many look-ups the hit rate, says nothing."
  type = object({
    requests      = optional(number, 20)
    cache_lookups = optional(number, 1000)
  })
  default = {}

  validation {
    condition     = var.traffic_floors.requests >= 1 && var.traffic_floors.cache_lookups >= 1
    error_message = "traffic_floors are at least 1: a rate of nothing can't be judged."
  }
}
