"""Where alarms lead: topics, their subscriptions, and whether anybody reads the queues among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.alarms import Alarms
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope

POLLED = ("NumberOfMessagesReceived", "NumberOfEmptyReceives")
"""In AWS/SQS: somebody polls the queue, and gets a message or doesn't."""
WINDOW = timedelta(hours=1)
QUEUES_A_CALL = 250
"""GetMetricData takes five hundred queries."""


@dataclass(frozen=True, slots=True)
class Subscription:
    protocol: str
    """email, email-json, https, http, sms, sqs, lambda, firehose, application."""
    endpoint: str
    """An address, which isn't shown; of a queue or a function, its ARN."""
    confirmed: bool | None
    """None where SNS doesn't tell."""


@dataclass(frozen=True, slots=True)
class AlarmPaths:
    """By a topic's ARN: who is told. Only topics that alarms of this environment name."""

    topics: Mapping[str, tuple[Subscription, ...]]
    missing: tuple[str, ...] = ()
    """Topics that alarms name and that don't exist."""
    polls: Mapping[str, float] = field(default_factory=dict)
    """By a queue's ARN: how often it was asked for messages in the last hour. SQS sends no metrics for a queue that was
    idle for six hours, so no metrics means never."""
    reading: Reading = NO_READING


@reads
def read_alarm_paths(aws: Gateway, environment: Environment, alarms: Alarms, scope: Scope) -> AlarmPaths:
    """A call for each topic; one for the metrics of all queues."""
    names = {
        action
        for alarm in alarms.alarms
        if alarm.name.startswith(environment.alarm_prefix)
        for action in alarm.actions
        if ":sns:" in action
    }
    topics = sorted(names)
    found = dict(zip(topics, parallel_map(lambda arn: _subscriptions(aws, arn), topics), strict=True))
    known = {arn: subscriptions for arn, subscriptions in found.items() if subscriptions is not None}
    queues = sorted({one.endpoint for some in known.values() for one in some if one.protocol == "sqs" and one.endpoint})
    missing = tuple(arn for arn, some in found.items() if some is None)
    return AlarmPaths(known, missing, _polls(aws, queues[:QUEUES_A_CALL], scope) if queues else {})


def _subscriptions(aws: Gateway, topic: str) -> tuple[Subscription, ...] | None:
    try:
        return tuple(
            _subscription(payload)
            for page in aws.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            for payload in page["Subscriptions"]
        )
    except NotFound:
        return None


def _subscription(record: Mapping[str, Any]) -> Subscription:
    arn = record.get("SubscriptionArn")
    return Subscription(
        record.get("Protocol", ""), record.get("Endpoint", ""), None if arn is None else str(arn).startswith("arn:")
    )


def _polls(aws: Gateway, queues: list[str], scope: Scope) -> dict[str, float]:
    queries: Any = [
        {
            "Id": f"q{number}_{place}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SQS",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "QueueName", "Value": queue.rpartition(":")[2]}],
                },
                "Period": 300,
                "Stat": "Sum",
            },
        }
        for number, queue in enumerate(queues)
        for place, metric in enumerate(POLLED)
    ]
    found = dict.fromkeys(queues, 0.0)
    for identifier, points in metric_data(aws, queries, scope.now - WINDOW, scope.now).items():
        found[queues[int(identifier[1:].partition("_")[0])]] += sum(value for _, value in points)
    return found
