"""CloudTrail: LookupEvents, answered from the call log. Trails themselves are moto's records, mended here.

Only management events are looked up, as in AWS: reading an object, taking a message or putting a metric isn't one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.front import moto_calls
from localcloud.front.call_log import CallLog, Record

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

DATA_EVENTS: dict[str, tuple[str, ...]] = {
    "cloudwatch": ("PutMetricData", "GetMetricData", "GetMetricWidgetImage"),
    "dynamodb": ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"),
    "logs": ("PutLogEvents", "GetLogEvents", "FilterLogEvents"),
    "s3": ("GetObject", "PutObject", "DeleteObject", "DeleteObjects", "HeadObject", "CopyObject", "UploadPart",
           "ListObjects", "ListObjectsV2", "CompleteMultipartUpload", "CreateMultipartUpload"),
    "sns": ("Publish", "PublishBatch"),
    "sqs": ("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
            "ChangeMessageVisibility"),
}  # fmt: skip
"""Operations that CloudTrail counts as data events, by service."""

SOURCES = {"elbv2": "elasticloadbalancing", "cloudwatch": "monitoring", "resourcegroupstaggingapi": "tagging"}
"""Event sources that differ from botocore's service name."""

COLUMNS = {"EventName": "operation", "Username": "user_name", "AccessKeyId": "access_key", "EventId": "request_id"}
MAX_RESULTS = 50


def _conditions(call: Call) -> tuple[str, list[Any]]:
    """SQL over the call log: columns are ours, values of the request go in as parameters."""
    conditions, values = ["1"], list[Any]()
    for service, operations in DATA_EVENTS.items():
        conditions.append(f"not (service = ? and operation in ({','.join('?' * len(operations))}))")
        values += [service, *operations]
    attributes = call.params.get("LookupAttributes", [])
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "Only one lookup attribute can be given.")
    for attribute in attributes:
        key, value = attribute["AttributeKey"], attribute["AttributeValue"]
        if key in COLUMNS:
            conditions.append(f"{COLUMNS[key]} = ?")
            values.append(value)
        elif key == "ReadOnly":
            conditions.append("read_only = ?")
            values.append(int(value.lower() == "true"))
        elif key == "EventSource":
            named = {f"{source}.amazonaws.com": service for service, source in SOURCES.items()}
            conditions.append("service = ?")
            values.append(named.get(value, value.removesuffix(".amazonaws.com")))
        elif key == "ResourceName":
            conditions.append("id in (select call from resources where name = ?)")
            values.append(value)
        else:
            raise AwsError("InvalidLookupAttributesException", f"localcloud can't look up by {key}.")
    for name, comparison in (("StartTime", "at >= ?"), ("EndTime", "at <= ?")):
        if name in call.params:
            conditions.append(comparison)
            values.append(call.params[name].timestamp())
    return " and ".join(conditions), values


@operation("cloudtrail", "LookupEvents", locked=False)
def lookup_events(cloud: Cloud, call: Call) -> Answer:
    """Newest first, 50 a page. AWS shows a call after some minutes; here at once."""
    start, end = call.params.get("StartTime"), call.params.get("EndTime")
    if start and end and start > end:
        raise AwsError("InvalidTimeRangeException", "StartTime is after EndTime.")
    limit = min(int(call.params.get("MaxResults", MAX_RESULTS)), MAX_RESULTS)
    offset, until = _position(call)
    conditions, values = _conditions(call)
    # The page after the first must not shift when new calls arrive: it looks no further than the first one did.
    values.append(until)
    found = list(cloud.part(CallLog).search(f"{conditions} and at <= ?", values, limit + 1, offset))
    answer: dict[str, Any] = {"Events": [_event(cloud, record) for record in found[:limit]]}
    if len(found) > limit:
        answer["NextToken"] = f"{offset + limit}:{until!r}"
    return answer


def _position(call: Call) -> tuple[int, float]:
    token = call.params.get("NextToken")
    if token is None:
        return 0, call.at.timestamp()
    try:
        offset, _, until = token.partition(":")
        return int(offset), float(until)
    except ValueError as problem:
        raise AwsError("InvalidNextTokenException", "The NextToken isn't one that LookupEvents gave.") from problem


def _event(cloud: Cloud, record: Record) -> dict[str, Any]:
    source = f"{SOURCES.get(record.service, record.service)}.amazonaws.com"
    identity = {
        "type": record.user_kind,
        "arn": record.principal,
        "accountId": cloud.settings.account,
        "accessKeyId": record.access_key,
        "userName": record.user_name,
    }
    event: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": record.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": record.operation,
        "awsRegion": record.region,
        "sourceIPAddress": record.source_ip,
        "userAgent": record.user_agent,
        "requestParameters": json.loads(record.params) or None,
        "responseElements": None,
        "requestID": record.request_id,
        "eventID": record.request_id,
        "readOnly": bool(record.read_only),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": cloud.settings.account,
        "eventCategory": "Management",
    }
    if record.error_code:
        event["errorCode"] = record.error_code
        event["errorMessage"] = record.error_message
    if record.event:
        event |= json.loads(record.event)
        source = str(event["eventSource"])
    return {
        "EventId": record.request_id,
        "EventName": record.operation,
        "ReadOnly": "true" if record.read_only else "false",
        "AccessKeyId": record.access_key,
        "EventTime": record.at,
        "EventSource": source,
        "Username": record.user_name,
        "Resources": [{"ResourceName": name} for name in record.resources],
        "CloudTrailEvent": json.dumps(event),
    }


def _by_name(cloud: Cloud, call: Call) -> Answer:
    """moto knows trails by name only; AWS takes an ARN just as well."""
    params = {
        key: value.rsplit("/", 1)[-1] if key in ("Name", "TrailName") else value for key, value in call.params.items()
    }
    if "trailNameList" in params:
        params["trailNameList"] = [name.rsplit("/", 1)[-1] for name in params["trailNameList"]]
    return moto_calls.ask(cloud, call.service, call.operation, params, call.region)


for _name in (
    "DescribeTrails",
    "GetTrail",
    "GetTrailStatus",
    "StartLogging",
    "StopLogging",
    "UpdateTrail",
    "DeleteTrail",
    "PutEventSelectors",
    "GetEventSelectors",
    "PutInsightSelectors",
    "GetInsightSelectors",
):
    operation("cloudtrail", _name)(_by_name)
