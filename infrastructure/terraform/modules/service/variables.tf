variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "service" {
  description = "Name of the service, which is also its container's and, after ohmycoins-, its task definition family's."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.service))
    error_message = "service is lower-case letters, digits and hyphens, such as backend."
  }
}

variable "account_id" {
  description = "Account whose tasks may assume the roles."
  type        = string
}

variable "region" {
  description = "Region of the tasks and their log."
  type        = string
}

variable "cluster" {
  description = "Cluster that runs the service."
  type = object({
    name = string
    arn  = string
  })
}

variable "image" {
  description = "Image to run, by digest: a tag can be moved, and then nobody knows what runs."
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

variable "cpu" {
  description = "CPU units of a task; 1024 are one vCPU."
  type        = number

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu is 256, 512, 1024, 2048, 4096, 8192 or 16384; Fargate has no other sizes."
  }
}

variable "memory" {
  description = "Memory of a task in MiB, of a size that Fargate has for its CPU units."
  type        = number

  validation {
    condition = contains(try({
      "256"   = [512, 1024, 2048]
      "512"   = range(1024, 4096 + 1, 1024)
      "1024"  = range(2048, 8192 + 1, 1024)
      "2048"  = range(4096, 16384 + 1, 1024)
      "4096"  = range(8192, 30720 + 1, 1024)
      "8192"  = range(16384, 61440 + 1, 4096)
      "16384" = range(32768, 122880 + 1, 8192)
    }[tostring(var.cpu)], []), var.memory)
    error_message = "memory in MiB for 256 CPU units is 512, 1024 or 2048; for 512 it is 1024 to 4096, for 1024 2048 to 8192, for 2048 4096 to 16384, for 4096 8192 to 30720, in steps of 1024; for 8192 16384 to 61440 in steps of 4096; for 16384 32768 to 122880 in steps of 8192."
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

variable "port" {
  description = "Port that the container listens on."
  type        = number

  validation {
    condition     = var.port >= 1 && var.port <= 65535
    error_message = "port is 1 to 65535."
  }
}

variable "environment" {
  description = "Environment variables of the container. Not for secrets: these are readable in the task definition."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.environment) : !can(regex("PASSWORD|SECRET|TOKEN|PRIVATE", key))])
    error_message = "environment carries no secret: names with PASSWORD, SECRET, TOKEN or PRIVATE belong in secrets."
  }
}

variable "secrets" {
  description = "Environment variables that ECS fills in from Secrets Manager: name to <arn> or <arn>:<json key>::."
  type        = map(string)
  default     = {}
}

variable "earlier_secrets" {
  description = "Secrets that only revisions of before name, <arn> or <arn>:<json key>::, while these may still start or be gone back to."
  type        = list(string)
  default     = []
}

variable "migration" {
  description = "What runs once before a revision takes traffic, in a task definition of its own, ohmycoins-migrate-<service>: its command, environment and secrets. null for a service without a schema."
  type = object({
    command     = list(string)
    environment = map(string)
    secrets     = map(string)
  })
  default = null

  validation {
    condition     = var.migration == null ? true : alltrue([for key in keys(var.migration.environment) : !can(regex("PASSWORD|SECRET|TOKEN|PRIVATE", key))])
    error_message = "migration.environment carries no secret: names with PASSWORD, SECRET, TOKEN or PRIVATE belong in migration.secrets."
  }
}

variable "kms_key_arn" {
  description = "Key of the secrets and of ECS Exec sessions."
  type        = string
}

variable "subnet_ids" {
  description = "Application subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "target_group_arn" {
  description = "Target group that sends requests to the tasks."
  type        = string
}

variable "log_group" {
  description = "Log group of the container's output."
  type = object({
    name = string
    arn  = string
  })
}

variable "exec_log_group_arn" {
  description = "Log group of ECS Exec sessions."
  type        = string
}

variable "health_check" {
  description = "Command that tells whether the container is alive, and its timing in seconds; failures within the start period don't count."
  type = object({
    command      = list(string)
    interval     = optional(number, 30)
    timeout      = optional(number, 5)
    retries      = optional(number, 3)
    start_period = optional(number, 60)
  })

  validation {
    condition     = length(var.health_check.command) >= 2 && contains(["CMD", "CMD-SHELL"], try(var.health_check.command[0], ""))
    error_message = "health_check.command starts with CMD or CMD-SHELL, then what to run."
  }

  validation {
    condition     = var.health_check.interval >= 5 && var.health_check.interval <= 300
    error_message = "health_check.interval is 5 to 300 seconds."
  }

  validation {
    condition     = var.health_check.timeout >= 2 && var.health_check.timeout <= 60
    error_message = "health_check.timeout is 2 to 60 seconds."
  }

  validation {
    condition     = var.health_check.retries >= 1 && var.health_check.retries <= 10
    error_message = "health_check.retries is 1 to 10."
  }

  validation {
    condition     = var.health_check.start_period >= 0 && var.health_check.start_period <= 300
    error_message = "health_check.start_period is 0 to 300 seconds."
  }
}

variable "stop_timeout" {
  description = "Seconds between asking a container to stop and killing it."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout >= 2 && var.stop_timeout <= 120
    error_message = "stop_timeout is 2 to 120 seconds; Fargate waits no longer."
  }
}

variable "scaling" {
  description = "Tasks at least and at most, the utilisation to hold (null for no policy on it), and seconds between changes."
  type = object({
    minimum            = optional(number, 2)
    maximum            = optional(number, 10)
    cpu_percent        = optional(number, 70)
    memory_percent     = optional(number)
    scale_out_cooldown = optional(number, 60)
    scale_in_cooldown  = optional(number, 300)
  })
  default = {}

  validation {
    condition     = var.scaling.minimum >= 0 && var.scaling.maximum >= 1 && var.scaling.minimum <= var.scaling.maximum
    error_message = "scaling.minimum is at least 0 and no more than scaling.maximum."
  }

  validation {
    condition = alltrue([
      for percent in [var.scaling.cpu_percent, var.scaling.memory_percent] : percent == null ? true : percent > 0 && percent <= 100
    ])
    error_message = "scaling.cpu_percent and .memory_percent are above 0 and at most 100."
  }

  validation {
    condition = alltrue([
      for number in [var.scaling.minimum, var.scaling.maximum, var.scaling.scale_out_cooldown, var.scaling.scale_in_cooldown] : number >= 0 && floor(number) == number
    ])
    error_message = "scaling.minimum, .maximum and the cooldowns are whole numbers from 0."
  }
}

variable "deployment_alarms" {
  description = "Alarms that roll a deployment back. 5xx and unhealthy targets, never CPU: a start-up burst is no failure."
  type        = list(string)
  default     = []

  validation {
    condition     = !anytrue([for name in var.deployment_alarms : endswith(name, "-cpu-high") || endswith(name, "-at-max")])
    error_message = "deployment_alarms leaves CPU alarms out: a deployment is never rolled back for them."
  }
}

variable "restored_databases" {
  description = "Pattern of the identifiers of databases that are restored from backups, such as ohmycoins-staging-*; the migration may read their master passwords. null for none."
  type        = string
  default     = null
}
