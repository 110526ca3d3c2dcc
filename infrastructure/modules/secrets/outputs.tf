output "secret_key_arn" {
  description = "ARN of the secret that holds SECRET_KEY, known once it has a value."
  value       = aws_secretsmanager_secret_version.secret_key.arn
}

output "secret_key_name" {
  description = "Name of the secret that holds SECRET_KEY."
  value       = aws_secretsmanager_secret.secret_key.name
}
