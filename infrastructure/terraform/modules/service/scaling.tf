locals {
  targets = {
    for metric, target in {
      ECSServiceAverageCPUUtilization    = var.scaling.cpu_percent
      ECSServiceAverageMemoryUtilization = var.scaling.memory_percent
    } : metric => target if target != null
  }

  policy_names = {
    ECSServiceAverageCPUUtilization    = "cpu"
    ECSServiceAverageMemoryUtilization = "memory"
  }
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.scaling.minimum
  max_capacity       = var.scaling.maximum

  tags = { Name = local.full_name }
}

resource "aws_appautoscaling_policy" "this" {
  for_each = local.targets

  name               = "${local.full_name}-${local.policy_names[each.key]}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value
    scale_out_cooldown = var.scaling.scale_out_cooldown
    scale_in_cooldown  = var.scaling.scale_in_cooldown

    predefined_metric_specification {
      predefined_metric_type = each.key
    }
  }
}
