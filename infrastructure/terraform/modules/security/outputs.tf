output "group_ids" {
  description = "Security group of each part: load-balancer, backend, frontend, database, cache, endpoints."
  value       = { for part, group in aws_security_group.this : part => group.id }
}
