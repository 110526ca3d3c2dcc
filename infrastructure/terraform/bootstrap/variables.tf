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

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is an AWS region, such as ap-southeast-2."
  }
}

variable "github_repository" {
  description = "Repository whose workflows may assume the roles, as OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository is OWNER/NAME, without patterns: whom it names gets this account."
  }
}

variable "github_owner_id" {
  description = "GitHub's number of the repository's owner, as in repo:OWNER@NUMBER/…; see the README for how to find it."
  type        = string
  default     = null

  validation {
    condition     = var.github_owner_id == null || can(regex("^[1-9][0-9]*$", var.github_owner_id))
    error_message = "github_owner_id is a number, such as 123456: gh api repos/OWNER/NAME --jq .owner.id"
  }

  validation {
    condition     = (var.github_owner_id == null) == (var.github_repository_id == null)
    error_message = "github_owner_id and github_repository_id go together: a subject holds both or neither."
  }

  validation {
    condition     = var.github_owner_id != null || var.github_subjects_by_name
    error_message = "Without github_owner_id and github_repository_id the roles trust nobody. A repository made before 15 July 2026 that has no numbers in its subjects wants github_subjects_by_name = true instead."
  }
}

variable "github_repository_id" {
  description = "GitHub's number of the repository, as in repo:…/NAME@NUMBER."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository_id == null || can(regex("^[1-9][0-9]*$", var.github_repository_id))
    error_message = "github_repository_id is a number, such as 456789: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "github_subjects_by_name" {
  description = "Whether subjects that hold names alone are trusted too, as GitHub makes them for repositories from before 15 July 2026."
  type        = bool
  default     = false
}

variable "zone_id" {
  description = "Hosted zone of the application's name, in which alone the apply role may write records; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^[0-9A-Z]{1,32}$", var.zone_id))
    error_message = "zone_id is the id of a Route 53 hosted zone, such as Z0123456789ABCDEFGHIJ."
  }
}
