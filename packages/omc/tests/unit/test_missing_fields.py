"""Each field taken away from each answer of AWS in turn: the morning check then never says that all is well."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore import xform_name

from omc.aws import http_get
from omc.aws.http_get import Failed, Page, Trouble
from omc.checks.finding import Finding, Level
from omc.checks.morning import MORNING
from omc.checks.run import run_checks
from omc.checks.spec import spec_of
from omc.facts import logs
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation
from support import release_facts as example
from support.canned_aws import NOW, PREFIX, arn, healthy
from support.fake_gateway import FakeGateway
from support.missing_fields import Path, paths, watched, without, words

NOTHING_RESTS_ON: Mapping[str, str] = {
    r"describe_services services \d taskDefinition": "shown; the deployment's own is what is judged",
    r"describe_services services \d deployments \d failedTasks": "ECS tells no count where none failed",
    r"describe_services services \d deployments \d rolloutStateReason": "words to a state that is judged",
    r"describe_target_health TargetHealthDescriptions \d Target Port": "shown",
    r"describe_rules Rules \d Conditions \d (PathPatternConfig )?Values": "told twice",
    r"describe_alarms CompositeAlarms": "an empty list is left out of the answer",
    r"describe_alarms MetricAlarms \d StateReason": "words to a state that is judged",
    r"describe_tasks tasks \d (startedAt|stoppedAt|stoppingAt|createdAt)": "shown, and the order of what is shown",
    r"describe_tasks tasks \d group": "a task that no service started is judged too",
    r"describe_tasks tasks \d containers \d (name|reason)": "words of a cause",
    r"describe_tasks tasks 0 stopCode": "the reason goes before it",
    r"describe_tasks tasks 0 containers( \d exitCode)?": "of a task that was scaled in",
    r"describe_tasks tasks 1 stoppedReason": "the exit code tells how a task of its own ended",
    r"get_query_results statistics recordsMatched": "the rows are counted themselves",
    r"get_metric_data MetricDataResults \d StatusCode": "a bad one is looked for; its metric has no values",
}
"""Fields that are read and that no verdict of a healthy stack rests on, by call and path, with the reason."""


def state(params: Any = None) -> dict[str, Any]:
    """Terraform's state of it, as S3 answers: services, target groups, the alarm, autoscaling's limits."""
    names = [service.name for service in example.environment().services]
    off = dict.fromkeys(("dynamic_scaling_in_suspended", "dynamic_scaling_out_suspended"), False)
    alarm = told_alarm()
    wanted: list[tuple[str, dict[str, Any]]] = [
        *(("aws_ecs_service", {"name": name, "cluster": PREFIX}) for name in names),
        *(("aws_lb_target_group", {"name": f"{PREFIX}-{name}"}) for name in names),
        *(
            (
                "aws_appautoscaling_target",
                {
                    "resource_id": f"service/{PREFIX}/{name}",
                    "min_capacity": 2,
                    "max_capacity": 10,
                    "suspended_state": [{**off, "scheduled_scaling_suspended": False}],
                },
            )
            for name in names
        ),
        (
            "aws_cloudwatch_metric_alarm",
            {"alarm_name": alarm["AlarmName"], "actions_enabled": True, "alarm_actions": alarm["AlarmActions"]},
        ),
    ]
    resources = [{"mode": "managed", "type": kind, "instances": [{"attributes": one}]} for kind, one in wanted]
    body = json.dumps({"version": 4, "resources": resources}).encode()
    return {"LastModified": NOW - timedelta(hours=1), "Body": io.BytesIO(body)}


def told_alarm() -> dict[str, Any]:
    [one] = healthy()["cloudwatch", "DescribeAlarms"]["MetricAlarms"]
    return dict(one)


def answers() -> dict[tuple[str, str], Any]:
    """A healthy stack, with a task that was scaled in and a migration that ended well, by python's names of calls."""
    stopped = {
        "lastStatus": "STOPPED",
        "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
        "createdAt": NOW - timedelta(minutes=30),
        "startedAt": NOW - timedelta(minutes=29),
        "stoppingAt": NOW - timedelta(minutes=11),
        "stoppedAt": NOW - timedelta(minutes=10),
    }
    scaled_in = stopped | {
        "taskArn": arn("ecs", "task/a"),
        "group": "service:backend",
        "stopCode": "ServiceSchedulerInitiated",
        "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)",
        "containers": [{"name": "backend", "exitCode": 143, "reason": ""}],
    }
    migrated = stopped | {
        "taskArn": arn("ecs", "task/b"),
        "group": "family:ohmycoins-backend",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "backend", "exitCode": 0}],
    }
    record = healthy() | {
        ("ecs", "ListTasks"): {"taskArns": ["a", "b"]},
        ("ecs", "DescribeTasks"): {"tasks": [scaled_in, migrated], "failures": []},
    }
    named = {(service, xform_name(operation)): answer for (service, operation), answer in record.items()}
    metrics = named["cloudwatch", "get_metric_data"]
    del named["cloudwatch", "list_tags_for_resource"]  # asked for alarms in ALARM only
    return named | {("cloudwatch", "get_metric_data"): metrics, ("s3", "get_object"): state}


