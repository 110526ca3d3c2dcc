"""CloudWatch's alarms: a change of state as SNS carries it and as EventBridge does, of a metric, a computed metric or
other alarms.

Both ways of one change give the same notification: which change it was says CloudWatch's own time of it. Only what
CloudWatch mutes is told apart: once it is unmuted, the alarm's own action tells the same change, with the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omc.responder.intake.reading import (
    Context,
    ignored,
    items,
    mapping,
    mappings,
    moment,
    notification,
    text,
    unreadable,
)
from omc.responder.model import Ignored, Intake, Notification, State, Unreadable

SOURCE = "cloudwatch"
STATES = frozenset({"OK", "ALARM", "INSUFFICIENT_DATA"})
STATE_CHANGE = "CloudWatch Alarm State Change"
CONTRIBUTOR_CHANGE = "CloudWatch Alarm Contributor State Change"
CONFIGURATION_CHANGE = "CloudWatch Alarm Configuration Change"


def from_sns(message: Mapping[str, Any], context: Context) -> Intake:
    """An alarm's message, as CloudWatch publishes it to a topic."""
    name = text(message.get("AlarmName"))
    value = text(message.get("NewStateValue"))
    if not name or value not in STATES:
        return unreadable("An alarm's message without its name or its new state.")
    trigger = mapping(message, "Trigger")
    arn = text(message.get("AlarmArn"), 1_600)
    contributor = text(message.get("AlarmContributorId"))
    found: dict[str, object] = {
        "alarm_arn": arn,
        "account": message.get("AWSAccountId"),
        "region": _region(arn, context.topic),
        "kind": _kind(message.get("AlarmRule"), trigger.get("Metrics"), trigger.get("MetricName")),
        "previous_state": message.get("OldStateValue"),
        "missing_data": _missing_data(trigger.get("TreatMissingData")),
        "suppressed_by": message.get("ActionsSuppressedBy"),
        "alarm_rule": message.get("AlarmRule"),
        "triggered_by": " ".join(text(child.get("Arn")) for child in mappings(message.get("TriggeringChildren"))[:10]),
        **_metric(trigger.get("Namespace"), trigger.get("MetricName"), trigger.get("Dimensions")),
        **_first_metric(trigger.get("Metrics")),
        **_tags(message.get("AlarmTags"), message.get("AlarmTagsStatus")),
        **_contributor(contributor, message.get("AlarmContributorAttributes")),
    }
    state = state_of(
        value,
        text(message.get("OldStateValue")),
        _missing_data(trigger.get("TreatMissingData")),
        tells_silence=bool(items(message.get("InsufficientDataActions"))),
    )
    return _change(
        context,
        identity=_identity(arn, message.get("AWSAccountId"), message.get("Region"), name, contributor),
        name=name,
        value=value,
        state=state,
        at=message.get("StateChangeTime"),
        reason=message.get("NewStateReason"),
        about=message.get("AlarmDescription"),
        found=found,
    )


def from_event(event: Mapping[str, Any], context: Context) -> Intake:
    """An event of EventBridge's, of ``aws.cloudwatch``. A topic that carried it isn't one that the alarm's own action
    told: EventBridge tells of muted alarms too."""
    carrier, context = context.topic, replace(context, topic=None)
    kind = text(event.get("detail-type"))
    detail = mapping(event, "detail")
    name, value = text(detail.get("alarmName")), text(mapping(detail, "state").get("value"))
    if kind not in (STATE_CHANGE, CONTRIBUTOR_CHANGE, CONFIGURATION_CHANGE):
        return unreadable(f"omc doesn't know CloudWatch's event “{kind}”.")
    if not name or value not in STATES:
        return unreadable("An alarm's event without its name or its state.")
    arn = text(next(iter(items(event.get("resources"))), ""), 1_600)
    configuration, current = mapping(detail, "configuration"), mapping(detail, "state")
    contributor = text(mapping(detail, "alarmContributor").get("id"))
    metrics = configuration.get("metrics")
    found: dict[str, object] = {
        "alarm_arn": arn,
        "account": event.get("account"),
        "region": _region(arn, None) or event.get("region"),
        "kind": _kind(configuration.get("alarmRule"), metrics if len(items(metrics)) != 1 else None, metrics),
        "previous_state": mapping(detail, "previousState").get("value"),
        "missing_data": _missing_data(configuration.get("treatMissingData")),
        "suppressed_by": current.get("actionsSuppressedBy"),
        "muted_by": mapping(detail, "muteDetail").get("mutedByArn"),
        "evaluation_state": current.get("evaluationState"),
        "event_topic": carrier,
        "alarm_rule": configuration.get("alarmRule"),
        **_first_metric(metrics),
        **_tags(detail.get("alarmTags"), detail.get("alarmTagsStatus")),
        **_contributor(contributor, mapping(detail, "alarmContributor").get("attributes")),
    }
    identity = _identity(arn, event.get("account"), event.get("region"), name, contributor)
    if kind == CONFIGURATION_CHANGE:
        return _configured(detail, event, context, identity, name, value, found)
    state = state_of(
        value,
        text(mapping(detail, "previousState").get("value")),
        _missing_data(configuration.get("treatMissingData")),
        tells_silence=bool(items(configuration.get("insufficientDataActions"))),
    )
    return _change(
        context,
        identity=identity,
        name=name,
        value=value,
        state=state,
        at=current.get("timestamp") or event.get("time"),
        reason=current.get("reason"),
        about=configuration.get("description"),
        found=found,
        is_muted=bool(text(found["muted_by"]) or text(found["suppressed_by"])),
    )


