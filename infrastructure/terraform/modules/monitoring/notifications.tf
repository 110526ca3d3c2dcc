locals {
  severities = {
    "SEV-1" = "${var.name}-sev-1"
    "SEV-2" = "${var.name}-sev-2"
    "SEV-3" = "${var.name}-sev-3"
  }

  topic_arns = { for severity, name in local.severities : severity => "arn:${data.aws_partition.current.partition}:sns:${var.region}:${var.account_id}:${name}" }
  queue_arn  = "arn:${data.aws_partition.current.partition}:sqs:${var.region}:${var.account_id}:${var.name}-alerts"
}

# One topic for each severity, so that people and tools can subscribe to what concerns them.
resource "aws_sns_topic" "severity" {
  for_each = local.severities

  name              = each.value
  display_name      = "${var.name} ${each.key}"
  kms_master_key_id = var.kms_key_arn
  signature_version = 2

  tags = {
    Name     = each.value
    Severity = each.key
  }
}

resource "aws_sns_topic_policy" "severity" {
  for_each = local.severities

  arn = aws_sns_topic.severity[each.key].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:root" }
        Action    = ["sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:ListSubscriptionsByTopic", "sns:Publish"]
        Resource  = local.topic_arns[each.key]
      },
      {
        Sid       = "AlarmsPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arns[each.key]
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        Sid       = "EventsPublish"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arns[each.key]
      },
    ]
  })
}

# What the responder reads. A message that it fails on five times moves to the dead-letter queue, and an alarm says so.
resource "aws_sqs_queue" "alerts" {
  name                              = "${var.name}-alerts"
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 345600 # 4 days: a long weekend with nobody reading loses nothing
  visibility_timeout_seconds        = 60
  receive_wait_time_seconds         = 20

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = 5
  })

  tags = { Name = "${var.name}-alerts" }
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.name}-alerts-dead-letter"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600 # 14 days, the most there is

  tags = { Name = "${var.name}-alerts-dead-letter" }
}

resource "aws_sqs_queue_policy" "alerts" {
  for_each = {
    alerts      = { url = aws_sqs_queue.alerts.url, arn = local.queue_arn }
    dead-letter = { url = aws_sqs_queue.dead_letter.url, arn = "${local.queue_arn}-dead-letter" }
  }

  queue_url = each.value.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TopicsDeliver"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = { ArnEquals = { "aws:SourceArn" = values(local.topic_arns) } }
    }]
  })
}

resource "aws_sns_topic_subscription" "alerts" {
  for_each = local.severities

  topic_arn = aws_sns_topic.severity[each.key].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.alerts.arn

  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letter.arn })

  # A subscription whose queue refuses it loses messages without a word.
  depends_on = [aws_sqs_queue_policy.alerts]
}

# People, directly: while no responder reads the queue, this is the only way by which an alarm reaches one.
resource "aws_sns_topic_subscription" "email" {
  for_each = merge([
    for severity, addresses in var.alert_emails : {
      for address in addresses : "${severity} ${address}" => { severity = severity, address = address }
    }
  ]...)

  topic_arn = aws_sns_topic.severity[each.value.severity].arn
  protocol  = "email"
  endpoint  = each.value.address
}

# A failed deployment is an event, not a metric.
resource "aws_cloudwatch_event_rule" "deployment_failed" {
  name        = "${var.name}-deployment-failed"
  description = "ECS gave up on a deployment"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
    resources = [
      for service in sort(keys(var.services)) : { prefix = "arn:${data.aws_partition.current.partition}:ecs:${var.region}:${var.account_id}:service/${var.cluster_name}/${service}" }
    ]
  })

  tags = { Name = "${var.name}-deployment-failed" }
}

resource "aws_cloudwatch_event_target" "deployment_failed" {
  rule = aws_cloudwatch_event_rule.deployment_failed.name
  arn  = aws_sns_topic.severity["SEV-2"].arn

  depends_on = [aws_sns_topic_policy.severity]
}
