mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name                  = "ohmycoins-staging"
  account_id            = "123456789012"
  subnet_ids            = ["subnet-0a", "subnet-0b"]
  security_group_id     = "sg-0a"
  kms_key_arn           = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  log_group_names       = ["/aws/rds/instance/ohmycoins-staging/postgresql", "/aws/rds/instance/ohmycoins-staging/upgrade"]
  instance_class        = "db.t4g.micro"
  max_connections       = 80
  allocated_storage_gb  = 20
  multi_az              = false
  backup_retention_days = 3
  deletion_protection   = false
}

run "postgresql_17_under_the_environments_name" {
  command = plan

  assert {
    condition     = aws_db_instance.this.identifier == "ohmycoins-staging" && aws_db_instance.this.engine == "postgres" && startswith(aws_db_instance.this.engine_version, "17")
    error_message = "The identifier is the environment's name."
  }

  assert {
    condition     = aws_db_instance.this.db_name == "ohmycoins" && aws_db_instance.this.username == "ohmycoins"
    error_message = "Database and user are ohmycoins."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "Storage is encrypted, the instance private."
  }
}

run "rds_makes_the_password" {
  command = plan

  assert {
    condition     = aws_db_instance.this.manage_master_user_password == true && aws_db_instance.this.password == null
    error_message = "No password passes through Terraform."
  }
}

run "a_password_of_ones_own_is_not_rotated_by_rds" {
  command = plan

  variables {
    own_password         = "an-example-that-is-long-enough-to-pass"
    own_password_version = 3
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password == null && aws_db_instance.this.password == null && aws_db_instance.this.password_wo_version == 3
    error_message = "RDS manages no password, and this one is in no plan."
  }
}

run "parameters_are_set_not_derived" {
  command = plan

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "max_connections"]) == "80"
    error_message = "max_connections is what the alarm and the budget rest on."
  }

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "TLS is forced."
  }
}

run "slow_queries_can_be_found" {
  command = plan

  assert {
    condition     = aws_db_instance.this.performance_insights_enabled && contains(aws_db_instance.this.enabled_cloudwatch_logs_exports, "postgresql")
    error_message = "Performance Insights is on and the log is exported."
  }
}

run "production_keeps_its_data" {
  command = plan

  override_resource {
    target          = terraform_data.made
    override_during = plan
    values          = { id = "0a1b2c3d-0000-0000-0000-000000000000" }
  }

  variables {
    name                  = "ohmycoins-production"
    log_group_names       = ["/aws/rds/instance/ohmycoins-production/postgresql"]
    multi_az              = true
    deletion_protection   = true
    backup_retention_days = 14
  }

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == "ohmycoins-production-final-0a1b2c3d" && !aws_db_instance.this.delete_automated_backups
    error_message = "It refuses deletion, and leaves a snapshot and its backups when it is allowed."
  }

  assert {
    condition     = aws_db_instance.this.multi_az && !aws_db_instance.this.apply_immediately && aws_db_instance.this.maintenance_window == "sat:16:00-sat:18:00"
    error_message = "A standby runs, and changes wait for Sunday 02:00–04:00 AEST."
  }
}

run "log_groups_come_first" {
  command = plan

  variables {
    log_group_names = []
  }

  expect_failures = [aws_db_instance.this]
}

run "backups_cannot_be_switched_off" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "a_window_without_a_zone_is_refused" {
  command = plan

  variables {
    maintenance_window = "Sunday 02:00 AEST"
  }

  expect_failures = [var.maintenance_window]
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [var.subnet_ids]
}
