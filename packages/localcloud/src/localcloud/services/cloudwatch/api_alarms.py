"""CloudWatch's operations on alarms: parameters in botocore's shape in, its output shape out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import AwsError, Call, operation
from localcloud.services.cloudwatch.api_metrics import position, seconds, token
from localcloud.services.cloudwatch.component import Metrics
from localcloud.services.cloudwatch.model import ACTIONS, COMPOSITE, METRIC, Alarm, invalid
from localcloud.services.cloudwatch.queries import metric_of
from localcloud.services.cloudwatch.rules import children, parse_rule

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.services.cloudwatch.alarms import Alarms

PAGE = 100


def _alarms(cloud: Cloud) -> Alarms:
    return cloud.part(Metrics).alarms


@operation("cloudwatch", "PutMetricAlarm", locked=False)
def put_metric_alarm(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).put(call.params)
    return {}


@operation("cloudwatch", "PutCompositeAlarm", locked=False)
def put_composite_alarm(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).put_composite(call.params)
    return {}


@operation("cloudwatch", "DeleteAlarms", locked=False)
def delete_alarms(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).delete(call.params["AlarmNames"])
    return {}


@operation("cloudwatch", "DescribeAlarms", locked=False)
def describe_alarms(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    alarms = _alarms(cloud)
    if params.get("ChildrenOfAlarmName") or params.get("ParentsOfAlarmName"):
        return _relatives(alarms, params)
    if params.get("AlarmNames") and params.get("AlarmNamePrefix"):
        raise invalid("Only one of AlarmNames and AlarmNamePrefix can be specified")
    kinds = params.get("AlarmTypes") or [METRIC]
    names = set(params.get("AlarmNames") or ())

    def wanted(alarm: Alarm) -> bool:
        return (
            alarm.kind in kinds
            and (not names or alarm.name in names)
            and alarm.name.startswith(params.get("AlarmNamePrefix") or "")
            and params.get("StateValue") in (None, alarm.state)
            and (not params.get("ActionPrefix") or _has_action(alarm, params["ActionPrefix"]))
        )

    return _listed(cloud, params, alarms.described(wanted))


def _has_action(alarm: Alarm, prefix: str) -> bool:
    actions = [action for name in ACTIONS.values() for action in alarm.settings.get(name) or ()]
    return any(action.startswith(prefix) for action in actions)


def _listed(cloud: Cloud, params: Mapping[str, Any], found: list[dict[str, Any]]) -> Mapping[str, Any]:
    """One page; an alarm that should have been evaluated and wasn't is shown as such, never as simply OK."""
    after = str(position(params["NextToken"])) if params.get("NextToken") else ""
    most = params.get("MaxRecords") or PAGE
    rest = [alarm for alarm in found if alarm["AlarmName"] > after]
    overdue = set(_alarms(cloud).overdue(cloud.now()))
    for alarm in rest:
        if alarm["AlarmName"] in overdue:
            alarm["EvaluationState"] = "EVALUATION_ERROR"
    shown = rest[:most]
    answer: dict[str, Any] = {
        "CompositeAlarms": [alarm for alarm in shown if "AlarmRule" in alarm],
        "MetricAlarms": [alarm for alarm in shown if "AlarmRule" not in alarm],
    }
    if len(rest) > most:
        answer["NextToken"] = token(shown[-1]["AlarmName"])
    return answer


