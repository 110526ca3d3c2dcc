data "aws_partition" "current" {}

locals {
  account_root = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:root"

  # Every key needs this statement, or nobody could administer it any more.
  administration = {
    Sid       = "Administration"
    Effect    = "Allow"
    Principal = { AWS = local.account_root }
    Action    = "kms:*"
    Resource  = "*"
  }

  data_statements = [local.administration]

  operations_statements = [
    local.administration,
    {
      Sid    = "LogGroups"
      Effect = "Allow"
      # The one principal here that is named after region and partition; the others are the same everywhere.
      Principal = { Service = "logs.${var.region}.${data.aws_partition.current.dns_suffix}" }
      Action    = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
      Resource  = "*"
      Condition = {
        ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${var.region}:${var.account_id}:log-group:*" }
      }
    },
    {
      # Without this an alarm's action on an encrypted topic fails, and nothing says so.
      Sid       = "AlarmsPublish"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    },
    {
      # No condition: EventBridge sends no source account when it publishes to a topic or a queue, SNS none when it delivers.
      Sid       = "EventsPublishAndTopicsDeliver"
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com", "sns.amazonaws.com"] }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
    },
    {
      Sid       = "TrailEncrypts"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = ["kms:GenerateDataKey*", "kms:DescribeKey", "kms:Decrypt"]
      Resource  = "*"
      Condition = {
        StringEquals = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:cloudtrail:${var.region}:${var.account_id}:trail/${var.name}" }
      }
    },
  ]

  keys = {
    data = {
      description = "${var.name}: database, cache, secrets and container sessions"
      policy      = jsonencode({ Version = "2012-10-17", Statement = local.data_statements })
    }
    operations = {
      description = "${var.name}: logs, alerts and the audit trail"
      policy      = jsonencode({ Version = "2012-10-17", Statement = local.operations_statements })
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = each.value.description
  policy                  = each.value.policy
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
