"""Terraform against CloudWatch: alarms, composites and a dashboard come out as they were written, and go away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from omc import terraform as tf

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

Clients = Callable[..., Any]

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}

provider "aws" {
  region                  = "ap-southeast-2"
  skip_metadata_api_check = true
}

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
  dimensions          = { ClusterName = "ohmycoins", ServiceName = "backend" }
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
        dimensions  = { LoadBalancer = "app/ohmycoins/1" }
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


@pytest.fixture
def terraform(tmp_path: Path, cloud: Cloud) -> Callable[..., subprocess.CompletedProcess[str]]:
    found = tf.find_terraform()
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(CONFIGURATION)
    identity = cloud.part(Identity)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "TF_IN_AUTOMATION": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(found.executable), *arguments, "-no-color"],
            cwd=folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=240,
            check=False,
        )

    started = run("init", "-input=false", *found.init_arguments())
    assert started.returncode == 0, started.stderr
    return run


def test_alarms_and_dashboards_are_applied_show_no_difference_and_are_destroyed(
    terraform: Callable[..., subprocess.CompletedProcess[str]], aws: Clients
) -> None:
    applied = terraform("apply", "-auto-approve", "-input=false")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    planned = terraform("plan", "-detailed-exitcode", "-input=false")
    assert planned.returncode == 0, planned.stdout + planned.stderr

    cloudwatch = aws("cloudwatch")
    changed = terraform("apply", "-auto-approve", "-input=false", "-var=threshold=7")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    (math,) = cloudwatch.describe_alarms(AlarmNames=["math"])["MetricAlarms"]
    assert math["Threshold"] == 7
    tags = cloudwatch.list_tags_for_resource(ResourceARN=math["AlarmArn"])["Tags"]
    assert tags == [{"Key": "Severity", "Value": "SEV-2"}]

    destroyed = terraform("destroy", "-auto-approve", "-input=false")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    left = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert (left["MetricAlarms"], left["CompositeAlarms"]) == ([], [])
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
