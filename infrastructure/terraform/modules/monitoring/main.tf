data "aws_partition" "current" {}

locals {
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

  # Known once CloudWatch may publish to them: an alarm that fires before is lost.
  published_topic_arns = { for severity, policy in aws_sns_topic_policy.severity : severity => policy.arn }

  alarm_descriptions = {
    for name, alarm in merge(local.alarms, local.composite_alarms) : name => "${alarm.summary}. Runbook: docs/runbook/${alarm.runbook}"
  }
}

module "alarms" {
  source = "../alarms"

  name         = var.name
  alarms       = { for name, alarm in local.alarms : name => alarm if !contains(local.after_services, name) }
  descriptions = local.alarm_descriptions
  tags         = local.alarm_tags
  topic_arns   = local.published_topic_arns
  periods      = var.alarm_periods
}

# These watch whether a service runs at all: made before its tasks do they would call everybody at the first apply. A
# service wants its deployment alarms beforehand, so those are above.
module "service_alarms" {
  source = "../alarms"

  name         = var.name
  alarms       = { for name, alarm in local.alarms : name => alarm if contains(local.after_services, name) }
  descriptions = local.alarm_descriptions
  tags         = local.alarm_tags
  topic_arns   = local.published_topic_arns
  periods      = var.alarm_periods

  depends_on = [var.service_names, var.responder_service]
}

resource "aws_cloudwatch_composite_alarm" "this" {
  for_each = local.composite_alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = local.alarm_descriptions[each.key]
  alarm_rule = join(" AND ", [
    for child in each.value.children : "ALARM(\"${module.alarms.alarms[child].alarm_name}\")"
  ])

  alarm_actions = [local.published_topic_arns[each.value.severity]]
  ok_actions    = [local.published_topic_arns[each.value.severity]]

  tags = local.alarm_tags[each.key]
}
