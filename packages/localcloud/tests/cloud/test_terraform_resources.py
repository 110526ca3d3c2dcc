"""Terraform's resources of ECS, ECR, autoscaling, CloudWatch and Logs, also with arguments that the stack's modules
don't use: applied whole, no difference afterwards, changed, no difference again, destroyed, nothing left.

One root and one story: most of it is the provider's own waits, which go on beside each other, and its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.services.ecr import images as ecr
from support.ecs_cluster import SERVER, Clients, app
from support.terraform_root import Root, root_at
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]

PROVIDER = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}
provider "aws" {
  region                      = "ap-southeast-2"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  default_tags { tags = { Project = "rehearsal" } }
}
"""

REGISTRY = """
resource "aws_ecr_repository" "this" {
  name                 = "shop/backend"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true
  image_scanning_configuration { scan_on_push = true }
}
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 30 images"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}
"""

SERVICE = """
variable "greeting" { default = "hello" }
resource "aws_vpc" "this" { cidr_block = "10.0.0.0/16" }
resource "aws_subnet" "this" {
  count             = 2
  vpc_id            = aws_vpc.this.id
  cidr_block        = "10.0.1${count.index}.0/24"
  availability_zone = "ap-southeast-2${["a", "b"][count.index]}"
}
resource "aws_security_group" "tasks" {
  name   = "tasks"
  vpc_id = aws_vpc.this.id
}
resource "aws_cloudwatch_log_group" "this" { name = "/ecs/rehearsal" }
resource "aws_iam_role" "execution" {
  name = "execution"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}
resource "aws_ecs_cluster" "this" {
  name = "rehearsal"
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
  configuration {
    execute_command_configuration {
      logging = "OVERRIDE"
      log_configuration { cloud_watch_log_group_name = aws_cloudwatch_log_group.this.name }
    }
  }
}
resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 1
    weight            = 1
  }
}
resource "aws_ecs_task_definition" "this" {
  family                   = "shop-backend"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  skip_destroy             = true
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
  container_definitions = jsonencode([{
    name            = "backend"
    image           = "${aws_ecr_repository.this.repository_url}:v1"
    essential       = true
    portMappings    = [{ name = "backend", containerPort = 8000, hostPort = 8000, protocol = "tcp" }]
    environment     = [{ name = "GREETING", value = var.greeting }, { name = "A", value = "b" }]
    secrets         = []
    systemControls  = []
    linuxParameters = { initProcessEnabled = true }
    stopTimeout     = 5
    healthCheck = {
      command     = ["CMD-SHELL", "python -c \\"import urllib.request as r; r.urlopen('http://localhost:8000')\\""]
      interval    = 5
      timeout     = 3
      retries     = 3
      startPeriod = 10
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = "ap-southeast-2"
        "awslogs-stream-prefix" = "backend"
      }
    }
    mountPoints = []
    volumesFrom = []
  }])
}
resource "aws_ecs_service" "this" {
  name                               = "backend"
  cluster                            = aws_ecs_cluster.this.arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = 1
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  enable_execute_command             = true
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"
  wait_for_steady_state              = true
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = aws_subnet.this[*].id
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }
  tags = { Service = "backend" }
}
resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = 1
  max_capacity       = 3
  tags               = { Name = "backend" }
}
resource "aws_appautoscaling_policy" "this" {
  for_each           = toset(["CPU", "Memory"])
  name               = "backend-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id
  target_tracking_scaling_policy_configuration {
    target_value       = 70
    scale_out_cooldown = 60
    scale_in_cooldown  = 300
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverage${each.key}Utilization"
    }
  }
}
"""

ALARMS = """
variable "threshold" {
  type    = number
  default = 5
}

resource "aws_sns_topic" "alerts" {
  name = "alerts"
}

locals {
  counts = { t2 = "HTTPCode_Target_2XX_Count", t5 = "HTTPCode_Target_5XX_Count", e5 = "HTTPCode_ELB_5XX_Count" }
  plain  = aws_cloudwatch_metric_alarm.plain.alarm_name
  total  = "FILL(t2, 0) + FILL(t5, 0) + FILL(e5, 0)"
}

resource "aws_cloudwatch_metric_alarm" "plain" {
  alarm_name          = "plain"
  alarm_description   = "CPU of backend is above 80 %"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 80
  datapoints_to_alarm = 15
  evaluation_periods  = 15
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = "shop", ServiceName = "backend" }
  statistic           = "Average"
  period              = 60
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  tags                = { Severity = "SEV-3", Service = "backend" }
}

resource "aws_cloudwatch_metric_alarm" "percentile" {
  alarm_name          = "percentile"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1.5
  evaluation_periods  = 3
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  extended_statistic  = "p95"
  period              = 10
  treat_missing_data  = "notBreaching"
  unit                = "Seconds"
  evaluate_low_sample_count_percentiles = "ignore"
}

resource "aws_cloudwatch_metric_alarm" "math" {
  alarm_name          = "math"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.threshold
  datapoints_to_alarm = 3
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"

  dynamic "metric_query" {
    for_each = local.counts
    content {
      id          = metric_query.key
      return_data = false
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = "app/shop/1" }
        stat        = "Sum"
        period      = 60
      }
    }
  }

  metric_query {
    id          = "result"
    expression  = "IF(${local.total} >= 20, 100 * (FILL(t5, 0) + FILL(e5, 0)) / (${local.total}), 0)"
    label       = "5xx percent"
    return_data = true
  }

  tags = { Severity = "SEV-2" }
}

resource "aws_cloudwatch_composite_alarm" "both" {
  alarm_name        = "both"
  alarm_description = "Both at once"
  alarm_rule        = "ALARM(\\"${local.plain}\\") AND NOT OK(${aws_cloudwatch_metric_alarm.math.alarm_name})"
  alarm_actions     = [aws_sns_topic.alerts.arn]

  actions_suppressor {
    alarm            = aws_cloudwatch_metric_alarm.percentile.alarm_name
    wait_period      = 60
    extension_period = 120
  }

  tags = { Severity = "SEV-2" }
}

resource "aws_cloudwatch_dashboard" "application" {
  dashboard_name = "Application"
  dashboard_body = jsonencode({
    widgets = [{
      type = "metric", x = 0, y = 0, width = 12, height = 6
      properties = { region = "ap-southeast-2", title = "CPU", metrics = [["AWS/ECS", "CPUUtilization"]] }
    }]
  })
}
"""

