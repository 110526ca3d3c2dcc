"""What the services tell EventBridge reaches a rule's queue, in the shape that AWS publishes of each event.

The shapes are those of ``support.payloads``; where each is published has ``support.payload_cases``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.core.interfaces import EventBus
from localcloud.core.windows import in_window, next_window
from localcloud.faults import maintenance
from localcloud.services.eventbridge import Events
from localcloud.services.rds import notices
from support import payloads
from support.waiting import eventually

pytestmark = pytest.mark.cloud
Clients = Callable[..., Any]
FREE = {"dimensions", "detail.configuration.metrics.metricStat.metric.dimensions"}
"""Objects whose keys are names of the user's."""
ALARM: dict[str, Any] = {
    "Namespace": "Test", "MetricName": "errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
    "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", "Dimensions": [{"Name": "Shop", "Value": "1"}],
    "AlarmDescription": "Too many", "ActionsEnabled": False,
}  # fmt: skip


def differs(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where a value has a member that the published one lacks, or one of another type."""
    if type(ours) is not type(theirs) and not {type(ours), type(theirs)} <= {int, float}:
        return [f"{place}: {type(ours).__name__}, published {type(theirs).__name__}"]
    if isinstance(ours, Mapping) and place not in FREE:
        return [
            problem
            for key, value in ours.items()
            for problem in (
                differs(value, theirs[key], f"{place}.{key}".strip("."))
                if key in theirs
                else [f"{place}.{key}: not published"]
            )
        ]
    if isinstance(ours, list) and theirs:
        return [problem for each in ours for problem in differs(each, theirs[0], place)]
    return []


def heard(aws: Clients, name: str, source: str) -> Callable[[], list[dict[str, Any]]]:
    """A rule for a source, with a queue of its own; gives what has come by now, in the order in which it was told."""
    url = aws("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws("events").put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    aws("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    found: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        for message in aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
        return found

    return look


def test_an_alarm_tells_each_change_of_its_state_and_that_it_was_deleted(shared_aws: Clients) -> None:
    """Whether or not its actions are enabled: here they aren't."""
    look = heard(shared_aws, "alarm-events", "aws.cloudwatch")
    cloudwatch = shared_aws("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="told", **ALARM)
    cloudwatch.set_alarm_state(AlarmName="told", StateValue="ALARM", StateReason="by hand")
    [told] = cloudwatch.describe_alarms(AlarmNames=["told"])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=["told"])

    def mine() -> list[dict[str, Any]]:
        return [each for each in look() if each["detail"]["alarmName"] == "told"]

    eventually("three events have come", lambda: len(mine()) == 3)
    created, moved, deleted = mine()
    assert [each["detail-type"].split()[2] for each in (created, moved, deleted)] == [
        "Configuration",
        "State",
        "Configuration",
    ]
    assert [each["detail"].get("operation") for each in (created, moved, deleted)] == ["create", None, "delete"]
    assert {tuple(each["resources"]) for each in mine()} == {(told["AlarmArn"],)}
    assert differs(moved, payloads.alarm_event()) == []
    state, before = moved["detail"]["state"], moved["detail"]["previousState"]
    assert (state["value"], state["reason"], before["value"]) == ("ALARM", "by hand", "INSUFFICIENT_DATA")
    assert datetime.fromisoformat(state["timestamp"]) == told["StateTransitionedTimestamp"].replace(
        microsecond=told["StateTransitionedTimestamp"].microsecond // 1000 * 1000
    ), "the same moment as by the topic: so it is known for the same change"
    assert deleted["detail"]["configuration"]["threshold"] == 1.0


def test_a_composite_alarm_tells_its_rule(shared_aws: Clients) -> None:
    look = heard(shared_aws, "composite-events", "aws.cloudwatch")
    cloudwatch = shared_aws("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="part", **ALARM)
    cloudwatch.put_composite_alarm(AlarmName="whole", AlarmRule="ALARM(part)")
    cloudwatch.set_alarm_state(AlarmName="part", StateValue="ALARM", StateReason="by hand")

    def rung() -> list[dict[str, Any]]:
        return [
            each["detail"]
            for each in look()
            if each["detail"]["alarmName"] == "whole" and each["detail"]["state"]["value"] == "ALARM"
        ]

    [detail] = eventually("the composite rings", rung)
    assert detail["configuration"] == {"alarmRule": "ALARM(part)"}
    assert "triggeringAlarms" in json.loads(detail["state"]["reasonData"])
    cloudwatch.delete_alarms(AlarmNames=["whole"])
    cloudwatch.delete_alarms(AlarmNames=["part"])


class Heard(EventBus):
    """A bus that keeps what it is told, as EventBridge would deliver it."""

    name = "heard"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.events: list[dict[str, Any]] = []

    def is_heard(self) -> bool:
        return True

    def tell(self, source: str, detail_type: str, resources: Any, detail: Any, *, at: datetime | None = None) -> None:
        told = payloads.event(source, detail_type, json.loads(json.dumps(detail)), resources)
        self.events.append(told)


class Alone:
    """A cloud that has nothing but a bus."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.bus = Heard(self)  # type: ignore[arg-type]

    def now(self) -> datetime:
        return datetime(2026, 11, 3, 2, 4, tzinfo=UTC)

    def has(self, kind: type[Any]) -> bool:
        return kind is EventBus

    def part(self, kind: type[Any]) -> Any:
        assert kind is EventBus
        return self.bus


@pytest.mark.parametrize("status", ["upcoming", "closed"])
def test_a_retirement_is_told_as_aws_health_tells_it(shared_cloud: Cloud, status: str) -> None:
    alone = Alone(shared_cloud.settings)
    memory = {"event": "5f0c", "at": "2026-11-10T02:00:00+00:00", "services": ["shop|backend", "shop|frontend"]}
    maintenance._tell_health(alone, memory, status)  # type: ignore[arg-type]
    [told] = alone.bus.events
    published = payloads.health(maintenance.RETIREMENT, "scheduledChange", payloads.entity("shop|backend"))
    assert differs(told, published) == []
    assert set(told["detail"]) == set(published["detail"])
    assert told["detail"]["startTime"] == published["detail"]["startTime"]
    assert [each["entityValue"] for each in told["detail"]["affectedEntities"]] == memory["services"]
    assert {each["statusCode"] for each in told["detail"]["affectedEntities"]} == {
        "RESOLVED" if status == "closed" else "PENDING"
    }


def test_what_happens_to_a_database_is_told_with_its_id(shared_cloud: Cloud) -> None:
    alone = Alone(shared_cloud.settings)
    record = {
        "SourceIdentifier": "shop", "Message": "DB instance stopped", "EventCategories": ["notification"],
        "Date": alone.now(), "SourceArn": "arn:aws:rds:ap-southeast-2:111122223333:db:shop",
    }  # fmt: skip
    for message in ("DB instance stopped", "Nothing that has an id"):
        notices.instance_event(alone, {**record, "Message": message})  # type: ignore[arg-type]
    [told] = alone.bus.events
    published = payloads.database_event("0087", "DB instance stopped", "notification")
    assert differs(told, published) == []
    assert set(told["detail"]) == set(published["detail"])
    assert told["detail"]["EventID"] == "RDS-EVENT-0087"


def test_what_waits_is_delivered_after_a_restart(shared_aws: Clients, shared_cloud: Cloud) -> None:
    look = heard(shared_aws, "waiting-events", "aws.test")
    left = Events()
    left._cloud = shared_cloud
    left.tell("aws.test", "Something", [], {"at": shared_cloud.now()})
    again = Events()
    again.load(left.dump())
    again._cloud = shared_cloud
    again.deliver()
    [event] = eventually("it comes", look)
    assert event["detail-type"] == "Something"
    assert again.dump() == []


@pytest.mark.parametrize(
    ("after", "begins"),
    [
        ("2026-11-23T00:00:00", "2026-11-28T16:00:00"),
        ("2026-11-28T16:00:00", "2026-11-28T16:00:00"),
        ("2026-11-28T16:00:30", "2026-12-05T16:00:00"),
    ],
)
def test_the_next_window_is_a_whole_one(after: str, begins: str) -> None:
    begin, end = next_window("sat:16:00-sat:18:00", datetime.fromisoformat(f"{after}+00:00"))
    assert begin == datetime.fromisoformat(f"{begins}+00:00")
    assert (end - begin).total_seconds() == 7200
    assert in_window("sat:16:00-sat:18:00", begin)
