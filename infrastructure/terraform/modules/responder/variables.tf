variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,20}[a-z0-9]$", var.name))
    error_message = "name is a prefix of 4 to 22 lower-case letters, digits and hyphens, such as ohmycoins-staging: with -responder behind it, it is the name of a database and a target group."
  }
}

variable "environment" {
  description = "Environment of omc.toml whose alerts are answered."
  type        = string
}

variable "account_id" {
  description = "Account whose tasks may assume the roles."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "protected" {
  description = "Whether the database refuses deletion, and its secret can be restored."
  type        = bool
}

variable "image" {
  description = "Image with omc and the stack's omc.toml, pinned by digest."
  type        = string

  validation {
    condition     = can(regex("^[^@]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is pinned by digest: <repository>@sha256:<64 hexadecimal digits>."
  }
}

variable "repository_arn" {
  description = "Repository from which alone the tasks may pull."
  type        = string
}

variable "command" {
  description = "What a task runs; null is omc serve --env <environment>."
  type        = list(string)
  default     = null
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one vCPU."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048], var.cpu)
    error_message = "cpu is 256, 512, 1024 or 2048."
  }
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 1024

  validation {
    condition     = contains(try({ "256" = [512, 1024, 2048], "512" = range(1024, 4097, 1024), "1024" = range(2048, 8193, 1024), "2048" = range(4096, 16385, 1024) }[tostring(var.cpu)], []), var.memory)
    error_message = "memory in MiB for 256 CPU units is 512, 1024 or 2048; for 512 it is 1024 to 4096, for 1024 2048 to 8192, for 2048 4096 to 16384, in steps of 1024."
  }
}

variable "cpu_architecture" {
  description = "Processor that the image was built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture is X86_64 or ARM64."
  }
}

variable "tasks" {
  description = "Tasks that run beside each other, spread over the zones; any of them may die."
  type        = number
  default     = 2

  validation {
    condition     = var.tasks >= 2 && var.tasks <= 10 && floor(var.tasks) == var.tasks
    error_message = "tasks is 2 to 10: with one, a zone that fails takes the alerts with it."
  }
}

variable "vpc_id" {
  description = "VPC of the tasks and their database."
  type        = string
}

variable "subnet_ids" {
  description = "Application subnets, in at least two zones, with a way out to AWS, Slack and the other channels."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids names at least two subnets in different zones."
  }
}

variable "database_subnet_ids" {
  description = "Data subnets of the database, in at least two zones."
  type        = list(string)
}

variable "data_key_arn" {
  description = "Key of the database and of the secrets that the tasks get."
  type        = string
}

variable "operations_key_arn" {
  description = "Key of the queue."
  type        = string
}

variable "queue_arn" {
  description = "Queue of the alerts."
  type        = string
}

variable "log_group" {
  description = "Log group of the tasks' output."
  type = object({
    name = string
    arn  = string
  })
}

variable "log_groups_read" {
  description = "Names of the log groups from which an incident's first samples are taken."
  type        = list(string)
}

variable "database_log_group_names" {
  description = "Log groups that exist before RDS exports the logs of the responder's own database to them."
  type        = list(string)
  default     = []
}

variable "metric_namespace" {
  description = "The only namespace that the tasks may publish metrics to: the heartbeat's."
  type        = string
  default     = "OhMyCoins/Ops"
}

variable "secrets" {
  description = "Environment variables that ECS fills in from Secrets Manager, each to <arn> or <arn>:<json key>::, encrypted by data_key_arn or by AWS's own key. Those that omc serve reads, and no others: the README lists them."
  type        = map(string)
  default     = {}

  validation {
    # As omc names them (SECRETS of config/notify_tables.py, and two beside): a test compares. A name that nobody reads is a mistake.
    condition     = alltrue([for key in keys(var.secrets) : can(regex("^(OMC_(SLACK_BOT_TOKEN|SLACK_APP_TOKEN|SMTP_PASSWORD|NTFY_TOKEN|LINK_SECRET|OLD_LINK_SECRET|VAPID_KEY|STATUS_KEY|WATCHDOG_URL|(PAGERDUTY_KEY|WEBHOOK_SECRET|INTAKE_SECRET|OLD_INTAKE_SECRET)_[A-Z0-9_]+)|GH_TOKEN)$", key))])
    error_message = "secrets are named as omc serve reads them, such as OMC_SLACK_BOT_TOKEN, OMC_STATUS_KEY and OMC_PAGERDUTY_KEY_<NAME>; the module's README lists them. OMC_STORE_URL is set by store_url_secret_arn, or by the database that is made here."
  }

  validation {
    condition     = alltrue([for reference in values(var.secrets) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+(:[^:]*:[^:]*:[^:]*)?$", reference))])
    error_message = "A secret is named by the ARN of Secrets Manager, <arn> or <arn>:<json key>::, never by its value."
  }
}

variable "store_url_secret_arn" {
  description = "Secret with the URL of a PostgreSQL that there is already, password and all; null makes one here."
  type        = string
  default     = null

  validation {
    condition     = var.store_url_secret_arn == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+(:[^:]*:[^:]*:[^:]*)?$", var.store_url_secret_arn))
    error_message = "store_url_secret_arn is the ARN of a secret, <arn> or <arn>:<json key>::, never the URL."
  }
}

variable "store_port" {
  description = "Port of the PostgreSQL behind store_url_secret_arn."
  type        = number
  default     = 5432
}

variable "database" {
  description = "The responder's own database: its class and connections, storage, standby and backups."
  type = object({
    instance_class        = optional(string, "db.t4g.micro")
    max_connections       = optional(number, 80)
    storage_gb            = optional(number, 20)
    multi_az              = bool
    backup_retention_days = number
  })
}

variable "database_password" {
  description = "A new password of the responder's database; ephemeral, and written only when database_password_version is raised."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.database_password == null || length(coalesce(var.database_password, "-")) >= 32
    error_message = "database_password has at least 32 characters."
  }
}

variable "database_password_version" {
  description = "Raise it by one for a new password, which the apply carries to the tasks."
  type        = number
  default     = 1

  validation {
    condition     = var.database_password_version >= 1 && floor(var.database_password_version) == var.database_password_version
    error_message = "database_password_version is a whole number from 1."
  }
}

variable "maintenance_window" {
  description = "Weekly window of the database in UTC, ddd:hh:mm-ddd:hh:mm."
  type        = string
  default     = "sat:16:00-sat:18:00"
}

variable "sms" {
  description = "Whether the tasks may send SMS by SNS, to any number."
  type        = bool
  default     = false
}

variable "smtp_port" {
  description = "Port of the mail server, which the tasks may reach then: 465 or 587. null for no mail."
  type        = number
  default     = null

  validation {
    condition     = var.smtp_port == null || contains([465, 587, 2465, 2587], coalesce(var.smtp_port, 0))
    error_message = "smtp_port is 465, 587, 2465 or 2587; port 25 is throttled by AWS and not encrypted."
  }
}

variable "api" {
  description = "The HTTP API behind a load balancer's HTTPS listener, under a host name of its own; null for none, and then nothing reaches the tasks."
  type = object({
    host                            = string
    listener_arn                    = string
    load_balancer_security_group_id = string
    priority                        = optional(number, 5)
    health_path                     = optional(string, "/readyz")
  })
  default = null
}

variable "worker_policy_arns" {
  description = "IAM policies with what `omc worker` may change: then one runs beside the responder, and performs timers (`omc scale --for`). Empty for none."
  type        = list(string)
  default     = []
}
