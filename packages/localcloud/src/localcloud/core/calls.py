"""Calls of one AWS service to another inside the cloud, as service-linked roles make them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import OPERATIONS, Answer, Call

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def answers(service: str, name: str) -> bool:
    """Whether this cloud has a handler of its own for the operation."""
    return (service, name) in OPERATIONS


def ask(cloud: Cloud, service: str, name: str, params: Mapping[str, Any], principal: str) -> Answer:
    """Call an operation's handler as an AWS service does; its ``AwsError`` goes to the caller."""
    settings = cloud.settings
    call = Call(
        service=service,
        operation=name,
        params=params,
        account=settings.account,
        region=settings.region,
        principal=principal,
        access_key="",
        source_ip=principal,
        user_agent=principal,
        request_id=str(uuid.uuid4()),
        at=cloud.now(),
    )
    return OPERATIONS[service, name].handler(cloud, call)


def alarms_in_alarm(cloud: Cloud, names: list[str]) -> list[str]:
    """Which of the named alarms are in ALARM; none where the cloud evaluates no alarms."""
    if not names or not answers("cloudwatch", "DescribeAlarms"):
        return []
    params = {"AlarmNames": names, "StateValue": "ALARM", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    found = ask(cloud, "cloudwatch", "DescribeAlarms", params, "ecs.amazonaws.com")
    alarms = [*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])]
    return sorted(alarm["AlarmName"] for alarm in alarms)