def _relatives(alarms: Alarms, params: Mapping[str, Any]) -> Mapping[str, Any]:
    others = {"AlarmNames", "AlarmNamePrefix", "StateValue", "ActionPrefix"} & {
        key for key, value in params.items() if value
    }
    if others or (params.get("ChildrenOfAlarmName") and params.get("ParentsOfAlarmName")):
        raise invalid("ChildrenOfAlarmName and ParentsOfAlarmName can't be combined with other parameters")
    named = params.get("ChildrenOfAlarmName") or params["ParentsOfAlarmName"]
    base = alarms.find(named)
    if base is None:
        raise AwsError("ResourceNotFound", f"Unable to find alarm {named}", 404)
    composites = {alarm["AlarmName"]: alarm for alarm in alarms.described(lambda alarm: alarm.kind == COMPOSITE)}

    def names(rule: str) -> set[str]:
        return {child.name for child in map(alarms.find, children(parse_rule(rule))) if child is not None}

    if params.get("ChildrenOfAlarmName"):
        related = names(composites[base.name]["AlarmRule"]) if base.name in composites else set()
        kept = ["AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp", "ActionsEnabled"]
    else:
        related = {name for name, alarm in composites.items() if base.name in names(alarm["AlarmRule"])}
        kept = ["AlarmName", "AlarmArn"]
    found = alarms.described(lambda alarm: alarm.name in related)
    brief = [({key: alarm[key] for key in kept}, alarm["AlarmName"] in composites) for alarm in found]
    return {
        "CompositeAlarms": [alarm for alarm, composite in brief if composite],
        "MetricAlarms": [alarm for alarm, composite in brief if not composite],
    }


@operation("cloudwatch", "DescribeAlarmsForMetric", locked=False)
def describe_alarms_for_metric(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    metric = metric_of(params)
    alike = ("Statistic", "ExtendedStatistic", "Period", "Unit")

    def wanted(alarm: Alarm) -> bool:
        settings = alarm.settings
        stats = [query["MetricStat"] for query in settings.get("Metrics") or () if query.get("MetricStat")]
        if stats:
            return any(metric_of(stat["Metric"]) == metric for stat in stats)
        return (
            alarm.kind == METRIC
            and metric_of(settings) == metric
            and all(params.get(name) in (None, settings.get(name)) for name in alike)
        )

    return {"MetricAlarms": _alarms(cloud).described(wanted)}


@operation("cloudwatch", "DescribeAlarmHistory", locked=False)
def describe_alarm_history(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    most = params.get("MaxRecords") or PAGE
    refused = AwsError("InvalidNextToken", "The NextToken is not one that this operation gave")
    skipped = paging.position(params.get("NextToken"), refused)
    items = cloud.part(Metrics).store.history(
        alarm=params.get("AlarmName"),
        types=params.get("AlarmTypes") or [METRIC],
        kind=params.get("HistoryItemType"),
        start=seconds(params["StartDate"]) if params.get("StartDate") else 0.0,
        end=seconds(params["EndDate"]) if params.get("EndDate") else cloud.now().timestamp() + 1,
        newest_first=params.get("ScanBy", "TimestampDescending") == "TimestampDescending",
        limit=most + 1,
        offset=skipped,
    )
    answer: dict[str, Any] = {
        "AlarmHistoryItems": [
            {
                "AlarmName": item.alarm,
                "AlarmType": item.alarm_type,
                "Timestamp": datetime.fromtimestamp(item.at, UTC),
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": item.data,
            }
            for item in items[:most]
        ]
    }
    if len(items) > most:
        answer["NextToken"] = paging.token_of(skipped + most)
    return answer


@operation("cloudwatch", "SetAlarmState", locked=False)
def set_alarm_state(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    data = call.params.get("StateReasonData") or ""
    if data:
        try:
            json.loads(data)
        except ValueError as error:
            raise AwsError("InvalidFormat", f"StateReasonData is not valid JSON: {error}") from error
    _alarms(cloud).set_state(call.params["AlarmName"], call.params["StateValue"], call.params["StateReason"], data)
    return {}


@operation("cloudwatch", "EnableAlarmActions", locked=False)
def enable_alarm_actions(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).enable(call.params["AlarmNames"], enabled=True)
    return {}


@operation("cloudwatch", "DisableAlarmActions", locked=False)
def disable_alarm_actions(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).enable(call.params["AlarmNames"], enabled=False)
    return {}


@operation("cloudwatch", "TagResource", locked=False)
def tag_resource(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).tag(call.params["ResourceARN"], {tag["Key"]: tag["Value"] for tag in call.params["Tags"]})
    return {}


@operation("cloudwatch", "UntagResource", locked=False)
def untag_resource(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).tag(call.params["ResourceARN"], remove=call.params["TagKeys"])
    return {}


@operation("cloudwatch", "ListTagsForResource", locked=False)
def list_tags_for_resource(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    tags = _alarms(cloud).tag(call.params["ResourceARN"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}