def state_of(value: str, previous: str, missing_data: str, *, tells_silence: bool) -> State | Ignored:
    """What the new state means.

    INSUFFICIENT_DATA is neither firing nor over unless the alarm's own configuration says what it is: that it has an
    action for it (then going silent is what it warns of), or that missing data counts as breaching or as not.
    """
    if value != "INSUFFICIENT_DATA":
        return "firing" if value == "ALARM" else "ended"
    if tells_silence or missing_data == "breaching":
        return "firing"
    if missing_data == "notBreaching":
        return "ended"
    return ignored(f"The alarm has too little data, and was {previous or 'in an unknown state'} before: not known.")


def _change(
    context: Context,
    *,
    identity: str,
    name: str,
    value: str,
    state: State | Ignored,
    at: object,
    reason: object,
    about: object,
    found: Mapping[str, object],
    is_muted: bool = False,
) -> Notification | Ignored | Unreadable:
    if isinstance(state, Ignored):
        return ignored(f"{name}: {state.reason}")
    when = moment(at)
    happened = {"firing": "is firing", "ended": "is over"}[state] if value != "INSUFFICIENT_DATA" else "has no data"
    return notification(
        context,
        SOURCE,
        identity,
        f"{value} {context.within(when).isoformat(timespec='milliseconds')}{' muted' if is_muted else ''}",
        name=name,
        state=state,
        at=when,
        title=f"{name} {happened}",
        description="\n".join(filter(None, (text(about, 1_100), text(reason, 1_100)))),
        found={**found, "state": value},
    )


def _configured(
    detail: Mapping[str, Any],
    event: Mapping[str, Any],
    context: Context,
    identity: str,
    name: str,
    value: str,
    found: Mapping[str, object],
) -> Intake:
    """An alarm that was deleted fires no more; whatever else is done to one, its next evaluation tells."""
    operation = text(detail.get("operation"))
    if operation != "delete":
        return ignored(f"{name}: its configuration changed ({operation or 'unknown'}).")
    at = moment(event.get("time"))
    return notification(
        context,
        SOURCE,
        identity,
        f"deleted {context.within(at).isoformat(timespec='milliseconds')}",
        name=name,
        state="ended",
        at=at,
        title=f"{name} was deleted",
        description=f"The alarm was deleted; its state was {value}.",
        found={**found, "state": value},
    )


def _identity(arn: str, account: object, region: object, name: str, contributor: str) -> str:
    """The alarm's ARN. Messages of long ago have none: then what it is made of, which no ARN is equal to."""
    alarm = arn or f"{text(account)} {text(region)} {name}"
    return f"{alarm} {contributor}" if contributor else alarm


def _region(arn: str, topic: str | None) -> str:
    """A code, such as ``ap-southeast-2``. The message's own field has the region's name."""
    parts = (arn or topic or "").split(":")
    return parts[3] if len(parts) > 5 else ""


def _kind(rule: object, computed: object, metric: object) -> str:
    if isinstance(rule, str):
        return "composite"
    if items(computed):
        return "metric-math"
    return "metric" if metric else "unknown"


def _missing_data(written: object) -> str:
    """Of ``missing`` and ``- TreatMissingData:                    missing`` the last word; both are sent."""
    return text(written).rpartition(" ")[2]


def _metric(namespace: object, name: object, dimensions: object) -> dict[str, object]:
    """SNS has the dimensions as a list with ``name`` and ``value``, EventBridge as an object."""
    if isinstance(dimensions, Mapping):
        pairs = [(text(key), value) for key, value in dimensions.items()]
    else:
        pairs = [(text(each.get("name")), each.get("value")) for each in mappings(dimensions)]
    return {"namespace": namespace, "metric": name, **{f"dimension.{key}": value for key, value in pairs[:30]}}


def _first_metric(metrics: object) -> dict[str, object]:
    """Of a computed metric the first of those it is computed of, and the formula."""
    found: dict[str, object] = {}
    for each in mappings(metrics):
        stat = mapping(each, "MetricStat") or mapping(each, "metricStat")
        measured = mapping(stat, "Metric") or mapping(stat, "metric")
        if measured and "metric" not in found:
            name = measured.get("MetricName") or measured.get("name")
            namespace = measured.get("Namespace") or measured.get("namespace")
            found |= _metric(namespace, name, measured.get("Dimensions") or measured.get("dimensions"))
        if (each.get("ReturnData") or each.get("returnData")) and (each.get("Expression") or each.get("expression")):
            found["expression"] = each.get("Expression") or each.get("expression")
    return found


def _tags(tags: object, status: object) -> dict[str, object]:
    """Tags that came along (since October 2026, where the alarm asks for it), and whether they could be read."""
    if isinstance(tags, Mapping):
        pairs = list(tags.items())
    else:
        pairs = [
            (each.get("Key") or each.get("key"), each.get("Value") or each.get("value")) for each in mappings(tags)
        ]
    found: dict[str, object] = {f"tag.{text(key)}": value for key, value in pairs[:50] if text(key)}
    return {**found, "tags_status": status} if text(status) else found


def _contributor(contributor: str, attributes: object) -> dict[str, object]:
    """One series of an alarm over many."""
    if not contributor:
        return {}
    found = mapping(attributes)
    return {"contributor": contributor, **{f"dimension.{text(key)}": found[key] for key in list(found)[:30]}}
