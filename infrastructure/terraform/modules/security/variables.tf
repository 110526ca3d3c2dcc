variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the groups."
  type        = string
}

variable "backend_port" {
  description = "Port of the backend tasks."
  type        = number
  default     = 8000

  validation {
    condition     = var.backend_port >= 1 && var.backend_port <= 65535
    error_message = "backend_port is 1 to 65535."
  }
}

variable "frontend_port" {
  description = "Port of the frontend tasks."
  type        = number
  default     = 80

  validation {
    condition     = var.frontend_port >= 1 && var.frontend_port <= 65535
    error_message = "frontend_port is 1 to 65535."
  }
}

variable "allowed_cidrs" {
  description = "Address blocks that may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "allowed_cidrs lists at least one IPv4 address block by its first address, such as 203.0.113.0/24."
  }

  validation {
    condition     = length(var.allowed_cidrs) <= 30
    error_message = "allowed_cidrs lists 30 blocks at most: each is two rules, and a security group takes 60."
  }
}
