variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "account_id" {
  description = "Account whose principals alone may use the endpoints."
  type        = string
}

variable "region" {
  description = "Region of the endpoint services."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the endpoints."
  type        = string
}

variable "subnet_ids" {
  description = "Application subnets, one for each zone; every endpoint costs by the hour in each."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the endpoints."
  type        = string
}

variable "services" {
  description = "AWS services to reach without NAT. The default is what a Fargate task needs to start, log and be entered; a session is encrypted by the agent in the task, which asks KMS."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "ssmmessages"]

  validation {
    condition     = alltrue([for service in var.services : can(regex("^[a-z][a-z0-9.-]*$", service))])
    error_message = "services are names of endpoint services without their region, such as ecr.api."
  }

  validation {
    condition     = !contains(var.services, "s3")
    error_message = "S3 has its gateway endpoint in the network module, which is free."
  }
}
