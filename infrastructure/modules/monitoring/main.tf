data "aws_partition" "current" {}

locals {
  operators = {
    ">"  = "GreaterThanThreshold"
    ">=" = "GreaterThanOrEqualToThreshold"
    "<"  = "LessThanThreshold"
  }

  priorities = { "SEV-1" = "high", "SEV-2" = "high", "SEV-3" = "medium" }

  # The responder reads these; it does not parse names. A tag's value may not hold a #, so the chapter and its section
  # are joined by a colon there.
  alarm_tags = {
    for name, alarm in merge(local.alarms, local.composite_alarms) : name => {
      Name     = "${var.name}-${name}"
      Severity = alarm.severity
      Priority = local.priorities[alarm.severity]
      Service  = alarm.service
      Runbook  = "docs/runbook/${replace(alarm.runbook, "#", ":")}"
    }
  }

  alarm_descriptions = {
    for name, alarm in merge(local.alarms, local.composite_alarms) : name => "${alarm.summary}. Runbook: docs/runbook/${alarm.runbook}"
  }

  # A row that watches its one metric as it is.
  plain = { for name, alarm in local.alarms : name => values(alarm.metrics)[0] if try(alarm.expression, null) == null }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = local.alarm_descriptions[each.key]
  comparison_operator = local.operators[each.value.comparison]
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.datapoints
  evaluation_periods  = each.value.evaluations
  treat_missing_data  = each.value.missing

  namespace          = try(local.plain[each.key].namespace, null)
  metric_name        = try(local.plain[each.key].metric, null)
  dimensions         = try(local.plain[each.key].dimensions, null)
  statistic          = try(startswith(local.plain[each.key].stat, "p") ? null : local.plain[each.key].stat, null)
  extended_statistic = try(startswith(local.plain[each.key].stat, "p") ? local.plain[each.key].stat : null, null)
  period             = contains(keys(local.plain), each.key) ? var.alarm_periods[try(each.value.period, "standard")] : null

  dynamic "metric_query" {
    for_each = contains(keys(local.plain), each.key) ? {} : each.value.metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = var.alarm_periods[try(each.value.period, "standard")]
      }
    }
  }

  dynamic "metric_query" {
    for_each = contains(keys(local.plain), each.key) ? [] : [each.value.expression]

    content {
      id          = "result"
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  alarm_actions = [aws_sns_topic.severity[each.value.severity].arn]
  ok_actions    = [aws_sns_topic.severity[each.value.severity].arn]

  tags = local.alarm_tags[each.key]

  # An alarm that fires before its topic may be published to is lost.
  depends_on = [aws_sns_topic_policy.severity]
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = local.composite_alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = local.alarm_descriptions[each.key]
  alarm_rule = join(" AND ", [
    for child in each.value.children : "ALARM(\"${aws_cloudwatch_metric_alarm.this[child].alarm_name}\")"
  ])

  alarm_actions = [aws_sns_topic.severity[each.value.severity].arn]
  ok_actions    = [aws_sns_topic.severity[each.value.severity].arn]

  tags = local.alarm_tags[each.key]
}
