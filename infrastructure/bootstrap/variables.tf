variable "environment" {
  description = "Environment of this account: staging or production; one account each."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment is staging or production."
  }
}

variable "region" {
  description = "Region of the state and the images."
  type        = string
  default     = "ap-southeast-2"
}

variable "github_repository" {
  description = "Repository whose workflows may assume the roles, as OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is OWNER/NAME, without patterns: whom it names gets this account."
  }
}
