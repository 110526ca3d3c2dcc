mock_provider "aws" {}

variables {
  name        = "ohmycoins-staging"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  secret_key  = "an-example-that-is-long-enough-to-pass"

  database_passwords = { a = "a-password-that-is-long-enough-to-pass", b = "b-password-that-is-long-enough-to-pass" }
}

run "the_value_reaches_no_state" {
  assert {
    condition     = aws_secretsmanager_secret_version.secret_key.secret_string_wo == null && try(aws_secretsmanager_secret_version.secret_key.secret_string, "") != "an-example-that-is-long-enough-to-pass"
    error_message = "The value is written, not kept."
  }

  assert {
    condition     = aws_secretsmanager_secret_version.secret_key.secret_string_wo_version == 1
    error_message = "It is written again only when the version is raised."
  }
}

run "the_name_and_the_key" {
  command = plan

  assert {
    condition     = aws_secretsmanager_secret.secret_key.name == "ohmycoins-staging/secret-key" && aws_secretsmanager_secret.secret_key.kms_key_id == var.kms_key_arn
    error_message = "The secret is <prefix>/secret-key, under the stack's own key."
  }
}

run "a_short_key_is_refused" {
  command = plan

  variables {
    secret_key = "an-example"
  }

  expect_failures = [var.secret_key]
}

run "a_recovery_window_that_aws_would_refuse_is_refused" {
  command = plan

  variables {
    recovery_window_days = 3
  }

  expect_failures = [var.recovery_window_days]
}

run "half_a_version_is_refused" {
  command = plan

  variables {
    secret_key_version = 1.5
  }

  expect_failures = [var.secret_key_version]
}

run "the_first_password_is_of_user_a" {
  assert {
    condition     = output.database_user.username == "ohmycoins_app_a" && output.database_user.secret_arn == aws_secretsmanager_secret_version.database_user["a"].arn
    error_message = "Version 1 is a's."
  }

  assert {
    condition     = { for key, version in aws_secretsmanager_secret_version.database_user : key => version.secret_string_wo_version } == { a = 2, b = 1 }
    error_message = "Both users have a password from the start."
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.database_user : version.secret_string_wo == null])
    error_message = "The passwords are written, not kept."
  }
}

run "a_new_password_is_of_the_user_that_nobody_uses" {
  variables {
    database_password_version = 2
  }

  assert {
    condition     = output.database_user.username == "ohmycoins_app_b" && output.database_user.secret_arn == aws_secretsmanager_secret_version.database_user["b"].arn
    error_message = "Version 2 is b's."
  }

  assert {
    condition     = { for key, version in aws_secretsmanager_secret_version.database_user : key => version.secret_string_wo_version } == { a = 2, b = 3 }
    error_message = "Only b is written: tasks that run as a keep their password."
  }
}

run "the_next_is_of_the_first_again" {
  variables {
    database_password_version = 3
  }

  assert {
    condition     = output.database_user.username == "ohmycoins_app_a" && { for key, version in aws_secretsmanager_secret_version.database_user : key => version.secret_string_wo_version } == { a = 4, b = 3 }
    error_message = "Version 3 is a's, and b keeps its password."
  }
}

run "a_short_or_missing_database_password_is_refused" {
  command = plan

  variables {
    database_passwords = { a = "short" }
  }

  expect_failures = [var.database_passwords]
}

run "half_a_password_version_is_refused" {
  command = plan

  variables {
    database_password_version = 0
  }

  expect_failures = [var.database_password_version]
}
