mock_provider "aws" {}

variables {
  name        = "ohmycoins-staging"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  secret_key  = "an-example-that-is-long-enough-to-pass"
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
