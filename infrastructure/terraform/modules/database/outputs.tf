output "identifier" {
  description = "Identifier of the instance: what alarms' DBInstanceIdentifier and the rds commands take."
  value       = aws_db_instance.this.identifier
}

output "resource_id" {
  description = "Resource id (db-…): what Performance Insights takes."
  value       = aws_db_instance.this.resource_id
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "address" {
  description = "Host name to connect to."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port to connect to."
  value       = aws_db_instance.this.port
}

output "database_name" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "username" {
  description = "Name of the master user."
  value       = aws_db_instance.this.username
}

output "max_connections" {
  description = "Connections that PostgreSQL accepts."
  value       = var.max_connections
}

output "parameter_group_name" {
  description = "Parameter group of the instance."
  value       = aws_db_parameter_group.this.name
}

output "master_secret_arn" {
  description = "ARN of the secret in which RDS keeps the master password; the value is never read here. null with a password of one's own."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}
