data "aws_partition" "current" {}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Data subnets of ${var.name}"
  subnet_ids  = var.subnet_ids

  tags = { Name = var.name }
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-postgres17"
  family      = "postgres17"
  description = "Parameters of ${var.name}"

  # The default is a formula of the instance's memory whose result is never what it says, so an alarm at 80 % of it would
  # never fire.
  parameter {
    name         = "max_connections"
    value        = tostring(var.max_connections)
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name         = "shared_preload_libraries"
    value        = "pg_stat_statements"
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = tostring(var.slow_statement_ms)
  }

  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_lock_waits"
    value = "1"
  }

  # Each automatic vacuuming, with the dead rows that it had to leave: nothing else of AWS's tells of them.
  parameter {
    name  = "log_autovacuum_min_duration"
    value = "0"
  }

  tags = { Name = "${var.name}-postgres17" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role" "monitoring" {
  name        = "${var.name}-database-monitoring"
  description = "RDS writes the instance's operating system metrics"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })

  tags = { Name = "${var.name}-database-monitoring" }
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# For the name of the instance's last snapshot: a second instance of the name leaves one of its own. Made at the apply, not
# from the plan's time, by which no two plans would be the same, and an approval is of one.
resource "terraform_data" "made" {}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_157:Multi-AZ is a variable: on in production, off in staging for its price.
  #checkov:skip=CKV_AWS_293:Deletion protection is a variable: on in production, off in staging, which is rebuilt.
  identifier = var.name

  engine         = "postgres"
  engine_version = "17"
  instance_class = var.instance_class

  db_name  = var.database_name
  username = var.username
  # RDS makes the password, keeps it in Secrets Manager and rotates it every seven days; Terraform never sees it. Only
  # migrations log in with it. A password of one's own is written, stays, and is read back by nobody.
  manage_master_user_password   = var.own_password_version == null ? true : null
  master_user_secret_kms_key_id = var.own_password_version == null ? var.kms_key_arn : null
  password_wo                   = var.own_password
  password_wo_version           = var.own_password_version

  allocated_storage     = var.allocated_storage_gb
  max_allocated_storage = var.allocated_storage_gb * 2
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  parameter_group_name   = aws_db_parameter_group.this.name
  vpc_security_group_ids = [var.security_group_id]
  publicly_accessible    = false
  port                   = 5432
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  multi_az               = var.multi_az

  backup_retention_period   = var.backup_retention_days
  backup_window             = var.backup_window
  maintenance_window        = var.maintenance_window
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.deletion_protection
  final_snapshot_identifier = var.deletion_protection ? "${var.name}-final-${substr(terraform_data.made.id, 0, 8)}" : null
  delete_automated_backups  = !var.deletion_protection

  auto_minor_version_upgrade          = true
  apply_immediately                   = var.apply_immediately
  iam_database_authentication_enabled = true

  database_insights_mode                = "standard"
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.kms_key_arn
  performance_insights_retention_period = 7
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]

  tags = { Name = var.name }

  lifecycle {
    precondition {
      condition     = contains(var.log_group_names, "/aws/rds/instance/${var.name}/postgresql")
      error_message = "The log group /aws/rds/instance/${var.name}/postgresql must exist first, or RDS makes one that is neither encrypted nor ever expires."
    }
  }

  depends_on = [aws_iam_role_policy_attachment.monitoring]
}
