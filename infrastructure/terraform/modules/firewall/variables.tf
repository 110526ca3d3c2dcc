variable "name" {
  description = "Name of the web ACL, such as ohmycoins-staging."
  type        = string
}

variable "load_balancer_arn" {
  description = "Load balancer that the web ACL guards."
  type        = string
}

variable "log_group_arn" {
  description = "Log group of the decisions; WAF takes only one whose name starts with aws-waf-logs-."
  type        = string

  validation {
    condition     = can(regex(":log-group:aws-waf-logs-[^:]+$", var.log_group_arn))
    error_message = "log_group_arn is the ARN, without :*, of a log group whose name starts with aws-waf-logs-."
  }
}

variable "requests_per_five_minutes" {
  description = "Requests from one address in five minutes from which it is blocked."
  type        = number
  default     = 10000

  validation {
    condition     = floor(var.requests_per_five_minutes) == var.requests_per_five_minutes && var.requests_per_five_minutes >= 10 && var.requests_per_five_minutes <= 2000000000
    error_message = "requests_per_five_minutes is a whole number, 10 to 2000000000."
  }
}
