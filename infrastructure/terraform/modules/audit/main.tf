data "aws_partition" "current" {}

locals {
  trail_arn      = "arn:${data.aws_partition.current.partition}:cloudtrail:${var.region}:${var.account_id}:trail/${var.name}"
  bucket         = "${var.name}-audit-${var.account_id}"
  flow_log_group = "/vpc/${var.name}/flow"

  record_log_group = "/omc/${var.name}/record"

  # The default format, spelled out: Logs Insights finds srcAddr, dstAddr and bytes by themselves in no other.
  flow_log_fields = [
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport",
    "protocol", "packets", "bytes", "start", "end", "action", "log-status",
  ]
}

module "bucket" {
  source = "../bucket"

  bucket        = local.bucket
  kms_key_arn   = var.kms_key_arn
  expire_days   = var.trail_retention_days
  force_destroy = var.force_destroy
  object_lock   = true # omc locks the heads of its record; CloudTrail's files are sealed by their digests

  policy_statements = jsonencode(concat([
    {
      Sid       = "TrailChecks"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
    {
      Sid       = "TrailWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}/AWSLogs/${var.account_id}/*"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
    },
    ], var.force_destroy ? [] : [
    {
      # Nobody ends a lock before its time without changing this first.
      Sid       = "LocksStay"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:BypassGovernanceRetention"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}/record/*"
    },
  ]))
}

resource "aws_cloudtrail" "this" {
  #checkov:skip=CKV_AWS_252:Files are read by look-up, not as they arrive; nothing would consume the notices.
  #checkov:skip=CKV2_AWS_10:A second copy in CloudWatch Logs would cost more than the trail; LookupEvents answers the weekly review.
  name                          = var.name
  s3_bucket_name                = module.bucket.bucket
  kms_key_id                    = var.kms_key_arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true

  tags = { Name = var.name }
}

# The head of omc's record, out of the reach of whoever owns the record's database.
resource "aws_cloudwatch_log_group" "record" {
  name              = local.record_log_group
  retention_in_days = 400
  kms_key_id        = var.kms_key_arn

  tags = { Name = local.record_log_group }
}

resource "aws_cloudwatch_log_group" "flow" {
  name              = local.flow_log_group
  retention_in_days = var.flow_retention_days
  kms_key_id        = var.kms_key_arn

  tags = { Name = local.flow_log_group }
}

resource "aws_iam_role" "flow" {
  name        = "${var.name}-flow-log"
  description = "The VPC's flow log writes to its log group"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:ec2:${var.region}:${var.account_id}:vpc-flow-log/*" }
      }
    }]
  })

  tags = { Name = "${var.name}-flow-log" }
}

resource "aws_iam_role_policy" "flow" {
  name = "write-flow-log"
  role = aws_iam_role.flow.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.flow.arn}:*"
      },
      {
        # AWS has no narrower resource for this action. CreateLogGroup is left out: the group is there.
        Effect   = "Allow"
        Action   = ["logs:DescribeLogGroups"]
        Resource = "*"
      },
    ]
  })
}

resource "aws_flow_log" "this" {
  vpc_id                   = var.vpc_id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.flow.arn
  iam_role_arn             = aws_iam_role.flow.arn
  max_aggregation_interval = 60
  log_format               = join(" ", [for field in local.flow_log_fields : "$${${field}}"])

  tags = { Name = "${var.name}-flow" }

  depends_on = [aws_iam_role_policy.flow]
}