LOGS = """
variable "days" {
  type    = number
  default = 30
}

resource "aws_cloudwatch_log_group" "backend" {
  name              = "/ecs/shop-staging/backend"
  retention_in_days = var.days
  kms_key_id        = "arn:aws:kms:ap-southeast-2:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
  tags              = { Service = "backend" }
}

resource "aws_cloudwatch_log_group" "plain" {
  name = "/vpc/shop-staging/flow"
}

resource "aws_cloudwatch_log_stream" "stream" {
  name           = "made-by-terraform"
  log_group_name = aws_cloudwatch_log_group.plain.name
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  pattern        = "{ $.level = \\"ERROR\\" }"
  log_group_name = aws_cloudwatch_log_group.backend.name
  metric_transformation {
    name          = "Errors"
    namespace     = "shop"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_log_metric_filter" "latency" {
  name           = "latency"
  pattern        = "{ $.ms = * }"
  log_group_name = aws_cloudwatch_log_group.backend.name
  metric_transformation {
    name       = "Latency"
    namespace  = "shop"
    value      = "$.ms"
    unit       = "Milliseconds"
    dimensions = { path = "$.path" }
  }
}

resource "aws_cloudwatch_query_definition" "errors" {
  name            = "shop-staging/recent-errors"
  log_group_names = [aws_cloudwatch_log_group.backend.name]
  query_string    = <<-EOT
    fields @timestamp, @message
    | filter @message like /ERROR/
    | sort @timestamp desc
    | limit 100
  EOT
}

resource "aws_cloudwatch_log_resource_policy" "delivery" {
  policy_name = "delivery"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["logs:PutLogEvents"]
      Resource  = "*"
    }]
  })
}

data "aws_cloudwatch_log_group" "backend" {
  name       = aws_cloudwatch_log_group.backend.name
  depends_on = [aws_cloudwatch_log_group.backend]
}
"""

CHANGED = ["-var=greeting=changed", "-var=threshold=7", "-var=days=7"]


@pytest.fixture
def root(tmp_path: Path, cloud: Cloud, provider: Mapping[str, str]) -> Root:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(PROVIDER + REGISTRY + SERVICE + ALARMS + LOGS)
    made = root_at(folder, cloud, provider)
    made.init()
    return made


def test_what_is_applied_shows_no_difference_is_changed_and_destroyed(
    root: Root, cloud: Cloud, aws: Clients, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as beside:
        applied = beside.submit(root.apply)
        repositories = aws("ecr").describe_repositories
        eventually("the repository is there", lambda: applied.done() or repositories()["repositories"])
        ecr.push(aws("ecr"), cloud.settings.state, app(tmp_path / "backend", SERVER), "shop/backend", "v1")
        applied.result()
    ecs, cloudwatch, logs = aws("ecs"), aws("cloudwatch"), aws("logs")

    def described() -> dict[str, Any]:
        return dict(ecs.describe_services(cluster="rehearsal", services=["backend"])["services"][0])

    assert described()["runningCount"] == 1
    eventually(  # Terraform waits for running tasks
        "the deployment is complete", lambda: described()["deployments"][0]["rolloutState"] == "COMPLETED"
    )
    root.assert_no_difference()

    root.apply(*CHANGED)
    assert described()["taskDefinition"].endswith(":2")
    families = ecs.list_task_definitions(familyPrefix="shop-backend", sort="DESC")["taskDefinitionArns"]
    assert [arn.rsplit(":", 1)[1] for arn in families] == ["2", "1"]
    [math] = cloudwatch.describe_alarms(AlarmNames=["math"])["MetricAlarms"]
    assert math["Threshold"] == 7
    tags = cloudwatch.list_tags_for_resource(ResourceARN=math["AlarmArn"])["Tags"]
    assert {each["Key"]: each["Value"] for each in tags} == {"Project": "rehearsal", "Severity": "SEV-2"}
    [group] = logs.describe_log_groups(logGroupNamePrefix="/ecs/shop-staging")["logGroups"]
    assert group["retentionInDays"] == 7
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {
        "Project": "rehearsal",
        "Service": "backend",
    }
    root.assert_no_difference(*CHANGED)

    root.destroy(*CHANGED)
    assert ecs.list_clusters()["clusterArns"] == []
    assert aws("ecr").describe_repositories()["repositories"] == []
    left = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert (left["MetricAlarms"], left["CompositeAlarms"]) == ([], [])  # those of the target tracking too
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    assert [name for name in groups if not name.startswith("/aws/ecs/containerinsights/")] == []
    assert logs.describe_query_definitions()["queryDefinitions"] == []
    assert logs.describe_resource_policies()["resourcePolicies"] == []

    def attached() -> list[str]:
        interfaces = aws("ec2").describe_network_interfaces()["NetworkInterfaces"]
        return [one["Description"] for one in interfaces if ":attachment/" in one["Description"]]

    eventually("no interface is attached any more", lambda: not attached())
