output "alarms" {
  description = "The alarms as they were made, by their short names."
  value       = aws_cloudwatch_metric_alarm.this
}
