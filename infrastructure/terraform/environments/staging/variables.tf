variable "region" {
  description = "Region of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is an AWS region, such as ap-southeast-2."
  }
}

variable "images" {
  description = "Image of each service, pinned by digest: { backend = \"<repository>@sha256:…\", frontend = … }. Given at each run, in no file."
  type        = map(string)
}

variable "allowed_cidrs" {
  description = "Address blocks that may reach the load balancer."
  type        = list(string)
}

variable "interface_endpoints" {
  description = "Whether AWS's API is reached by interface endpoints instead of NAT."
  type        = bool
}

variable "secret_key_version" {
  description = "Raise it to write a new SECRET_KEY; then force a deployment."
  type        = number
}

variable "database_password_version" {
  description = "Raise it by one for a new database password: apply, then deploy, which carries it to the tasks."
  type        = number
}

variable "master_password_in_use" {
  description = "true for the apply that brings an environment here whose backend still logs in as the master user, until no such revision is needed."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "domain_name" {
  description = "Name under which browsers find the application, over HTTPS; null serves plain HTTP under the load balancer's name."
  type        = string
  default     = null
}

variable "zone_id" {
  description = "Hosted zone that gets the record of domain_name, and the proof of its certificate; null where both are made elsewhere."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "Certificate of domain_name that there is already; null has one made and proved in zone_id."
  type        = string
  default     = null
}

variable "alert_emails" {
  description = "Addresses that get the alarms of each severity; each must confirm once, from the mail that AWS sends."
  type        = map(list(string))
  default     = {}
}

variable "timing" {
  description = "How fast things are noticed, in seconds; see modules/stack. A rehearsal uses AWS's fastest values."
  type = object({
    target_health_check    = optional(object({ interval = optional(number), timeout = optional(number), healthy = optional(number), unhealthy = optional(number) }))
    container_health_check = optional(object({ interval = optional(number), timeout = optional(number), retries = optional(number), start_period = optional(number) }))
    deregistration_delay   = optional(number)
    scale_out_cooldown     = optional(number)
    scale_in_cooldown      = optional(number)
    alarm_periods          = optional(object({ standard = optional(number), slow = optional(number) }))
  })
  default = {}
}

variable "traffic_floors" {
  description = "Below so many answers a period the error rate, and below so many look-ups the hit rate, says nothing."
  type        = object({ requests = optional(number), cache_lookups = optional(number) })
  default     = {}
}

variable "athena_enabled" {
  description = "Whether logs can be queried with Athena: a second flow log, in S3, the tables over it and over the access logs, and a workgroup."
  type        = bool
  default     = false
}

variable "responder" {
  description = "Whether a responder runs for this environment, here or elsewhere: its heartbeat is expected, and its queue is to be read."
  type        = bool
  default     = true
}

variable "run_responder" {
  description = "Whether it runs here: two tasks of omc and a database of their own; see modules/responder for what that costs."
  type        = bool
  default     = false
}

variable "responder_service" {
  description = "The responder that run_responder runs; see modules/stack."
  type = object({
    image                     = string
    secrets                   = optional(map(string))
    store_url_secret_arn      = optional(string)
    store_port                = optional(number)
    database_password_version = optional(number)
    sms                       = optional(bool)
    smtp_port                 = optional(number)
    worker_policy_arns        = optional(list(string))
    host                      = optional(string)
  })
  default = null
}

variable "exchange_url" {
  description = "Where the backend gets quotes from."
  type        = string
}

variable "backup_copies" {
  description = "Where the database's backups are copied to: a second region, and a vault of another account, each null for none; whether the vault here is locked; for how many days copies stay."
  type = object({
    region            = optional(string)
    account_vault_arn = optional(string)
    vault_lock        = optional(bool, false)
    retention_days    = optional(number, 14)
  })
  default = {}

  validation {
    condition     = var.backup_copies.region == null || var.backup_copies.region != var.region
    error_message = "backup_copies.region is another region than the database's."
  }
}
