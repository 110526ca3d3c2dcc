variable "name" {
  description = "Name of the load balancer, such as ohmycoins-staging; target groups add the service."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,21}[a-z0-9]$", var.name))
    error_message = "name is 4 to 23 lower-case letters, digits and hyphens: with -frontend it must fit a target group's 32."
  }
}

variable "account_id" {
  description = "Account of the load balancer, for the name of its log bucket."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the target groups."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids names at least two subnets; a load balancer takes no fewer."
  }
}

variable "security_group_id" {
  description = "Security group of the load balancer."
  type        = string
}

variable "services" {
  description = "Each service's port and health path; with paths, a listener rule of that priority sends those to it."
  type = map(object({
    port        = number
    health_path = string
    paths       = optional(list(string))
    priority    = optional(number)
  }))

  validation {
    condition     = alltrue([for service in values(var.services) : startswith(service.health_path, "/")])
    error_message = "A health_path starts with a slash."
  }

  validation {
    condition     = alltrue([for service in values(var.services) : service.paths == null || service.priority != null])
    error_message = "A service with paths needs a priority for its listener rule."
  }

  validation {
    condition = alltrue([
      for service in values(var.services) : service.priority == null ? true : service.priority >= 1 && service.priority <= 50000
    ])
    error_message = "A priority is 1 to 50000."
  }

  validation {
    condition     = alltrue([for service in values(var.services) : service.paths == null ? true : length(service.paths) >= 1 && length(service.paths) <= 5])
    error_message = "paths are one to five; a listener rule takes no more."
  }
}

variable "default_service" {
  description = "Service that gets what no rule claims."
  type        = string

  validation {
    condition     = contains(keys(var.services), var.default_service)
    error_message = "default_service is one of services."
  }
}

variable "domain_name" {
  description = "Name under which browsers find the application, over HTTPS; null serves plain HTTP under the load balancer's name."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.domain_name))
    error_message = "domain_name is one name in lower case, such as app.example.com: no pattern, no address, no dot at its end."
  }

  validation {
    condition     = var.domain_name == null || length(coalesce(var.domain_name, "-")) <= 64
    error_message = "domain_name has 64 characters at most; no certificate takes a longer first name."
  }

  validation {
    condition     = var.domain_name != null || (var.zone_id == null && var.certificate_arn == null)
    error_message = "HTTPS needs a name: beside certificate_arn or zone_id give domain_name, the name in the certificate. Browsers refuse any certificate under the load balancer's own name."
  }

  validation {
    condition     = var.domain_name == null || var.zone_id != null || var.certificate_arn != null
    error_message = "domain_name wants zone_id, the hosted zone in which a certificate can be proved, or certificate_arn, a certificate that there is."
  }
}

variable "zone_id" {
  description = "Hosted zone that gets the record of domain_name, and the proof of its certificate; null where both are made elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^[0-9A-Z]{1,32}$", var.zone_id))
    error_message = "zone_id is the id of a Route 53 hosted zone, such as Z0123456789ABCDEFGHIJ."
  }
}

variable "certificate_arn" {
  description = "Certificate of domain_name that there is already; null has one made and proved in zone_id."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/", var.certificate_arn))
    error_message = "certificate_arn is the ARN of an ACM certificate, or null."
  }
}

variable "health_check" {
  description = "Seconds between checks, seconds until one times out, and checks in a row that make a target healthy or unhealthy."
  type = object({
    interval  = optional(number, 30)
    timeout   = optional(number, 5)
    healthy   = optional(number, 2)
    unhealthy = optional(number, 3)
  })
  default = {}

  validation {
    condition     = var.health_check.interval >= 5 && var.health_check.interval <= 300
    error_message = "health_check.interval is 5 to 300 seconds."
  }

  validation {
    condition     = var.health_check.timeout >= 2 && var.health_check.timeout < var.health_check.interval
    error_message = "health_check.timeout is at least 2 seconds and shorter than the interval."
  }

  validation {
    condition     = alltrue([for count in [var.health_check.healthy, var.health_check.unhealthy] : count >= 2 && count <= 10])
    error_message = "health_check.healthy and .unhealthy are 2 to 10."
  }
}

variable "deregistration_delay" {
  description = "Seconds that a leaving target may finish its requests."
  type        = number
  default     = 30

  validation {
    condition     = var.deregistration_delay >= 0 && var.deregistration_delay <= 3600 && floor(var.deregistration_delay) == var.deregistration_delay
    error_message = "deregistration_delay is 0 to 3600 whole seconds."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses deletion, and its log bucket keeps its objects."
  type        = bool
}

variable "log_retention_days" {
  description = "Days that access logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.log_retention_days >= 1 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "log_retention_days is a whole number from 1."
  }
}
