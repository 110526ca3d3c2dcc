"""What CloudWatch knows and nobody has told us: alarms that ring and were never delivered, and alerts whose alarm is
quiet, or gone, since nobody was there to hear it.

CloudWatch tells a change once. A message that SNS couldn't deliver is lost, and so is one that lay in the queue for
longer than it is kept; only asking brings them back. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from omc.config import Environment
from omc.facts.alarms import Alarm, Alarms
from omc.responder.alerts import Alert
from omc.responder.intake import cloudwatch
from omc.responder.intake.reading import Context
from omc.responder.model import Intake, Notification, State, alert_key, digest
from omc.responder.pipeline.mute import with_actions_off

GRACE = timedelta(seconds=90)
"""How old a change must be: a younger one is still on its way. SNS and SQS need less than a second as a rule."""
RECONCILED = {"reconciled": "yes"}
"""The label of what was found by asking."""


def missed(
    alarms: Alarms,
    environment: Environment,
    known: Mapping[str, Alert],
    now: datetime,
    muted: Mapping[str, str] = MappingProxyType({}),
) -> list[Notification]:
    """The changes that nobody has told us, as if they had been told; one of an alarm that CloudWatch mutes says so.
    ``known``: the environment's alerts, by key; ``muted``: by an alarm's name the mute rule that is active."""
    found: list[Notification] = []
    context = Context(environment.name, now, labels=RECONCILED)
    listed: set[str] = set()
    for alarm in alarms.alarms:
        if not alarm.name.startswith(environment.alarm_prefix):
            continue
        key = alert_key(cloudwatch.SOURCE, environment.name, alarm.arn)
        listed.add(key)
        if now - alarm.since < GRACE:
            continue
        change = _change(alarm, context, muted)
        if not (alarm.acts or alarm.actions) and isinstance(change, Notification) and change.state == "firing":
            continue  # it was made to tell nobody
        if isinstance(change, Notification) and _is_news(change, known.get(change.alert_key)):
            found.append(change)
    return found + [_gone(alert, now) for alert in known.values() if _is_gone(alert, listed, environment)]


def unmuted(alarms: Alarms, known: Mapping[str, Alert], muted: Mapping[str, str]) -> list[str]:
    """The keys of the alerts that are held since CloudWatch muted their alarms, and no longer does. One whose alarm
    isn't among these, of another region or account, is held no longer: nobody here would see when it is unmuted."""
    still = {each.arn for each in alarms.alarms if _is_muted(each, muted)}
    return sorted(
        alert.key
        for alert in known.values()
        if alert.is_firing
        and alert.hold is not None
        and alert.hold.by == "mute"
        and alert.notification is not None
        and alert.notification.labels.get("alarm_arn") not in still
    )


def _is_muted(alarm: Alarm, muted: Mapping[str, str]) -> bool:
    return alarm.name in muted or alarm.is_switched_off or bool(alarm.suppressed_by)


def state_now(alarm: Alarm, environment: str, now: datetime) -> State | None:
    """Whether it fires, by what CloudWatch says of it now; None where that isn't known."""
    change = cloudwatch.from_event(_event(alarm, {}), Context(environment, now))
    return change.state if isinstance(change, Notification) else None


def _change(alarm: Alarm, context: Context, muted: Mapping[str, str]) -> Intake:
    """The change that the alarm's message would have told."""
    change = cloudwatch.from_event(_event(alarm, muted), context)
    if isinstance(change, Notification) and alarm.is_switched_off:
        return with_actions_off(change)
    return change


def by_key(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Alerts as ``missed`` wants them."""
    return {alert.key: alert for alert in alerts}


def _is_news(change: Notification, alert: Alert | None) -> bool:
    """An alarm that is quiet is no news where nothing of it was ever heard."""
    is_firing = alert is not None and alert.is_firing
    return (change.state == "firing") != is_firing


def _is_gone(alert: Alert, listed: set[str], environment: Environment) -> bool:
    notification = alert.notification
    return (
        alert.is_firing
        and alert.key not in listed
        and notification is not None
        and notification.source == cloudwatch.SOURCE
        and notification.name.startswith(environment.alarm_prefix)
        and not any(label.startswith("contributor") for label in notification.labels)
    )


def _gone(alert: Alert, now: datetime) -> Notification:
    assert alert.notification is not None  # noqa: S101 - see _is_gone
    last = alert.notification
    return Notification(
        id=digest(alert.key, "gone", last.id),
        source=last.source,
        environment=last.environment,
        alert_key=alert.key,
        name=last.name,
        state="ended",
        at=now,
        severity=last.severity,
        service=last.service,
        title=f"{last.name} does not exist any more",
        description="CloudWatch has no alarm of this name now. It was deleted while it was firing.",
        labels={**last.labels, **RECONCILED},
        link=last.link,
    )


def _event(alarm: Alarm, muted: Mapping[str, str]) -> dict[str, Any]:
    """The alarm's state as EventBridge would have told it: so the change has the id that its message has."""
    record = alarm.record
    _, _, _, region, account, *_ = [*alarm.arn.split(":", 6), "", "", "", "", ""]
    return {
        "detail-type": cloudwatch.STATE_CHANGE,
        "account": account,
        "region": region,
        "resources": [alarm.arn],
        "detail": {
            "alarmName": alarm.name,
            "alarmTags": dict(alarm.tags),
            "state": {
                "value": alarm.state,
                "timestamp": alarm.since.isoformat(timespec="milliseconds"),
                "reason": alarm.reason,
                "actionsSuppressedBy": alarm.suppression,
            },
            "muteDetail": {"mutedByArn": muted.get(alarm.name)},
            "configuration": {
                "description": record.get("AlarmDescription", ""),
                "treatMissingData": record.get("TreatMissingData", ""),
                "insufficientDataActions": list(record.get("InsufficientDataActions", [])),
                "alarmRule": record.get("AlarmRule"),
                "metrics": _metrics(record),
            },
        },
    }


def _metrics(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The first metric, in EventBridge's words."""
    queries = [record, *(query.get("MetricStat", {}).get("Metric", {}) for query in record.get("Metrics", []))]
    for query in queries:
        if query.get("MetricName"):
            dimensions = {each["Name"]: each["Value"] for each in query.get("Dimensions", [])}
            metric = {"namespace": query.get("Namespace"), "name": query["MetricName"], "dimensions": dimensions}
            return [{"id": "m1", "metricStat": {"metric": metric}}]
    return []
