"""Alarms, and the way from an alarm to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound, OmcError
from omc.facts.alarms import Alarm
from omc.facts.expected import Thing
from omc.facts.listings.common import Facts, Wanted, common_prefix, fact, named
from omc.facts.terraform_values import tail

NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
"""SQS's codes for a queue that isn't there."""


def alarms(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    names = set(named(wanted, "alarm_name"))
    return (_alarm(alarm) for alarm in fact(facts.alarms).alarms if alarm.name in names)


def _alarm(alarm: Alarm) -> Thing:
    record = alarm.record
    common = {
        "alarm_name": alarm.name,
        "actions_enabled": bool(record.get("ActionsEnabled")),
        "alarm_actions": record.get("AlarmActions") or [],
        "ok_actions": record.get("OKActions") or [],
        "insufficient_data_actions": record.get("InsufficientDataActions") or [],
    }
    if alarm.kind == "composite":
        rule = {
            "alarm_rule": record.get("AlarmRule"),
            "actions_suppressor": [{"alarm": record.get("ActionsSuppressor")}],
        }
        return Thing("aws_cloudwatch_composite_alarm", common | rule)
    settings = {
        "threshold": record.get("Threshold"),
        "threshold_metric_id": record.get("ThresholdMetricId"),
        "comparison_operator": record.get("ComparisonOperator"),
        "evaluation_periods": record.get("EvaluationPeriods"),
        "datapoints_to_alarm": record.get("DatapointsToAlarm"),
        "treat_missing_data": record.get("TreatMissingData"),
        "period": record.get("Period"),
        "statistic": record.get("Statistic"),
        "extended_statistic": record.get("ExtendedStatistic"),
        **_metric(record),
        "metric_query": [_query(query) for query in record.get("Metrics") or ()],
    }
    return Thing("aws_cloudwatch_metric_alarm", common | settings)


def _metric(record: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = {one["Name"]: one["Value"] for one in record.get("Dimensions") or ()}
    return {"namespace": record.get("Namespace"), "metric_name": record.get("MetricName"), "dimensions": dimensions}


def _query(record: Mapping[str, Any]) -> dict[str, Any]:
    stat = record.get("MetricStat") or {}
    metric = {**_metric(stat.get("Metric") or {}), "period": stat.get("Period"), "stat": stat.get("Stat")}
    return {
        "id": record.get("Id"),
        "expression": record.get("Expression") or "",
        "return_data": record.get("ReturnData", True),
        "period": record.get("Period"),
        "metric": [metric] if stat else [],
    }


def topics(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("sns").get_paginator("list_topics").paginate():
        for one in page["Topics"]:
            yield Thing("aws_sns_topic", {"arn": one["TopicArn"], "name": tail(one["TopicArn"])})


def subscriptions(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("sns").get_paginator("list_subscriptions").paginate():
        for one in page["Subscriptions"]:
            arn = one.get("SubscriptionArn", "")
            yield Thing(
                "aws_sns_topic_subscription",
                {
                    "arn": arn,
                    "topic_arn": one.get("TopicArn"),
                    "protocol": one.get("Protocol"),
                    "endpoint": one.get("Endpoint"),
                    "pending_confirmation": not arn.startswith("arn:"),
                },
            )


def queues(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    prefix = common_prefix(named(wanted, "name"))
    pages = aws.client("sqs").get_paginator("list_queues").paginate(**({"QueueNamePrefix": prefix} if prefix else {}))
    for url in (url for page in pages for url in page.get("QueueUrls") or ()):
        yield Thing("aws_sqs_queue", {"name": tail(url)})


def queue_policies(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A call for each: no listing shows a policy. A queue without one has none to show."""

    def policy_of(url: str) -> list[Thing]:
        try:
            response: Any = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        except OmcError as error:
            if isinstance(error, NotFound) or getattr(error, "code", "") in NO_QUEUE:
                return []
            raise
        policy = (response.get("Attributes") or {}).get("Policy")
        return [Thing("aws_sqs_queue_policy", {"queue_url": url, "policy": policy})] if policy else []

    for some in parallel_map(policy_of, named(wanted, "queue_url")):
        yield from some


def topic_policies(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A call for each, as for queues."""

    def policy_of(topic: str) -> list[Thing]:
        try:
            response = aws.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        except NotFound:
            return []
        return [Thing("aws_sns_topic_policy", {"arn": topic, "policy": response.get("Policy") or "{}"})]

    for some in parallel_map(policy_of, named(wanted, "arn")):
        yield from some


def event_rules(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A listing for each event bus, one more for the targets of each rule."""
    events = aws.client("events")
    rules = {
        (str(one.values.get("event_bus_name")), str(one.values.get("name") or one.values["rule"])) for one in wanted
    }
    found: set[tuple[str, str]] = set()
    for bus in sorted({bus for bus, _ in rules}):
        prefix = common_prefix([name for where, name in rules if where == bus])
        names = {"NamePrefix": prefix} if prefix else {}
        for page in events.get_paginator("list_rules").paginate(EventBusName=bus, **names):
            for one in page["Rules"]:
                found.add((bus, one["Name"]))
                yield Thing(
                    "aws_cloudwatch_event_rule",
                    {
                        "name": one["Name"],
                        "event_bus_name": bus,
                        "state": one.get("State"),
                        "event_pattern": one.get("EventPattern"),
                        "schedule_expression": one.get("ScheduleExpression"),
                    },
                )
    targeted = {
        (str(one.values.get("event_bus_name")), str(one.values.get("rule")))
        for one in wanted
        if one.type == "aws_cloudwatch_event_target"
    }

    def targets_of(rule: tuple[str, str]) -> list[Thing]:
        bus, name = rule
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name, EventBusName=bus)
        arns = [one["Arn"] for page in pages for one in page["Targets"]]
        return [Thing("aws_cloudwatch_event_target", {"event_bus_name": bus, "rule": name, "arn": arn}) for arn in arns]

    for some in parallel_map(targets_of, sorted(targeted & found)):
        yield from some
