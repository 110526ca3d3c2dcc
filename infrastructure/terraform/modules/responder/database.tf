# The record: small, and apart from the application's database, whose troubles it is there to tell.

module "database" {
  source = "../database"
  count  = local.own_store ? 1 : 0

  name                  = local.full_name
  account_id            = var.account_id
  subnet_ids            = var.database_subnet_ids
  security_group_id     = aws_security_group.database[0].id
  kms_key_arn           = var.data_key_arn
  log_group_names       = var.database_log_group_names
  database_name         = "omc"
  username              = "omc"
  instance_class        = var.database.instance_class
  max_connections       = var.database.max_connections
  allocated_storage_gb  = var.database.storage_gb
  multi_az              = var.database.multi_az
  backup_retention_days = var.database.backup_retention_days
  maintenance_window    = var.maintenance_window
  deletion_protection   = var.protected
  apply_immediately     = !var.protected
  own_password          = var.database_password
  own_password_version  = var.database_password_version
}

resource "aws_secretsmanager_secret" "database" {
  count = local.own_store ? 1 : 0

  #checkov:skip=CKV2_AWS_57:Rotated by raising database_password_version, whose new password a new revision carries to the tasks; a Lambda's rotation would leave them behind.
  name                    = "${var.name}/responder-database"
  description             = "Login of the responder in its database"
  kms_key_id              = var.data_key_arn
  recovery_window_in_days = var.protected ? 30 : 0

  tags = { Name = "${local.full_name}-database" }
}

resource "aws_secretsmanager_secret_version" "database" {
  count = local.own_store ? 1 : 0

  secret_id                = aws_secretsmanager_secret.database[0].id
  secret_string_wo         = jsonencode({ username = "omc", password = var.database_password })
  secret_string_wo_version = var.database_password_version
}
