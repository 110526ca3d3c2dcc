resource "aws_secretsmanager_secret" "secret_key" {
  #checkov:skip=CKV2_AWS_57:Rotating this key ends every session; it is rotated by raising secret_key_version, then a forced deployment.
  name                    = "${var.name}/secret-key"
  description             = "Key with which the backend signs its sessions"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days

  tags = { Name = "${var.name}-secret-key" }
}

# Write-only: the value goes to Secrets Manager and into no plan or state. It is written again only when the version
# number is raised.
resource "aws_secretsmanager_secret_version" "secret_key" {
  secret_id                = aws_secretsmanager_secret.secret_key.id
  secret_string_wo         = var.secret_key
  secret_string_wo_version = var.secret_key_version
}
