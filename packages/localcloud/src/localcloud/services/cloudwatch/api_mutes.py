"""CloudWatch's operations on mute rules: parameters in botocore's shape in, its output shape out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import AwsError, Call, operation
from localcloud.services.cloudwatch.component import Metrics
from localcloud.services.cloudwatch.mutes import MuteRule, check

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.services.cloudwatch.alarms import Alarms

PAGE = 50


def _alarms(cloud: Cloud) -> Alarms:
    return cloud.part(Metrics).alarms


@operation("cloudwatch", "PutAlarmMuteRule", locked=False)
def put_alarm_mute_rule(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params, schedule = call.params, call.params["Rule"]["Schedule"]
    zone = schedule.get("Timezone") or "UTC"
    check(schedule["Expression"], schedule["Duration"], zone)
    rule = MuteRule(
        name=params["Name"],
        arn=cloud.settings.arn("cloudwatch", f"alarm-mute-rule:{params['Name']}"),
        description=params.get("Description") or "",
        expression=schedule["Expression"],
        duration=schedule["Duration"],
        zone=zone,
        alarms=tuple((params.get("MuteTargets") or {}).get("AlarmNames") or ()),
        start=params.get("StartDate"),
        expire=params.get("ExpireDate"),
        updated_at=cloud.now(),
    )
    _alarms(cloud).put_mute(rule)
    return {}


@operation("cloudwatch", "DeleteAlarmMuteRule", locked=False)
def delete_alarm_mute_rule(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    _alarms(cloud).delete_mute(call.params["AlarmMuteRuleName"])
    return {}


@operation("cloudwatch", "GetAlarmMuteRule", locked=False)
def get_alarm_mute_rule(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    name = call.params["AlarmMuteRuleName"].rpartition(":")[2]
    rule = next((each for each in _alarms(cloud).mutes() if each.name == name), None)
    if rule is None:
        raise AwsError("ResourceNotFoundException", f"Unable to find alarm mute rule {name}", 404)
    schedule = {"Expression": rule.expression, "Duration": rule.duration, "Timezone": rule.zone}
    return {
        "Name": rule.name,
        "Description": rule.description,
        "Rule": {"Schedule": schedule},
        "MuteTargets": {"AlarmNames": list(rule.alarms)},
        **({"StartDate": rule.start} if rule.start else {}),
        **_summary(cloud, rule),
    }


@operation("cloudwatch", "ListAlarmMuteRules", locked=False)
def list_alarm_mute_rules(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    params = call.params
    named, statuses = params.get("AlarmName"), params.get("Statuses")
    rules = [each for each in _alarms(cloud).mutes() if not named or named in each.alarms]
    found = [_summary(cloud, each) for each in sorted(rules, key=lambda rule: rule.name)]
    found = [each for each in found if not statuses or each["Status"] in statuses]
    refused = AwsError("InvalidNextToken", "The NextToken is not one that this operation gave")
    begin, most = paging.position(params.get("NextToken"), refused), params.get("MaxRecords") or PAGE
    answer: dict[str, Any] = {"AlarmMuteRuleSummaries": found[begin : begin + most]}
    if len(found) > begin + most:
        answer["NextToken"] = paging.token_of(begin + most)
    return answer


def _summary(cloud: Cloud, rule: MuteRule) -> dict[str, Any]:
    return {
        "AlarmMuteRuleArn": rule.arn,
        "Status": rule.status(cloud.now()),
        "MuteType": "ONE_TIME" if rule.expression.startswith("at(") else "RECURRING",
        "LastUpdatedTimestamp": rule.updated_at,
        **({"ExpireDate": rule.expire} if rule.expire else {}),
    }
