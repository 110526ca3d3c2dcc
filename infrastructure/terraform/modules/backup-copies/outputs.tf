output "replicated_backups_arn" {
  description = "ARN of the automated backups in the other region; null without."
  value       = one(aws_db_instance_automated_backups_replication.this[*].id)
}

output "vault_name" {
  description = "Name of the vault here; null without copies in another account."
  value       = one(aws_backup_vault.this[*].name)
}
