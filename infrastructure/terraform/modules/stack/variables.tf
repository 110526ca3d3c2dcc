variable "environment" {
  description = "Environment: staging or production."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment is staging or production."
  }
}

variable "protected" {
  description = "Whether what holds data refuses deletion, secrets and keys can be restored, and changes to data stores wait for the maintenance window."
  type        = bool

  validation {
    condition     = var.protected || var.environment != "production"
    error_message = "production is always protected."
  }
}

variable "network" {
  description = "The VPC's /16, its zones, and its NAT gateways: 0, 1 or one for each zone."
  type = object({
    cidr               = string
    availability_zones = list(string)
    nat_gateways       = number
  })

  validation {
    condition     = var.network.nat_gateways > 0 || var.interface_endpoints
    error_message = "Without NAT gateways the tasks can pull no image: set interface_endpoints."
  }
}

variable "allowed_cidrs" {
  description = "Address blocks that may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "domain_name" {
  description = "Name under which browsers find the application, over HTTPS; null serves plain HTTP, which production may not."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name != null || var.environment != "production"
    error_message = "production serves HTTPS, which needs a name: set domain_name, and zone_id (a hosted zone in which its certificate is made and proved) or certificate_arn (a certificate that there is)."
  }
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

variable "interface_endpoints" {
  description = "Whether AWS's API is reached by interface endpoints instead of NAT."
  type        = bool
  default     = false
}

variable "images" {
  description = "Image of each service for the first task definition, pinned by digest. Later revisions are deployments' business."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["backend", "frontend"], keys(var.images))) == 0
    error_message = "images names backend and frontend."
  }

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("^[^@]+@sha256:[0-9a-f]{64}$", image))])
    error_message = "Each image is pinned by digest: <repository>@sha256:<64 hexadecimal digits>."
  }
}

variable "services" {
  description = "Size of each service's tasks, how many at least and at most, and the utilisation to hold."
  type = map(object({
    cpu            = number
    memory         = number
    minimum        = optional(number, 2)
    maximum        = optional(number, 10)
    cpu_percent    = optional(number, 70)
    memory_percent = optional(number)
  }))

  validation {
    condition     = length(setsubtract(keys(var.services), ["backend", "frontend"])) == 0 && length(var.services) == 2
    error_message = "services is backend and frontend."
  }
}

variable "database" {
  description = "The instance's class with its memory, its connections, storage, standby and backups."
  type = object({
    instance_class        = string
    memory_mib            = number
    max_connections       = number
    storage_gb            = number
    multi_az              = bool
    backup_retention_days = number
  })
}

variable "connections" {
  description = "Worker processes of a backend task and the most connections of each."
  type = object({
    workers   = number
    pool_size = number
  })

  validation {
    condition     = alltrue([for number in values(var.connections) : number >= 1 && floor(number) == number])
    error_message = "connections.workers and .pool_size are whole numbers from 1."
  }

  # 15 connections of 4 workers of 10 tasks against a limit of 225 took a deployment of this stack down.
  validation {
    condition = (
      var.connections.workers * var.connections.pool_size * var.services["backend"].maximum <= floor(0.8 * var.database.max_connections)
    )
    error_message = "The connection budget is broken: tasks at most × workers × pool size is more than 80 % of max_connections."
  }
}

variable "cache" {
  description = "Type and number of the members, and the days that snapshots are kept."
  type = object({
    node_type               = string
    members                 = number
    snapshot_retention_days = optional(number, 1)
  })
}

variable "exchange_url" {
  description = "Where the backend gets quotes from, over HTTPS: the security groups let nothing else out. Null has the backend make up a market."
  type        = string

  validation {
    condition     = var.exchange_url == null || can(regex("^https://[^/?#]+$", var.exchange_url))
    error_message = "exchange_url is https://HOST, without a path, or null."
  }

  validation {
    condition     = var.exchange_url == null || var.network.nat_gateways > 0
    error_message = "Without NAT gateways no task reaches the exchange: set exchange_url to null, which has the backend make up a market, or add NAT gateways."
  }
}

