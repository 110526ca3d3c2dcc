mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-southeast-2:123456789012:mock", url = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/mock" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:mock" }
  }

  mock_resource "aws_cloudwatch_composite_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:mock" }
  }
}

override_resource {
  target = aws_sns_topic.severity["SEV-1"]
  values = { arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-1" }
}

override_resource {
  target = aws_sns_topic.severity["SEV-2"]
  values = { arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-2" }
}

override_resource {
  target = aws_sns_topic.severity["SEV-3"]
  values = { arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-3" }
}

variables {
  name                     = "ohmycoins-staging"
  environment              = "staging"
  account_id               = "123456789012"
  region                   = "ap-southeast-2"
  kms_key_arn              = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  flow_log_group_name      = "/vpc/ohmycoins-staging/flow"
  cluster_name             = "ohmycoins-staging"
  load_balancer_arn_suffix = "app/ohmycoins-staging/0123456789abcdef"
  cache_member_ids         = ["ohmycoins-staging-redis-001"]

  services = {
    backend  = { maximum = 10, target_group_arn_suffix = "targetgroup/ohmycoins-staging-backend/0123456789abcdef" }
    frontend = { maximum = 10, target_group_arn_suffix = "targetgroup/ohmycoins-staging-frontend/0123456789abcdef" }
  }

  service_names = { backend = "backend", frontend = "frontend" }

  database = { identifier = "ohmycoins-staging", max_connections = 80, storage_gb = 20, memory_mib = 1024 }
}

# The Python tests read this run's plan and compare it with the table, row by row.
run "the_table" {
  command = plan

  assert {
    condition     = length(module.alarms.alarms) + length(module.service_alarms.alarms) == 25 && length(aws_cloudwatch_composite_alarm.this) == 2
    error_message = "Eleven alarms of the stack's single parts with three of operations, five of each service, and a composite of each."
  }
}

run "every_alarm_reaches_the_topic_of_its_severity" {
  assert {
    condition = alltrue([
      for alarm in concat(values(module.alarms.alarms), values(module.service_alarms.alarms), values(aws_cloudwatch_composite_alarm.this)) :
      alarm.alarm_actions == toset(["arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-${lower(alarm.tags["Severity"])}"]) &&
      alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "alarm_actions was once empty: no alert was ever delivered."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(module.alarms.alarms), values(module.service_alarms.alarms), values(aws_cloudwatch_composite_alarm.this)) : coalesce(alarm.actions_enabled, true)])
    error_message = "No alarm's actions are off."
  }
}

run "every_alarm_says_what_the_responder_reads" {
  command = plan

  assert {
    condition = alltrue([
      for alarm in concat(values(module.alarms.alarms), values(module.service_alarms.alarms), values(aws_cloudwatch_composite_alarm.this)) :
      contains(["SEV-1", "SEV-2", "SEV-3"], alarm.tags["Severity"]) &&
      alarm.tags["Priority"] == (alarm.tags["Severity"] == "SEV-3" ? "medium" : "high") &&
      contains(["backend", "frontend", "database", "cache", "load-balancer", "operations"], alarm.tags["Service"]) &&
      can(regex("^docs/runbook/(alerts|troubleshooting)\\.md:[a-z0-9-]+$", alarm.tags["Runbook"]))
    ])
    error_message = "Severity, priority, service and runbook are tags, of values that AWS takes."
  }
}

run "connections_are_measured_against_what_is_set" {
  command = plan

  variables {
    database = { identifier = "ohmycoins-production", max_connections = 180, storage_gb = 50, memory_mib = 2048 }
  }

  assert {
    condition     = module.alarms.alarms["rds-connections-high"].threshold == 144
    error_message = "80 % of 180 is 144."
  }

  assert {
    condition     = module.alarms.alarms["rds-connections-high"].dimensions == tomap({ DBInstanceIdentifier = "ohmycoins-production" })
    error_message = "The dimension is the identifier."
  }
}

run "scaled_to_zero_is_no_outage" {
  command = plan

  assert {
    condition = one([
      for query in module.service_alarms.alarms["backend-no-healthy"].metric_query : query.expression if query.return_data
    ]) == "IF(desired < 1, 1, IF(running < 1, 0, FILL(healthy, 1)))"
    error_message = "Nothing wanted, nothing missed."
  }

  assert {
    condition = toset([
      for query in module.service_alarms.alarms["backend-no-healthy"].metric_query : query.metric[0].metric_name if !query.return_data
    ]) == toset(["DesiredTaskCount", "RunningTaskCount", "HealthyHostCount"])
    error_message = "The alarm knows how many tasks are wanted."
  }
}

run "hits_and_misses_are_summed_over_the_members" {
  command = plan

  variables {
    cache_member_ids = ["ohmycoins-staging-redis-001", "ohmycoins-staging-redis-002"]
  }

  assert {
    condition = toset([
      for query in module.alarms.alarms["redis-hit-rate-low"].metric_query : query.metric[0].dimensions["CacheClusterId"] if !query.return_data
    ]) == toset(["ohmycoins-staging-redis-001", "ohmycoins-staging-redis-002"])
    error_message = "Each member's metrics take part."
  }

  assert {
    condition     = length([for query in module.alarms.alarms["redis-hit-rate-low"].metric_query : query if !query.return_data]) <= 10
    error_message = "An alarm takes ten metrics at most."
  }
}

run "overload_needs_both_halves" {
  command = plan

  assert {
    condition     = aws_cloudwatch_composite_alarm.this["backend-at-max"].alarm_rule == "ALARM(\"ohmycoins-staging-backend-cpu-high\") AND ALARM(\"ohmycoins-staging-backend-capacity-reached\")"
    error_message = "High CPU with room left is scaling's business."
  }
}

run "a_rehearsal_is_quick_but_counts_as_often" {
  command = plan

  variables {
    alarm_periods = { standard = 10, slow = 10 }
  }

  assert {
    condition = alltrue([
      for name, alarm in merge(module.alarms.alarms, module.service_alarms.alarms) :
      alarm.period == null ? alltrue([for query in alarm.metric_query : query.metric[0].period == 10 if !query.return_data]) : alarm.period == 10
    ])
    error_message = "Every period is ten seconds."
  }

  assert {
    condition     = module.alarms.alarms["backend-cpu-high"].evaluation_periods == 15
    error_message = "How many periods make an alarm stays."
  }
}

run "alerts_reach_the_queue_or_the_dead_letter_queue" {
  assert {
    condition     = length(aws_sns_topic_subscription.alerts) == 3 && alltrue([for subscription in aws_sns_topic_subscription.alerts : subscription.protocol == "sqs" && subscription.endpoint == aws_sqs_queue.alerts.arn])
    error_message = "Each severity's topic delivers to the responder's queue."
  }

  assert {
    condition     = aws_sqs_queue.alerts.name == "ohmycoins-staging-alerts" && jsondecode(aws_sqs_queue.alerts.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letter.arn
    error_message = "What can't be handled is kept."
  }

  assert {
    condition = toset(one(jsondecode(aws_sqs_queue_policy.alerts["alerts"].policy).Statement).Condition.ArnEquals["aws:SourceArn"]) == toset([
      for severity in ["sev-1", "sev-2", "sev-3"] : "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-${severity}"
    ])
    error_message = "Only the three topics may send."
  }

  assert {
    condition = alltrue([
      for policy in aws_sns_topic_policy.severity : toset(flatten([
        for statement in jsondecode(policy.policy).Statement : try(statement.Principal.Service, [])
      ])) == toset(["cloudwatch.amazonaws.com", "events.amazonaws.com"])
    ])
    error_message = "CloudWatch and EventBridge may publish."
  }

  assert {
    condition     = alltrue([for topic in aws_sns_topic.severity : topic.kms_master_key_id == var.kms_key_arn])
    error_message = "Topics are encrypted with the key that CloudWatch may use."
  }
}

run "a_failed_deployment_is_an_alert" {
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.deployment_failed.event_pattern).detail.eventName == ["SERVICE_DEPLOYMENT_FAILED"]
    error_message = "The rule watches for failed deployments."
  }

  assert {
    condition     = aws_cloudwatch_event_target.deployment_failed.arn == aws_sns_topic.severity["SEV-2"].arn
    error_message = "It goes to SEV-2."
  }
}

run "the_runbooks_log_groups_and_dashboards" {
  command = plan

  assert {
    condition     = length(setsubtract(["/ecs/ohmycoins-staging/backend", "/ecs/ohmycoins-staging/frontend"], [for group in aws_cloudwatch_log_group.this : group.name])) == 0
    error_message = "Logs are where the runbook tails them."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 365 && group.kms_key_id == var.kms_key_arn])
    error_message = "Every group expires and is encrypted."
  }

  assert {
    condition     = output.dashboard_names == { infrastructure = "ohmycoins-staging-infrastructure", application = "ohmycoins-staging-application" }
    error_message = "The two dashboards of the runbook."
  }
}

