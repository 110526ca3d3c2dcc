output "name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "arn" {
  description = "ARN of the service."
  value       = aws_ecs_service.this.id
}

output "task_definition_family" {
  description = "Family of the service's task definitions."
  value       = aws_ecs_task_definition.this.family
}

output "task_definition_arn" {
  description = "Revision that Terraform registered, which need not be the one that runs."
  value       = aws_ecs_task_definition.this.arn
}

output "migration_family" {
  description = "Family of the migration's task definitions; null for a service without one."
  value       = one(aws_ecs_task_definition.migration[*].family)
}

output "execution_role_arn" {
  description = "Role with which ECS starts the tasks."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "Role of the running tasks."
  value       = aws_iam_role.task.arn
}

output "scaling" {
  description = "Tasks at least and at most."
  value       = { minimum = aws_appautoscaling_target.this.min_capacity, maximum = aws_appautoscaling_target.this.max_capacity }
}
