"""Things are changed and deleted by AWS's own API, without omc: each is said, and healing it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from support.stack import CLUSTER, Stack
from support.waiting import eventually

TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": f"service/{CLUSTER}/frontend",
    "ScalableDimension": "ecs:service:DesiredCount",
}
GROUP, ALARM, RULE = f"/ecs/{CLUSTER}/frontend", f"{CLUSTER}-rds-cpu-high", f"{CLUSTER}-deployment-failed"
SAID = {
    f"The alarm {CLUSTER}-rds-cpu-high is gone: it wakes nobody": "fail",
    f"The alarm {CLUSTER}-rds-no-data is changed: actions are off, not on": "fail",
    f"The alarm {CLUSTER}-alb-elb-5xx is changed: threshold is 100000, not 10": "fail",
    f"The EventBridge rule {RULE} is changed: state is DISABLED, not ENABLED": "fail",
    "The autoscaling of frontend is changed: maximum is 3, not 10; suspended with scaling out": "warn",
    "The service frontend is changed: deployment alarms are off, not": "warn",
    f"The log group {GROUP} is changed: retention is 1 days, not 365 days": "warn",
    f"The database {CLUSTER} is changed: days of backups are 1, not 3": "warn",
    f"The trail {CLUSTER} is changed: logging is off, not on": "warn",
}


@pytest.fixture
def healed(healthy: Stack) -> Iterator[Callable[[], None]]:
    """All that the test does to the stack, undone by the same API; also where the test fails."""
    cloudwatch, ecs = healthy.client("cloudwatch"), healthy.client("ecs")
    alarms = {one["AlarmName"]: one for one in cloudwatch.describe_alarms()["MetricAlarms"]}
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarms[ALARM]["AlarmArn"])["Tags"]
    service = ecs.describe_services(cluster=CLUSTER, services=["frontend"])["services"][0]
    limits = {"MinCapacity": 2, "MaxCapacity": 10}
    continues = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
    )

    def heal() -> None:
        cloudwatch.put_metric_alarm(**_settings(alarms[ALARM]), Tags=tags)
        cloudwatch.put_metric_alarm(**_settings(alarms[f"{CLUSTER}-alb-elb-5xx"]))
        cloudwatch.enable_alarm_actions(AlarmNames=[f"{CLUSTER}-rds-no-data"])
        healthy.client("events").enable_rule(Name=RULE)
        healthy.client("application-autoscaling").register_scalable_target(**TARGET, **limits, SuspendedState=continues)
        configuration = {"alarms": service["deploymentConfiguration"]["alarms"]}
        ecs.update_service(cluster=CLUSTER, service="frontend", deploymentConfiguration=configuration)
        healthy.client("logs").put_retention_policy(logGroupName=GROUP, retentionInDays=365)
        _back_up(healthy, 3)
        healthy.client("cloudtrail").start_logging(Name=CLUSTER)

    try:
        yield heal
    finally:
        heal()


def test_what_is_deleted_or_changed_by_hand_is_reported_until_it_is_healed(
    healthy: Stack, healed: Callable[[], None]
) -> None:
    assert not deviations(healthy)

    cloudwatch = healthy.client("cloudwatch")
    limit = next(iter(cloudwatch.describe_alarms(AlarmNames=[f"{CLUSTER}-alb-elb-5xx"])["MetricAlarms"]))
    cloudwatch.delete_alarms(AlarmNames=[ALARM])
    cloudwatch.disable_alarm_actions(AlarmNames=[f"{CLUSTER}-rds-no-data"])
    cloudwatch.put_metric_alarm(**_settings(limit) | {"Threshold": 100000.0})
    healthy.client("events").disable_rule(Name=RULE)
    healthy.client("application-autoscaling").register_scalable_target(
        **TARGET, MinCapacity=2, MaxCapacity=3, SuspendedState={"DynamicScalingOutSuspended": True}
    )
    off = {"alarms": {"alarmNames": [], "enable": False, "rollback": False}}
    healthy.client("ecs").update_service(cluster=CLUSTER, service="frontend", deploymentConfiguration=off)
    healthy.client("logs").put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    _back_up(healthy, 1)
    healthy.client("cloudtrail").stop_logging(Name=CLUSTER)

    checked = healthy.check("--output", "json")
    assert checked.returncode == 1, checked.stdout
    found = deviations(healthy)
    for words, level in SAID.items():
        assert [one["level"] for one in found if words in one["sentence"]] == [level], (words, found)
    assert len(found) == len(SAID), found
    assert all("(Terraform's state of " in one["sentence"] for one in found)

    healed()
    eventually("nothing is said any more", lambda: not deviations(healthy), within=120)


def deviations(stack: Stack) -> list[Mapping[str, Any]]:
    """What isn't as it should be."""
    report = stack.check("--output", "json").json
    every = [*report["findings"], *(inner for one in report["findings"] for inner in one.get("explains") or ())]
    return [one for one in every if one["check"].startswith("expected") and one["level"] != "ok"]


def _settings(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What PutMetricAlarm takes of what DescribeAlarms tells."""
    state = ("AlarmArn", "AlarmConfigurationUpdatedTimestamp", "EvaluationState", "StateTransitionedTimestamp")
    return {name: value for name, value in alarm.items() if name not in state and not name.startswith("State")}


def _back_up(stack: Stack, days: int) -> None:
    rds = stack.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=CLUSTER, BackupRetentionPeriod=days, ApplyImmediately=True)
