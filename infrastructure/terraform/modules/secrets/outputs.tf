output "secret_key_arn" {
  description = "ARN of the secret that holds SECRET_KEY, known once it has a value."
  value       = aws_secretsmanager_secret_version.secret_key.arn
}

output "secret_key_name" {
  description = "Name of the secret that holds SECRET_KEY."
  value       = aws_secretsmanager_secret.secret_key.name
}

output "database_user_arns" {
  description = "ARN of each database user's secret, known once it has a value."
  value       = { for key, version in aws_secretsmanager_secret_version.database_user : key => version.arn }
}

output "database_user" {
  description = "The database user that the application logs in as: its name, and the ARN of its secret."
  value = {
    username   = local.database_users[local.database_user_in_use].username
    secret_arn = aws_secretsmanager_secret_version.database_user[local.database_user_in_use].arn
  }
}
