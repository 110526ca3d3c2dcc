data "aws_partition" "current" {}

# Another region. RDS copies the automated backups there, snapshots and logs, so that a point in time can be restored there
# too. What is encrypted needs a key of that region.
resource "aws_kms_key" "copies" {
  count    = var.region == null ? 0 : 1
  provider = aws.copies

  description             = "Copies of the backups of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Administration"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })

  tags = { Name = "${var.name}-backup-copies" }
}

resource "aws_kms_alias" "copies" {
  count    = var.region == null ? 0 : 1
  provider = aws.copies

  name          = "alias/${var.name}-backup-copies"
  target_key_id = aws_kms_key.copies[0].key_id
}

resource "aws_db_instance_automated_backups_replication" "this" {
  count    = var.region == null ? 0 : 1
  provider = aws.copies

  source_db_instance_arn = var.database_arn
  kms_key_id             = aws_kms_key.copies[0].arn
  retention_period       = var.retention_days
}

# Another account, which whoever takes over this one has no rights in. AWS Backup makes a recovery point a day in a vault
# here and copies it into the vault there, which that account's owner has made and opened to this account.
resource "aws_backup_vault" "this" {
  count = var.account_vault_arn == null ? 0 : 1

  name        = "${var.name}-database"
  kms_key_arn = var.kms_key_arn

  tags = { Name = "${var.name}-database" }
}

# Nobody deletes a recovery point before its time. Without changeable_for_days the lock can be taken off again, by those who
# may.
resource "aws_backup_vault_lock_configuration" "this" {
  count = var.account_vault_arn == null || !var.vault_lock ? 0 : 1

  backup_vault_name  = aws_backup_vault.this[0].name
  min_retention_days = var.retention_days
}

resource "aws_iam_role" "backup" {
  count = var.account_vault_arn == null ? 0 : 1

  name        = "${var.name}-backup"
  description = "AWS Backup makes recovery points of the database and copies them to another account"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "backup.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })

  tags = { Name = "${var.name}-backup" }
}

resource "aws_iam_role_policy_attachment" "backup" {
  count = var.account_vault_arn == null ? 0 : 1

  role       = aws_iam_role.backup[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}

resource "aws_backup_plan" "this" {
  count = var.account_vault_arn == null ? 0 : 1

  name = "${var.name}-database"

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.this[0].name
    schedule          = var.schedule
    start_window      = 60
    completion_window = 480

    lifecycle {
      delete_after = var.retention_days
    }

    copy_action {
      destination_vault_arn = var.account_vault_arn

      lifecycle {
        delete_after = var.retention_days
      }
    }
  }

  tags = { Name = "${var.name}-database" }
}

resource "aws_backup_selection" "this" {
  count = var.account_vault_arn == null ? 0 : 1

  name         = "database"
  plan_id      = aws_backup_plan.this[0].id
  iam_role_arn = aws_iam_role.backup[0].arn
  resources    = [var.database_arn]
}
