output "arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "The LoadBalancer dimension of its metrics."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Host name of the load balancer."
  value       = aws_lb.this.dns_name
}

output "url" {
  description = "Where browsers find the application: its name where it has one, else the load balancer's, over plain HTTP."
  value       = local.https ? "https://${var.domain_name}" : "http://${aws_lb.this.dns_name}"
}

output "https_listener_arn" {
  description = "The HTTPS listener; null without a name."
  value       = one(aws_lb_listener.https[*].arn)
}

output "target_group_arns" {
  description = "Target group of each service, known once a listener sends to it."
  value       = { for service, group in aws_lb_target_group.this : service => group.arn }
  depends_on  = [aws_lb_listener.http, aws_lb_listener.https, aws_lb_listener_rule.this]
}

output "target_group_arn_suffixes" {
  description = "The TargetGroup dimension of each service's metrics."
  value       = { for service, group in aws_lb_target_group.this : service => group.arn_suffix }
}

output "access_log_bucket" {
  description = "Bucket of the access logs."
  value       = module.access_logs.bucket
}
