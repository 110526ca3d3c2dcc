"""What alarms, custom metrics and dashboards costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localcloud.core.billing import CLOUDWATCH, Item, Rate
from localcloud.core.registry import billable
from localcloud.services.cloudwatch.component import Metrics

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@billable
def monitoring(cloud: Cloud) -> Iterator[Rate]:
    if not cloud.has(Metrics):
        return
    metrics = cloud.part(Metrics)
    amounts = {"AlarmMonitorUsage": 0, "HighResAlarmMonitorUsage": 0, "CompositeAlarmMonitorUsage": 0}
    for alarm in metrics.alarms.described():
        if "AlarmRule" in alarm:
            amounts["CompositeAlarmMonitorUsage"] += 1
            continue
        # An alarm on an expression is charged for each metric in it.
        watched = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
        period = min((int(each["Period"]) for each in watched), default=int(alarm.get("Period") or 60))
        amounts["HighResAlarmMonitorUsage" if period < 60 else "AlarmMonitorUsage"] += len(watched) or 1
    for name, amount in amounts.items():
        if amount:
            yield Rate(Item(CLOUDWATCH, f"APS2-CW:{name}", "Unknown"), float(amount), monthly=True)
    recent = cloud.now().timestamp() - 3600
    custom = metrics.store.metrics(active_since=recent, matches=lambda each: not each.namespace.startswith("AWS/"))
    if custom:
        yield Rate(Item(CLOUDWATCH, "APS2-CW:MetricMonitorUsage", "MetricStorage"), float(len(custom)), monthly=True)
    if metrics.dashboards:
        dashboards = Item(CLOUDWATCH, "DashboardsUsageHour", "DashboardHour")
        yield Rate(dashboards, float(len(metrics.dashboards)), monthly=True)
