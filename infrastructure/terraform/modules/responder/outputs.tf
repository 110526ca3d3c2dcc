output "service_name" {
  description = "Name of the ECS service, known once it runs."
  value       = aws_ecs_service.this.name
}

output "cluster_name" {
  description = "ECS cluster of the responder alone."
  value       = aws_ecs_cluster.this.name
}

output "task_role_arn" {
  description = "Role of the running tasks."
  value       = aws_iam_role.task.arn
}

output "security_group_id" {
  description = "Security group of the tasks: for the database behind a URL of one's own."
  value       = aws_security_group.tasks.id
}

output "database_identifier" {
  description = "Identifier of the responder's own database; null where a URL was given."
  value       = one(module.database[*].identifier)
}
