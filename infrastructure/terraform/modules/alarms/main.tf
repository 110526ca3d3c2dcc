locals {
  operators = {
    ">"  = "GreaterThanThreshold"
    ">=" = "GreaterThanOrEqualToThreshold"
    "<"  = "LessThanThreshold"
  }

  # A row that watches its one metric as it is.
  plain = { for name, alarm in var.alarms : name => values(alarm.metrics)[0] if alarm.expression == null }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = var.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = var.descriptions[each.key]
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
  period             = each.value.expression == null ? var.periods[each.value.period] : null

  dynamic "metric_query" {
    for_each = each.value.expression == null ? {} : each.value.metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = var.periods[each.value.period]
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.expression == null ? [] : [each.value.expression]

    content {
      id          = "result"
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  alarm_actions = [var.topic_arns[each.value.severity]]
  ok_actions    = [var.topic_arns[each.value.severity]]

  # Where no data is an outage, but was never any before the first: going silent is told, being new is not.
  insufficient_data_actions = each.value.tells_silence ? [var.topic_arns[each.value.severity]] : []

  tags = var.tags[each.key]
}
