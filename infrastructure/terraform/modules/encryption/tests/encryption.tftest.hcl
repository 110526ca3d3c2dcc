mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }
}

variables {
  name       = "ohmycoins-staging"
  account_id = "123456789012"
  region     = "ap-southeast-2"
}

run "alarms_may_use_the_operations_key" {
  command = plan

  assert {
    condition = contains([
      for statement in jsondecode(aws_kms_key.this["operations"].policy).Statement : try(statement.Principal.Service, null)
    ], "cloudwatch.amazonaws.com")
    error_message = "Without it no alarm is ever delivered through an encrypted topic."
  }

  assert {
    condition = one([
      for statement in jsondecode(aws_kms_key.this["operations"].policy).Statement : statement
      if statement.Sid == "LogGroups"
    ]).Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] == "arn:aws:logs:ap-southeast-2:123456789012:log-group:*"
    error_message = "The log service may use the key for this account's log groups only."
  }

  assert {
    condition     = length(jsondecode(aws_kms_key.this["data"].policy).Statement) == 1
    error_message = "The data key is for principals that their own policies allow, not for AWS services at large."
  }
}

run "keys_rotate" {
  command = plan

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation && key.deletion_window_in_days == 30])
    error_message = "Keys rotate, and deletion takes thirty days."
  }
}

run "a_short_deletion_window_is_refused" {
  command = plan

  variables {
    deletion_window_days = 3
  }

  expect_failures = [var.deletion_window_days]
}

run "a_malformed_account_is_refused" {
  command = plan

  variables {
    account_id = "12345"
  }

  expect_failures = [var.account_id]
}