def morning(record: Mapping[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch, page: Any = None) -> list[Finding]:
    def get(url: str, **_: Any) -> Page:
        if "elb.amazonaws.com" not in url:
            raise Failed(f"{url} does not answer.", Trouble.NAME, "no such name")
        body = json.dumps({"data_age_seconds": 12.5} if page is None else page).encode()
        return Page(200, "OK", "", "uvicorn", "application/json", body, is_cut=False, seconds=0.1, address="192.0.2.1")

    monkeypatch.setattr(http_get, "get", get)
    monkeypatch.setattr(logs, "FIRST_WAIT", 0.0)
    gateway = FakeGateway(dict(record), example.environment())
    checks = replace(MORNING, causes=None)  # what each says by itself
    return list(run_checks(checks, Facts(gateway, Scope(NOW), {StoreLocation: StoreLocation()})).findings)


def exempt(operation: str, path: Path) -> bool:
    return any(re.fullmatch(pattern, words(operation, path)) for pattern in NOTHING_RESTS_ON)


def test_all_is_well_to_begin_with(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = morning(answers(), monkeypatch)
    assert [finding.sentence for finding in findings if finding.level is not Level.OK] == []
    assert [finding.sentence[:13] for finding in findings if finding.check == "expected"] == ["All 7 things "]


def fields_read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, str], Path]]:
    """Every field that the morning check asks for. One that it never asks for can't be missed."""
    read: dict[tuple[str, str], set[Path]] = {}
    record: dict[tuple[str, str], Any] = {}
    for call, answer in answers().items():
        found: set[Path] = set()

        def watching(params: Any, answer: Any = answer, found: set[Path] = found) -> Any:
            return watched(answer(params) if callable(answer) else answer, (), found)

        record[call] = watching
        read[call] = found
    morning(record, monkeypatch)
    fields: list[tuple[tuple[str, str], Path]] = []
    for call, answer in answers().items():
        sample = answer({"MetricDataQueries": [{"Id": "total_0"}], "EndTime": NOW}) if callable(answer) else answer
        fields += [(call, path) for path in paths(sample) if path in read[call]]
    return fields


def test_no_field_that_is_missing_leaves_all_well(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = fields_read(monkeypatch)
    assert len(fields) > 60, "the check reads less than it did"
    silent: list[Any] = []
    used: set[Any] = set()
    for call, path in fields:
        record = answers()
        record[call] = without(record[call], path)
        found = morning(record, monkeypatch)
        asked = {spec_of(check).id for check in MORNING.checks} - {"database-cluster"}  # there is none here
        assert asked <= {finding.check for finding in found}, "each check says something"
        if {finding.level for finding in found} == {Level.OK}:
            (used.add if exempt(call[1], path) else silent.append)(words(call[1], path))
    assert silent == [], "all is said to be well without these fields"
    unused = [pattern for pattern in NOTHING_RESTS_ON if not any(re.fullmatch(pattern, each) for each in used)]
    assert unused == [], "exceptions that are none any more"


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (("ecs", "describe_services"), ("services", 0)),
        (("ecs", "describe_services"), ("services", 1)),
        (("ecs", "describe_services"), ("services", 0, "deployments", 0)),
        (("elbv2", "describe_load_balancers"), ("LoadBalancers", 0)),
        (("elbv2", "describe_target_health"), ("TargetHealthDescriptions", 0)),
        (("elbv2", "describe_target_health"), ("TargetHealthDescriptions", 1)),
        (("cloudwatch", "describe_alarms"), ("MetricAlarms", 0)),
    ],
)
def test_a_thing_that_is_missing_from_a_list_is_seen(
    call: tuple[str, str], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = answers()
    record[call] = without(record[call], path)
    assert {finding.level for finding in morning(record, monkeypatch)} != {Level.OK}


@pytest.mark.parametrize("page", [{}, {"data_age_seconds": None}, {"data_age_seconds": "12"}, [], None, 0, "12", True])
def test_a_status_page_that_does_not_say_is_unknown(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = morning(answers(), monkeypatch, page if page is not None else {})
    assert {finding.level for finding in found if finding.check == "data-fresh"} == {Level.UNKNOWN}


@pytest.mark.parametrize("code", ["InternalError", "Forbidden"])
def test_metrics_that_cloudwatch_could_not_give_are_unknown(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = answers()
    metrics = record["cloudwatch", "get_metric_data"]

    def broken(params: Any) -> Any:
        answer = metrics(params)
        answer["MetricDataResults"][0] |= {"StatusCode": code, "Values": [], "Timestamps": []}
        return answer

    record["cloudwatch", "get_metric_data"] = broken
    unknown = {finding.check for finding in morning(record, monkeypatch) if finding.level is Level.UNKNOWN}
    assert "error-rate" in unknown
