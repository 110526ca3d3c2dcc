output "data_key_arn" {
  description = "Key of the database, the cache, the secrets and container sessions."
  value       = aws_kms_key.this["data"].arn
}

output "operations_key_arn" {
  description = "Key of the logs, the alerts and the audit trail."
  value       = aws_kms_key.this["operations"].arn
}
