output "log_groups" {
  description = "Name and ARN of each log group, by what writes to it."
  value       = { for key, group in aws_cloudwatch_log_group.this : key => { name = group.name, arn = group.arn } }
}

output "log_groups_made_by_aws" {
  description = "Names of the log groups that AWS's services make by themselves where they are missing, by what writes to them. Known before anything is applied."
  value       = local.made_by_aws
}

output "topic_arns" {
  description = "Topic of each severity."
  value       = { for severity, topic in aws_sns_topic.severity : severity => topic.arn }
}

output "cache_topic_arn" {
  description = "Topic to which ElastiCache tells what it does to the cache, known once it may."
  value       = aws_sns_topic_policy.cache.arn
}

output "alert_queue_url" {
  description = "Queue that the responder reads."
  value       = aws_sqs_queue.alerts.url
}

output "alert_queue_arn" {
  description = "ARN of the queue that the responder reads."
  value       = aws_sqs_queue.alerts.arn
}

output "dead_letter_queue_url" {
  description = "Queue of the alerts that could not be handled or delivered."
  value       = aws_sqs_queue.dead_letter.url
}

output "alarm_names" {
  description = "Full name of each alarm, by its short one."
  value = merge(
    { for name, alarm in module.alarms.alarms : name => alarm.alarm_name },
    { for name, alarm in module.service_alarms.alarms : name => alarm.alarm_name },
    { for name, alarm in aws_cloudwatch_composite_alarm.this : name => alarm.alarm_name },
  )
}

output "deployment_alarm_names" {
  description = "Alarms that say of each service that its new revision is bad. They are there before the services."
  value = {
    for service in keys(var.services) : service => [
      for name in ["alb-5xx-percent", "${service}-unhealthy"] : module.alarms.alarms[name].alarm_name
    ]
  }
}

output "dashboard_names" {
  description = "Names of the dashboards Infrastructure and Application."
  value = {
    infrastructure = aws_cloudwatch_dashboard.infrastructure.dashboard_name
    application    = aws_cloudwatch_dashboard.application.dashboard_name
  }
}
