mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/ohmycoins-production-backup" }
  }
}

mock_provider "aws" {
  alias = "copies"

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:ap-southeast-4:123456789012:key/mock" }
  }
}

variables {
  name         = "ohmycoins-production"
  account_id   = "123456789012"
  database_arn = "arn:aws:rds:ap-southeast-2:123456789012:db:ohmycoins-production"
  kms_key_arn  = "arn:aws:kms:ap-southeast-2:123456789012:key/data"
}

run "nothing_is_copied_unless_it_is_asked_for" {
  command = plan

  assert {
    condition     = length(aws_db_instance_automated_backups_replication.this) == 0 && length(aws_backup_plan.this) == 0 && length(aws_kms_key.copies) == 0
    error_message = "Each copy is a switch."
  }
}

run "another_region_gets_the_automated_backups_under_a_key_of_its_own" {
  command = apply

  variables {
    region         = "ap-southeast-4"
    retention_days = 14
  }

  assert {
    condition     = aws_db_instance_automated_backups_replication.this[0].source_db_instance_arn == var.database_arn && aws_db_instance_automated_backups_replication.this[0].retention_period == 14
    error_message = "The database's backups are copied, and kept as long as was said."
  }

  assert {
    condition     = aws_db_instance_automated_backups_replication.this[0].kms_key_id == "arn:aws:kms:ap-southeast-4:123456789012:key/mock"
    error_message = "A copy is encrypted by a key of the region that it is in."
  }

  assert {
    condition     = length(aws_backup_vault.this) == 0
    error_message = "Another region needs no vault."
  }
}

run "another_account_gets_a_recovery_point_a_day" {
  command = apply

  variables {
    account_vault_arn = "arn:aws:backup:ap-southeast-2:210987654321:backup-vault:ohmycoins"
    vault_lock        = true
  }

  assert {
    condition     = one(one(aws_backup_plan.this[0].rule).copy_action).destination_vault_arn == var.account_vault_arn
    error_message = "Each recovery point is copied into the other account's vault."
  }

  assert {
    condition     = aws_backup_selection.this[0].resources == toset([var.database_arn])
    error_message = "The database is what is backed up."
  }

  assert {
    condition     = aws_backup_vault_lock_configuration.this[0].min_retention_days == 35
    error_message = "The lock keeps a recovery point for as long as it is to be kept."
  }
}

run "a_vault_is_named_by_its_arn" {
  command = plan

  variables {
    account_vault_arn = "ohmycoins"
  }

  expect_failures = [var.account_vault_arn]
}
