output "trail_arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "bucket" {
  description = "Bucket of the trail."
  value       = module.bucket.bucket
}

output "flow_log_group_name" {
  description = "Log group of the VPC's flow log."
  value       = aws_cloudwatch_log_group.flow.name
}

output "record_log_group_name" {
  description = "Log group of the head of omc's record."
  value       = aws_cloudwatch_log_group.record.name
}