run "a_resource_id_for_an_identifier_is_refused" {
  command = plan

  variables {
    database = { identifier = "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_connections = 80, storage_gb = 20, memory_mib = 1024 }
  }

  expect_failures = [var.database]
}

run "a_replication_group_for_a_member_is_refused" {
  command = plan

  variables {
    cache_member_ids = ["ohmycoins-staging-redis"]
  }

  expect_failures = [var.cache_member_ids]
}

run "a_period_that_cloudwatch_lacks_is_refused" {
  command = plan

  variables {
    alarm_periods = { standard = 45 }
  }

  expect_failures = [var.alarm_periods]
}

run "a_floor_of_nothing_is_refused" {
  command = plan

  variables {
    traffic_floors = { requests = 0 }
  }

  expect_failures = [var.traffic_floors]
}

run "a_retention_that_cloudwatch_lacks_is_refused" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}

run "what_expects_a_service_is_made_after_it" {
  command = plan

  assert {
    condition     = toset(keys(module.service_alarms.alarms)) == toset(["backend-no-healthy", "backend-tasks-short", "frontend-no-healthy", "frontend-tasks-short"])
    error_message = "An alarm that a service which is only just starting would set off is not there before it."
  }

  assert {
    condition = alltrue([
      for alarm in module.service_alarms.alarms : alarm.treat_missing_data == "missing" && alarm.insufficient_data_actions == alarm.alarm_actions
    ])
    error_message = "The end of all data is told; no data yet is not."
  }

  assert {
    condition     = output.deployment_alarm_names["backend"] == ["ohmycoins-staging-alb-5xx-percent", "ohmycoins-staging-backend-unhealthy"]
    error_message = "A service's deployment alarms are there before it."
  }
}

run "people_are_told_directly" {
  variables {
    alert_emails = { "SEV-1" = ["oncall@example.com", "lead@example.com"], "SEV-2" = ["oncall@example.com"] }
  }

  assert {
    condition = toset([for subscription in aws_sns_topic_subscription.email : "${subscription.protocol} ${subscription.topic_arn} ${subscription.endpoint}"]) == toset([
      "email arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-1 oncall@example.com",
      "email arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-1 lead@example.com",
      "email arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-2 oncall@example.com",
    ])
    error_message = "Each address is subscribed to its severities."
  }
}

run "an_unknown_severity_is_refused" {
  command = plan

  variables {
    alert_emails = { "SEV-9" = ["oncall@example.com"] }
  }

  expect_failures = [var.alert_emails]
}

run "what_is_no_address_is_refused" {
  command = plan

  variables {
    alert_emails = { "SEV-1" = ["On Call <oncall@example.com>"] }
  }

  expect_failures = [var.alert_emails]
}

run "more_members_than_an_alarm_takes_are_refused" {
  command = plan

  variables {
    cache_member_ids = [for number in range(1, 7) : format("ohmycoins-staging-redis-%03d", number)]
  }

  expect_failures = [var.cache_member_ids]
}
