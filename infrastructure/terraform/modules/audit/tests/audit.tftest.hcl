mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/vpc/ohmycoins-staging/flow" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mock" }
  }
}

variables {
  name        = "ohmycoins-staging"
  account_id  = "123456789012"
  region      = "ap-southeast-2"
  vpc_id      = "vpc-0a"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "every_region_is_recorded_and_files_can_be_proved" {
  command = plan

  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.include_global_service_events && aws_cloudtrail.this.enable_log_file_validation
    error_message = "The trail covers all regions and global services, with digests."
  }

  assert {
    condition     = aws_cloudtrail.this.kms_key_id == var.kms_key_arn
    error_message = "The trail is encrypted."
  }
}

# The runbook's query names srcAddr, dstAddr and bytes; Logs Insights finds them by themselves only in the default format.
run "the_flow_log_has_the_default_format" {
  command = plan

  assert {
    condition     = aws_flow_log.this.log_format == "$${version} $${account-id} $${interface-id} $${srcaddr} $${dstaddr} $${srcport} $${dstport} $${protocol} $${packets} $${bytes} $${start} $${end} $${action} $${log-status}"
    error_message = "No other format has its fields discovered."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow.name == "/vpc/ohmycoins-staging/flow" && aws_flow_log.this.traffic_type == "ALL"
    error_message = "Accepted and rejected traffic goes to /vpc/<prefix>/flow."
  }
}

run "the_flow_log_may_write_to_its_group_only" {
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.flow.policy).Statement : statement.Resource => statement.Action } == {
      "arn:aws:logs:ap-southeast-2:123456789012:log-group:/vpc/ohmycoins-staging/flow:*" = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      "*"                                                                                = ["logs:DescribeLogGroups"]
    }
    error_message = "The role writes to no other group."
  }
}

run "a_short_trail_is_refused" {
  command = plan

  variables {
    trail_retention_days = 7
  }

  expect_failures = [var.trail_retention_days]
}

# Whoever owns the record's database can't rewrite what was kept of it here.
run "the_records_head_has_its_places" {
  command = plan

  assert {
    condition     = aws_cloudwatch_log_group.record.name == "/omc/ohmycoins-staging/record" && aws_cloudwatch_log_group.record.retention_in_days == 400
    error_message = "The head is kept in /omc/<prefix>/record, for as long as its lock in the bucket lasts."
  }

  assert {
    condition     = output.record_log_group_name == aws_cloudwatch_log_group.record.name
    error_message = "The log group is an output."
  }
}
