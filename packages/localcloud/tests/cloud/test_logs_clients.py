"""Other clients than boto3: Terraform's log resources, the aws CLI, and what ``aws logs tail --follow`` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.logs import Logs
from omc import terraform as tf

Clients = Callable[..., Any]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.100" }
  }
}

provider "aws" {
  region                  = "ap-southeast-2"
  skip_metadata_api_check = true
  max_retries             = 1
  default_tags {
    tags = { Project = "ohmycoins" }
  }
}

variable "days" {
  type    = number
  default = 30
}

resource "aws_cloudwatch_log_group" "backend" {
  name              = "/ecs/ohmycoins-staging/backend"
  retention_in_days = var.days
  kms_key_id        = "arn:aws:kms:ap-southeast-2:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
  tags              = { Service = "backend" }
}

resource "aws_cloudwatch_log_group" "plain" {
  name = "/vpc/ohmycoins-staging/flow"
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
    namespace     = "ohmycoins"
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
    namespace  = "ohmycoins"
    value      = "$.ms"
    unit       = "Milliseconds"
    dimensions = { path = "$.path" }
  }
}

resource "aws_cloudwatch_query_definition" "errors" {
  name            = "ohmycoins-staging/recent-errors"
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


@pytest.fixture
def environment(cloud: Cloud) -> dict[str, str]:
    identity = cloud.part(Identity)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_DEFAULT_REGION": cloud.settings.region,
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "TF_IN_AUTOMATION": "1",
    }


@pytest.fixture
def terraform(tmp_path: Path, environment: dict[str, str]) -> Command:
    found = tf.find_terraform()
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(CONFIGURATION)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(found.executable), *arguments, "-no-color"],
            cwd=folder,
            env=environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )

    started = run("init", "-input=false", *found.init_arguments())
    assert started.returncode == 0, started.stderr
    return run


@pytest.fixture
def command(environment: dict[str, str]) -> Callable[..., Any]:
    """The aws CLI of this virtual environment; its answer as parsed JSON."""

    def run(*arguments: str) -> Any:
        found = subprocess.run(
            [str(Path(sys.executable).parent / "aws"), *arguments],
            env=environment,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout) if found.stdout.strip() else None

    return run


@pytest.mark.terraform
@pytest.mark.timeout(600)
def test_terraforms_log_resources_are_applied_show_no_difference_and_are_destroyed(
    terraform: Command, aws: Clients
) -> None:
    applied = terraform("apply", "-auto-approve", "-input=false")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    planned = terraform("plan", "-detailed-exitcode", "-input=false")
    assert planned.returncode == 0, planned.stdout + planned.stderr

    logs = aws("logs")
    changed = terraform("apply", "-auto-approve", "-input=false", "-var=days=7")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/ecs")["logGroups"]
    assert group["retentionInDays"] == 7
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {
        "Project": "ohmycoins",
        "Service": "backend",
    }

    destroyed = terraform("destroy", "-auto-approve", "-input=false")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert logs.describe_log_groups()["logGroups"] == []
    assert logs.describe_query_definitions()["queryDefinitions"] == []
    assert logs.describe_resource_policies()["resourcePolicies"] == []


def test_the_aws_cli_reads_filters_and_queries(command: Callable[..., Any], cloud: Cloud) -> None:
    group = "/ecs/ohmycoins-staging/backend"
    command("logs", "create-log-group", "--log-group-name", group)
    now = int(time.time() * 1000)
    cloud.part(Logs).put(
        group, "backend/backend/1", [(now + place, f"{'ERROR' if place % 2 else 'INFO'} {place}") for place in range(6)]
    )

    streams = command("logs", "describe-log-streams", "--log-group-name", group, "--order-by", "LastEventTime")
    assert streams["logStreams"][0]["lastEventTimestamp"] == now + 5
    found = command("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", "ERROR")
    assert [event["message"] for event in found["events"]] == ["ERROR 1", "ERROR 3", "ERROR 5"]
    stream = ["--log-group-name", group, "--log-stream-name", "backend/backend/1"]
    page = command("logs", "get-log-events", *stream, "--limit", "2", "--start-from-head")
    assert [event["message"] for event in page["events"]] == ["INFO 0", "ERROR 1"]

    times = ["--start-time", str(now // 1000 - 60), "--end-time", str(now // 1000 + 60)]
    query = "fields @timestamp, @message | filter @message like /ERROR/ | sort @timestamp desc | limit 100"
    started = command("logs", "start-query", "--log-group-name", group, *times, "--query-string", query)
    deadline = time.monotonic() + 90
    while (answer := command("logs", "get-query-results", "--query-id", started["queryId"]))["status"] != "Complete":
        assert answer["status"] in ("Scheduled", "Running")
        assert time.monotonic() < deadline
    assert [row[1]["value"] for row in answer["results"]] == ["ERROR 5", "ERROR 3", "ERROR 1"]
    assert [item["field"] for item in answer["results"][0]] == ["@timestamp", "@message", "@ptr"]


def test_following_a_group_shows_each_event_once_while_they_arrive(aws: Clients, cloud: Cloud) -> None:
    """As ``aws logs tail --follow``: FilterLogEvents from the newest time seen, events known by their ids left out."""
    logs = aws("logs")
    logs.create_log_group(logGroupName="/g")
    held = cloud.part(Logs)
    start = int(time.time() * 1000)
    seen: list[str] = []
    newest: dict[int, set[str]] = {start: set()}

    def poll() -> None:
        latest = max(newest)
        params: dict[str, Any] = {"logGroupName": "/g", "startTime": latest, "interleaved": True, "limit": 7}
        while True:
            answer = logs.filter_log_events(**params)
            for event in answer["events"]:
                known = newest.setdefault(event["timestamp"], set())
                if event["eventId"] not in known:
                    known.add(event["eventId"])
                    seen.append(event["message"])
            if "nextToken" not in answer:
                return
            params["nextToken"] = answer["nextToken"]

    for burst in range(12):
        held.put("/g", f"s{burst % 3}", [(start + burst, f"{burst} {place}") for place in range(5)])
        poll()
        held.put("/g", "late", [(start + burst, f"{burst} late")])
        if burst == 6:
            held.store.open(held.groups["/g"].identity).rotate()
            held.seal()
        poll()

    wanted = [text for burst in range(12) for text in [*(f"{burst} {place}" for place in range(5)), f"{burst} late"]]
    assert seen == wanted