variable "maintenance_window" {
  description = "Weekly window in UTC. Sunday 02:00–04:00 AEST (UTC+10 all year) is sat:16:00-sat:18:00."
  type        = string
  default     = "sat:16:00-sat:18:00"

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window is ddd:hh:mm-ddd:hh:mm in UTC, such as sat:16:00-sat:18:00."
  }

  # Backups of the cache and the database begin at 12:00 and 13:00 UTC and take an hour each; RDS refuses a window that
  # meets its own. Minutes of the week, from Sunday.
  validation {
    condition = try(alltrue([
      for window in [regex("^(...):(..):(..)-(...):(..):(..)$", var.maintenance_window)] : alltrue([
        for from in [1440 * index(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], window[0]) + 60 * tonumber(window[1]) + tonumber(window[2])] : alltrue([
          for length in [(1440 * index(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], window[3]) + 60 * tonumber(window[4]) + tonumber(window[5]) - from + 10080) % 10080] :
          length >= 60 && length <= 1440 && alltrue([for day in range(8) : from + length <= 1440 * day + 720 || from >= 1440 * day + 840])
        ])
      ])
    ]), false)
    error_message = "maintenance_window is one hour to a day long and leaves 12:00-14:00 UTC alone, when backups are made."
  }
}

variable "secret_key" {
  description = "Value of SECRET_KEY; ephemeral, so it reaches neither plan nor state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "secret_key_version" {
  description = "Raise it to write a new SECRET_KEY."
  type        = number
  default     = 1
}

variable "database_passwords" {
  description = "A new password for each of the application's database users, a and b; ephemeral, so they reach neither plan nor state."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "database_password_version" {
  description = "Raise it by one for a new database password; then deploy, which carries it to the tasks."
  type        = number
  default     = 1
}

variable "master_password_in_use" {
  description = "Whether revisions from before the application had a database user of its own may still start: they log in with the master password."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
}

variable "deployment_alarms" {
  description = "Whether 5xx and unhealthy targets roll a deployment back by themselves."
  type        = bool
  default     = true
}

variable "timing" {
  description = "How fast things are noticed, in seconds. The defaults are the environments'; a rehearsal uses AWS's fastest."
  type = object({
    target_health_check    = optional(object({ interval = optional(number, 30), timeout = optional(number, 5), healthy = optional(number, 2), unhealthy = optional(number, 3) }), {})
    container_health_check = optional(object({ interval = optional(number, 30), timeout = optional(number, 5), retries = optional(number, 3), start_period = optional(number, 60) }), {})
    deregistration_delay   = optional(number, 30)
    scale_out_cooldown     = optional(number, 60)
    scale_in_cooldown      = optional(number, 300)
    alarm_periods          = optional(object({ standard = optional(number, 60), slow = optional(number, 300) }), {})
  })
  default = {}
}

variable "traffic_floors" {
  description = "Below so many answers a period the error rate, and below so many look-ups the hit rate, says nothing."
  type        = object({ requests = optional(number, 20), cache_lookups = optional(number, 1000) })
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
  description = "Whether the responder runs in this stack: two tasks of omc and a database of their own, which cost some 47 USD a month in staging and 68 in production."
  type        = bool
  default     = false

  validation {
    condition     = !var.run_responder || var.responder
    error_message = "run_responder needs responder = true: a responder whose heartbeat nobody expects may fall silent unseen."
  }

  validation {
    condition     = !var.run_responder || var.responder_service != null
    error_message = "run_responder needs responder_service with the image to run."
  }

  validation {
    condition     = !var.run_responder || var.network.nat_gateways > 0
    error_message = "Without NAT gateways the responder reaches neither Slack nor any other channel: add NAT gateways, or run it elsewhere."
  }
}

variable "responder_service" {
  description = "The responder that run_responder runs: its image by digest, its secrets by the ARNs of Secrets Manager (modules/responder lists them), the secret with the URL of a PostgreSQL that there is already (null makes one) and that one's port, whether it may send SMS, the mail server's port, and the host name of its API (null for none). Raise database_password_version by one for a new password."
  type = object({
    image                     = string
    secrets                   = optional(map(string), {})
    store_url_secret_arn      = optional(string)
    store_port                = optional(number, 5432)
    database_password_version = optional(number, 1)
    sms                       = optional(bool, false)
    smtp_port                 = optional(number)
    worker_policy_arns        = optional(list(string), [])
    host                      = optional(string)
  })
  default = null

  validation {
    condition     = try(var.responder_service.host, null) == null || var.domain_name != null
    error_message = "responder_service.host needs HTTPS: set domain_name."
  }
}

variable "responder_password" {
  description = "A new password for the responder's own database; ephemeral, so it reaches neither plan nor state. Written only where run_responder makes one."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "alert_emails" {
  description = "Addresses that get the alarms of each severity: { \"SEV-1\" = [\"oncall@example.com\"] }. Each must confirm once, from the mail that AWS sends."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = var.environment != "production" || var.responder || alltrue([for severity in ["SEV-1", "SEV-2"] : length(lookup(var.alert_emails, severity, [])) > 0])
    error_message = "In production every alarm reaches a person: set alert_emails for SEV-1 and SEV-2, or run a responder (responder = true)."
  }
}
