variable "repositories" {
  description = "Name of the repository of each service."
  type        = map(string)
  default = {
    backend   = "ohmycoins/backend"
    frontend  = "ohmycoins/frontend"
    responder = "ohmycoins/responder"
  }

  validation {
    condition     = alltrue([for name in values(var.repositories) : can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", name))])
    error_message = "A repository's name is lower-case letters and digits in parts joined by . _ / or -."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string
}

variable "released_images" {
  description = "Released images to keep of each service."
  type        = number
  default     = 100

  validation {
    condition     = var.released_images >= 10
    error_message = "released_images is at least 10, or a rollback may find its image gone."
  }
}

variable "build_days" {
  description = "Days that an image tagged build-… and never released is kept."
  type        = number
  default     = 30

  validation {
    condition     = var.build_days >= 7
    error_message = "build_days is at least 7, or an image may expire before it is approved."
  }
}

variable "untagged_days" {
  description = "Days that an image without any tag is kept."
  type        = number
  default     = 14

  validation {
    condition     = var.untagged_days >= 1
    error_message = "untagged_days is at least 1."
  }
}

variable "force_delete" {
  description = "Whether destroying a repository destroys its images too."
  type        = bool
  default     = false
}
