locals {
  severities = {
    "SEV-1" = "${var.name}-sev-1"
    "SEV-2" = "${var.name}-sev-2"
    "SEV-3" = "${var.name}-sev-3"
  }

  topic_arns = { for severity, name in local.severities : severity => "arn:${data.aws_partition.current.partition}:sns:${var.region}:${var.account_id}:${name}" }
  queue_arn  = "arn:${data.aws_partition.current.partition}:sqs:${var.region}:${var.account_id}:${var.name}-alerts"

  # ElastiCache tells what it does to a node-based cache to one topic, and not to EventBridge.
  cache_topic     = "${var.name}-cache"
  cache_topic_arn = "arn:${data.aws_partition.current.partition}:sns:${var.region}:${var.account_id}:${local.cache_topic}"
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

# ElastiCache publishes only to a topic that isn't encrypted and whose policy asks for aws:SourceOwner (its guide's page
# "Event Notifications and Amazon SNS"): where one of the two is otherwise the topic turns inactive, and nobody is told.
resource "aws_sns_topic" "cache" {
  #checkov:skip=CKV_AWS_26:ElastiCache doesn't publish to an encrypted topic; its messages name a cache and what was done to it.
  name              = local.cache_topic
  display_name      = "${var.name} cache"
  signature_version = 2

  tags = { Name = local.cache_topic }
}

resource "aws_sns_topic_policy" "cache" {
  arn = aws_sns_topic.cache.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountAndElastiCache"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:ListSubscriptionsByTopic", "sns:Publish"]
      Resource  = local.cache_topic_arn
      Condition = { StringEquals = { "aws:SourceOwner" = var.account_id } }
    }]
  })
}

# What the responder reads. A message that was received ten times and never deleted moves to the dead-letter queue, and an
# alarm says so. Fewer would not do: a look in the console counts, and so does an answer that the network lost.
resource "aws_sqs_queue" "alerts" {
  name                              = "${var.name}-alerts"
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 345600 # 4 days: a long weekend with nobody reading loses nothing
  visibility_timeout_seconds        = 60
  receive_wait_time_seconds         = 20

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = 10
  })

  tags = { Name = "${var.name}-alerts" }
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.name}-alerts-dead-letter"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600 # 14 days, the most there is; a message's age counts from when it was first sent

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
    Statement = [
      {
        Sid       = "TopicsDeliver"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = each.value.arn
        Condition = { ArnEquals = { "aws:SourceArn" = concat(values(local.topic_arns), [local.cache_topic_arn]) } }
      },
      {
        Sid       = "RulesDeliver"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = each.value.arn
        Condition = { ArnEquals = { "aws:SourceArn" = values(local.event_rule_arns) } }
      },
    ]
  })
}

# SNS gives up at once where the queue or its key refuses, and keeps the message only if the subscription itself says where.
resource "aws_sns_topic_subscription" "alerts" {
  for_each = merge({ for severity, topic in aws_sns_topic.severity : severity => topic.arn }, { cache = aws_sns_topic.cache.arn })

  topic_arn = each.value
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.alerts.arn

  # The envelope says which topic it was, has an id that stays when SNS delivers again, and is signed.
  raw_message_delivery = false

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
