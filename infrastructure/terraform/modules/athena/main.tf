# Queries over what is exported to S3: a flow log of the VPC in Parquet, the load balancer's access logs, their tables,
# and a workgroup that ends a query which scans too much.

data "aws_partition" "current" {}

locals {
  database = "${replace(var.name, "-", "_")}_logs"
  bucket   = "${var.name}-log-queries-${var.account_id}"
  source   = "arn:${data.aws_partition.current.partition}:logs:${var.region}:${var.account_id}:*"

  flow_columns = [
    ["version", "int"], ["account_id", "string"], ["interface_id", "string"], ["srcaddr", "string"],
    ["dstaddr", "string"], ["srcport", "int"], ["dstport", "int"], ["protocol", "bigint"], ["packets", "bigint"],
    ["bytes", "bigint"], ["start", "bigint"], ["end", "bigint"], ["action", "string"], ["log_status", "string"],
  ]

  # The entries of an access log in the order of AWS's user guide; the expression takes a request and an address apart.
  access_columns = [
    ["type", "string"], ["time", "string"], ["elb", "string"], ["client_ip", "string"], ["client_port", "int"],
    ["target_ip", "string"], ["target_port", "string"], ["request_processing_time", "double"],
    ["target_processing_time", "double"], ["response_processing_time", "double"], ["elb_status_code", "int"],
    ["target_status_code", "string"], ["received_bytes", "bigint"], ["sent_bytes", "bigint"], ["request_verb", "string"],
    ["request_url", "string"], ["request_proto", "string"], ["user_agent", "string"], ["ssl_cipher", "string"],
    ["ssl_protocol", "string"], ["target_group_arn", "string"], ["trace_id", "string"], ["domain_name", "string"],
    ["chosen_cert_arn", "string"], ["matched_rule_priority", "string"], ["request_creation_time", "string"],
    ["actions_executed", "string"], ["redirect_url", "string"], ["error_reason", "string"], ["rest", "string"],
  ]
  word   = "([^ ]*)"
  quoted = "\"([^\"]*)\""
  access_regex = join(" ", [
    local.word, local.word, local.word, "([^ ]*):([0-9]*)", "([^ ]*?):?([0-9]*|-)", "([-.0-9]*)", "([-.0-9]*)",
    "([-.0-9]*)", "([0-9]*)", "(-|[-0-9]*)", "([-0-9]*)", "([-0-9]*)", "\"([^ ]*) ([^\"]*?) ?(HTTP/[.0-9]+|-)? ?\"",
    local.quoted, local.word, local.word, local.word, local.quoted, local.quoted, local.quoted, "([-.0-9]*)",
    local.word, local.quoted, local.quoted, "\"([^\"]*)\"(.*)",
  ])

  tables = {
    flow_log = {
      columns    = local.flow_columns
      location   = "s3://${local.bucket}/flow/AWSLogs/${var.account_id}/vpcflowlogs/${var.region}"
      input      = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
      output     = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
      serde      = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      parameters = { "serialization.format" = "1" }
    }
    access_log = {
      columns    = local.access_columns
      location   = "s3://${var.access_log_bucket}/AWSLogs/${var.account_id}/elasticloadbalancing/${var.region}"
      input      = "org.apache.hadoop.mapred.TextInputFormat"
      output     = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
      serde      = "org.apache.hadoop.hive.serde2.RegexSerDe"
      parameters = { "serialization.format" = "1", "input.regex" = local.access_regex }
    }
  }
}

module "bucket" {
  source = "../bucket"

  bucket        = local.bucket
  expire_days   = var.retention_days
  force_destroy = var.force_destroy

  policy_statements = jsonencode([
    {
      Sid       = "FlowLogWrites"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}/flow/AWSLogs/${var.account_id}/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id, "s3:x-amz-acl" = "bucket-owner-full-control" }
        ArnLike      = { "aws:SourceArn" = local.source }
      }
    },
    {
      Sid       = "FlowLogChecks"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["s3:GetBucketAcl", "s3:ListBucket"]
      Resource  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = local.source }
      }
    },
  ])
}

resource "aws_flow_log" "this" {
  vpc_id                   = var.vpc_id
  traffic_type             = "ALL"
  log_destination_type     = "s3"
  log_destination          = "arn:${data.aws_partition.current.partition}:s3:::${module.bucket.bucket}/flow/"
  max_aggregation_interval = 600

  destination_options {
    file_format = "parquet"
  }

  tags = { Name = "${var.name}-flow-s3" }
}

resource "aws_glue_catalog_database" "this" {
  name        = local.database
  description = "Logs of ${var.name} that are exported to S3"
}

resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  name          = each.key
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"

  # A partition is a day, found by its name: nothing has to be registered, and a query reads its own days.
  parameters = {
    EXTERNAL                       = "TRUE"
    "projection.enabled"           = "true"
    "projection.day.type"          = "date"
    "projection.day.format"        = "yyyy/MM/dd"
    "projection.day.range"         = "NOW-${var.retention_days}DAYS,NOW+1DAYS"
    "projection.day.interval"      = "1"
    "projection.day.interval.unit" = "DAYS"
    "storage.location.template"    = "${each.value.location}/$${day}"
  }

  partition_keys {
    name = "day"
    type = "string"
  }

  storage_descriptor {
    location      = "${each.value.location}/"
    input_format  = each.value.input
    output_format = each.value.output

    ser_de_info {
      serialization_library = each.value.serde
      parameters            = each.value.parameters
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name          = "${var.name}-logs"
  description   = "Queries of the logs of ${var.name}"
  force_destroy = true

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.most_gigabytes * 1000000000

    result_configuration {
      output_location       = "s3://${module.bucket.bucket}/results/"
      expected_bucket_owner = var.account_id

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }

  tags = { Name = "${var.name}-logs" }
}
