variable "name" {
  description = "Name of the cluster, such as ohmycoins-staging."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts sessions opened with ECS Exec."
  type        = string
}

variable "exec_log_group_name" {
  description = "Log group that records what was typed and seen in ECS Exec sessions."
  type        = string
}
