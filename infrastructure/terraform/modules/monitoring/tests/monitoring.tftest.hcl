mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-southeast-2:123456789012:mock", url = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/mock" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-cache" }
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
    condition     = length(module.alarms.alarms) + length(module.service_alarms.alarms) == 28 && length(aws_cloudwatch_composite_alarm.this) == 2
    error_message = "Thirteen alarms of the stack's single parts, five of operations, five of each service, and a composite of each."
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
    condition     = toset(keys(aws_sns_topic_subscription.alerts)) == toset(["SEV-1", "SEV-2", "SEV-3", "cache"]) && alltrue([for subscription in aws_sns_topic_subscription.alerts : subscription.protocol == "sqs" && subscription.endpoint == aws_sqs_queue.alerts.arn])
    error_message = "Each severity's topic and the cache's deliver to the responder's queue."
  }

  # SNS gives up at once where the queue or its key refuses: without this the message is gone.
  assert {
    condition = alltrue([
      for subscription in aws_sns_topic_subscription.alerts :
      jsondecode(subscription.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letter.arn && subscription.raw_message_delivery == false
    ])
    error_message = "What the queue refuses is kept, and the envelope with its id and signature stays on."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.alerts.redrive_policy).maxReceiveCount == 10 && aws_sqs_queue.dead_letter.message_retention_seconds > aws_sqs_queue.alerts.message_retention_seconds
    error_message = "A look in the console is no failure, and a message's age goes on counting in the dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.alerts.name == "ohmycoins-staging-alerts" && jsondecode(aws_sqs_queue.alerts.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letter.arn
    error_message = "What can't be handled is kept."
  }

  assert {
    condition = alltrue([
      for policy in aws_sqs_queue_policy.alerts :
      { for statement in jsondecode(policy.policy).Statement : statement.Principal.Service => toset(statement.Condition.ArnEquals["aws:SourceArn"]) } == {
        "sns.amazonaws.com"    = toset([for topic in ["sev-1", "sev-2", "sev-3", "cache"] : "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-${topic}"])
        "events.amazonaws.com" = toset([for rule in aws_cloudwatch_event_rule.this : "arn:aws:events:ap-southeast-2:123456789012:rule/${rule.name}"])
      }
    ])
    error_message = "Only the topics and the rules may send, to the queue and to the dead-letter queue."
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

# An encrypted topic, or a policy that asks for aws:SourceAccount, turns inactive without a word.
run "elasticache_may_publish" {
  assert {
    condition     = aws_sns_topic.cache.kms_master_key_id == null && aws_sns_topic.cache.name == "ohmycoins-staging-cache"
    error_message = "ElastiCache publishes to no encrypted topic."
  }

  assert {
    condition     = one(jsondecode(aws_sns_topic_policy.cache.policy).Statement).Condition == { StringEquals = { "aws:SourceOwner" = "123456789012" } }
    error_message = "The policy asks for aws:SourceOwner, and for this account's."
  }
}

run "every_rule_sends_to_the_queue_or_the_dead_letter_queue" {
  assert {
    condition     = toset(keys(aws_cloudwatch_event_rule.this)) == toset(["alarm-changed", "alarm-deleted", "database-event", "deployment-failed", "health", "service-action", "task-stopped"])
    error_message = "Seven rules."
  }

  assert {
    condition = alltrue([
      for event, target in aws_cloudwatch_event_target.queue :
      target.rule == "ohmycoins-staging-${event}" && target.arn == aws_sqs_queue.alerts.arn && target.dead_letter_config[0].arn == aws_sqs_queue.dead_letter.arn
    ]) && toset(keys(aws_cloudwatch_event_target.queue)) == toset(keys(aws_cloudwatch_event_rule.this))
    error_message = "Each rule has the queue for its target, and a dead-letter queue behind it."
  }
}

run "a_failed_deployment_is_an_alert" {
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["deployment-failed"].event_pattern).detail.eventName == ["SERVICE_DEPLOYMENT_FAILED"]
    error_message = "The rule watches for failed deployments."
  }

  assert {
    condition     = aws_cloudwatch_event_target.deployment_failed.dead_letter_config[0].arn == aws_sqs_queue.dead_letter.arn
    error_message = "What the topic refuses is kept too."
  }

  assert {
    condition     = aws_cloudwatch_event_target.deployment_failed.arn == aws_sns_topic.severity["SEV-2"].arn
    error_message = "It goes to SEV-2."
  }
}

run "without_a_responder_nothing_is_expected_of_one" {
  command = plan

  variables {
    responder = false
  }

  assert {
    condition     = !contains(keys(module.alarms.alarms), "heartbeat") && !contains(keys(module.alarms.alarms), "alert-queue-age")
    error_message = "A heartbeat that nobody sends and a queue that nobody reads are no news there."
  }

  assert {
    condition     = contains(keys(module.alarms.alarms), "alert-dead-letter") && contains(keys(module.alarms.alarms), "alert-delivery")
    error_message = "What never arrived is one all the same."
  }
}

run "a_responder_of_this_stack_is_watched" {
  command = plan

  variables {
    run_responder      = true
    responder_database = "ohmycoins-staging-responder"
    responder_service  = "responder"
  }

  assert {
    condition     = length(setsubtract(["responder-tasks-short", "responder-database-no-data"], keys(module.service_alarms.alarms))) == 0 && contains(keys(module.alarms.alarms), "responder-database-storage-low")
    error_message = "Its tasks and its database have alarms; those that silence sets off are made after it."
  }

  assert {
    condition     = length(setsubtract(["/ecs/ohmycoins-staging/responder", "/aws/rds/instance/ohmycoins-staging-responder/postgresql"], [for group in aws_cloudwatch_log_group.this : group.name])) == 0
    error_message = "Its log groups are there before it."
  }

  assert {
    condition     = contains(keys(output.log_groups_made_by_aws), "responder-database") && !contains(keys(output.log_groups_made_by_aws), "responder")
    error_message = "RDS makes its groups again when it writes late; ECS doesn't."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["database-event"].event_pattern).detail.SourceIdentifier == ["ohmycoins-staging", "ohmycoins-staging-responder"]
    error_message = "What RDS does to its database is told too."
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
