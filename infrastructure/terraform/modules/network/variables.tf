variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", var.name))
    error_message = "name is a prefix of 4 to 32 lower-case letters, digits and hyphens, such as ohmycoins-staging."
  }
}

variable "region" {
  description = "Region, for the name of its S3 endpoint service."
  type        = string
}

variable "cidr" {
  description = "Address block of the VPC, a /16; every subnet is a /24 of it."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16") && try(cidrsubnet(var.cidr, 0, 0) == var.cidr, false)
    error_message = "cidr is an IPv4 /16 by its first address, such as 10.0.0.0/16."
  }
}

variable "availability_zones" {
  description = "Zones to use, in order; spelled out so that a zone that AWS adds never moves a subnet."
  type        = list(string)

  validation {
    condition = (
      length(var.availability_zones) >= 2 && length(var.availability_zones) <= 9 &&
      length(distinct(var.availability_zones)) == length(var.availability_zones)
    )
    error_message = "availability_zones names 2 to 9 different zones; a load balancer and a database need two."
  }
}

variable "nat_gateways" {
  description = "NAT gateways: 0 for none, 1 shared by all zones, or one for each zone."
  type        = number

  validation {
    condition     = contains([0, 1, length(var.availability_zones)], var.nat_gateways)
    error_message = "nat_gateways is 0, 1 or the number of availability zones."
  }
}
