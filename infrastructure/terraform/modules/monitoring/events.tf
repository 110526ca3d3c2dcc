# What EventBridge tells the responder: each rule is a row, and sends to the queue. What no pattern here lets through costs
# nothing and wakes nobody, so each takes as little as will do; what an event means is the responder's business.

locals {
  arn_of_region = "${data.aws_partition.current.partition}:%s:${var.region}:${var.account_id}"

  service_arns = [for service in sort(keys(var.services)) : "arn:${format(local.arn_of_region, "ecs")}:service/${var.cluster_name}/${service}"]
  alarm_prefix = "arn:${format(local.arn_of_region, "cloudwatch")}:alarm:${var.name}-"

  # AWS Health's codes of what the stack is made of; not all of them are the names of the services.
  health_services = ["ECS", "RDS", "ELASTICACHE", "ELASTICLOADBALANCING"]

  events = {
    # A failed deployment is an event, not a metric. ECS sends it for services with a circuit breaker, as ours have.
    deployment-failed = {
      description = "ECS gave up on a deployment"
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Deployment State Change"]
        detail      = { eventName = ["SERVICE_DEPLOYMENT_FAILED"] }
        resources   = local.service_arns
      }
    }

    # The last of a stop's several events, and of no stop that a deployment or the autoscaler asked for: those come with
    # every release. A stop without a reason is let through.
    task-stopped = {
      description = "A task of a service stopped, and neither a deployment nor scaling asked for it"
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail = {
          clusterArn = ["arn:${format(local.arn_of_region, "ecs")}:cluster/${var.cluster_name}"]
          group      = [for service in sort(keys(var.services)) : "service:${service}"]
          lastStatus = ["STOPPED"]
          "$or" = [
            { stoppedReason = [{ anything-but = { prefix = "Scaling activity initiated by" } }] },
            { stoppedReason = [{ exists = false }] },
          ]
        }
      }
    }

    # Without INFO: a service that is well says so every few hours.
    service-action = {
      description = "ECS can't do what a service wants: place its tasks, start them, register them"
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Service Action"]
        detail      = { eventType = ["WARN", "ERROR"] }
        resources   = local.service_arns
      }
    }

    # What AWS plans to do to the account's resources, and trouble of AWS's own in this region.
    health = {
      description = "AWS Health: planned work and trouble with what the stack is made of"
      pattern = {
        source      = ["aws.health"]
        detail-type = ["AWS Health Event"]
        detail      = { service = local.health_services }
      }
    }

    # RDS's events are best effort, in no order: evidence, not the alarm. "security patching" announces a system update,
    # "notification" tells that a stopped instance runs again. Backups, snapshots and settings are left out.
    database-event = {
      description = "The database: failures, failovers, low storage, maintenance"
      pattern = {
        source      = ["aws.rds"]
        detail-type = ["RDS DB Instance Event"]
        detail = {
          SourceIdentifier = concat([var.database.identifier], var.responder_database == null ? [] : [var.responder_database])
          EventCategories  = ["availability", "failover", "failure", "low storage", "maintenance", "notification", "recovery", "security patching"]
        }
      }
    }

    # The second way of every alarm, which no topic, key or subscription can block: the same change comes by both, and the
    # responder knows it by alarm, time and state. Too little data is told of those alarms that tell it to their topic.
    alarm-changed = {
      description = "An alarm changed its state, past SNS"
      pattern = {
        source      = ["aws.cloudwatch"]
        detail-type = ["CloudWatch Alarm State Change"]
        resources   = [{ prefix = local.alarm_prefix }]
        detail = {
          "$or" = [
            { state = { value = ["ALARM", "OK"] } },
            { state = { value = ["INSUFFICIENT_DATA"] }, alarmName = [for name in sort(local.after_services) : "${var.name}-${name}"] },
          ]
        }
      }
    }

    # An alarm that is deleted while it fires never ends by itself.
    alarm-deleted = {
      description = "An alarm was deleted"
      pattern = {
        source      = ["aws.cloudwatch"]
        detail-type = ["CloudWatch Alarm Configuration Change"]
        resources   = [{ prefix = local.alarm_prefix }]
        detail      = { operation = ["delete"] }
      }
    }
  }

  event_rule_arns = { for event in keys(local.events) : event => "arn:${format(local.arn_of_region, "events")}:rule/${var.name}-${event}" }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.events

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = local.events

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "queue"
  arn       = aws_sqs_queue.alerts.arn

  # EventBridge tries for a day; then the event is gone unless the target says where it goes.
  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }

  depends_on = [aws_sqs_queue_policy.alerts]
}

# Whom a severity's topic tells directly hears of a failed deployment too. The responder gets it twice, as one event.
resource "aws_cloudwatch_event_target" "deployment_failed" {
  rule = aws_cloudwatch_event_rule.this["deployment-failed"].name
  arn  = aws_sns_topic.severity["SEV-2"].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }

  depends_on = [aws_sns_topic_policy.severity, aws_sqs_queue_policy.alerts]
}

moved {
  from = aws_cloudwatch_event_rule.deployment_failed
  to   = aws_cloudwatch_event_rule.this["deployment-failed"]
}
