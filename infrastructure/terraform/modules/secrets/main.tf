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

# Users of the application in PostgreSQL, with the same rights. The migration makes them and sets these passwords. Raising
# database_password_version by one writes the password of the user that is not in use and names it as the one to use:
# tasks of the revision before go on with theirs, whose password stays.
locals {
  database_users = {
    a = { username = "${var.database_user}_a", version = var.database_password_version - (1 - var.database_password_version % 2) }
    b = { username = "${var.database_user}_b", version = var.database_password_version - var.database_password_version % 2 }
  }
  database_user_in_use = var.database_password_version % 2 == 1 ? "a" : "b"
}

resource "aws_secretsmanager_secret" "database_user" {
  #checkov:skip=CKV2_AWS_57:Rotated by raising database_password_version, whose new password a deployment carries to the tasks; a Lambda's rotation would leave them behind.
  for_each = local.database_users

  name                    = "${var.name}/database-user-${each.key}"
  description             = "Login of the application's database user ${each.value.username}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days

  tags = { Name = "${var.name}-database-user-${each.key}" }
}

resource "aws_secretsmanager_secret_version" "database_user" {
  for_each = local.database_users

  secret_id                = aws_secretsmanager_secret.database_user[each.key].id
  secret_string_wo         = jsonencode({ username = each.value.username, password = var.database_passwords[each.key] })
  secret_string_wo_version = each.value.version + 1 # the other user's first version is 0, and the provider counts from 1
}
