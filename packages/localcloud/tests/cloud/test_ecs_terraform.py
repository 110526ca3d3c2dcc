"""Terraform's resources of ECS, ECR and autoscaling: applied whole, no difference afterwards, destroyed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_world import SERVER, Clients, app, until
from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.ecr import images as ecr
from omc import terraform as tf

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]

REGISTRY = """
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
resource "aws_ecr_repository" "this" {
  name                 = "ohmycoins/backend"
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
  family                   = "ohmycoins-backend"
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

Run = Callable[..., str]


@pytest.fixture
def terraform(tmp_path: Path, cloud: Cloud) -> Run:
    """Runs one Terraform command in a folder of its own against the cloud; a failure fails the test."""
    found = tf.find_terraform()
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "registry.tf").write_text(REGISTRY)
    identity = cloud.part(Identity)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "TF_IN_AUTOMATION": "1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(found.executable), *arguments, "-input=false", "-no-color"],
            cwd=folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("init", *found.init_arguments())
    return run


def test_a_service_is_applied_shows_no_difference_and_is_destroyed(
    terraform: Run, cloud: Cloud, aws: Clients, tmp_path: Path
) -> None:
    terraform("apply", "-auto-approve")
    ecr.push(aws("ecr"), cloud.settings.state, app(tmp_path / "backend", SERVER), "ohmycoins/backend", "v1")
    (tmp_path / "root" / "service.tf").write_text(SERVICE)
    terraform("apply", "-auto-approve")
    ecs = aws("ecs")

    def described() -> dict[str, Any]:
        return dict(ecs.describe_services(cluster="rehearsal", services=["backend"])["services"][0])

    assert described()["runningCount"] == 1
    until(lambda: described()["deployments"][0]["rolloutState"] == "COMPLETED")  # Terraform waits for running tasks
    terraform("plan", "-detailed-exitcode")

    terraform("apply", "-auto-approve", "-var=greeting=changed")
    assert described()["taskDefinition"].endswith(":2")
    terraform("plan", "-detailed-exitcode", "-var=greeting=changed")
    families = ecs.list_task_definitions(familyPrefix="ohmycoins-backend", sort="DESC")["taskDefinitionArns"]
    assert [arn.rsplit(":", 1)[1] for arn in families] == ["2", "1"]

    terraform("destroy", "-auto-approve", "-var=greeting=changed")
    assert ecs.list_clusters()["clusterArns"] == []
    assert aws("ecr").describe_repositories()["repositories"] == []
    left = aws("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert left == []

    def attached() -> list[str]:
        interfaces = aws("ec2").describe_network_interfaces()["NetworkInterfaces"]
        return [one["Description"] for one in interfaces if ":attachment/" in one["Description"]]

    until(lambda: not attached())
