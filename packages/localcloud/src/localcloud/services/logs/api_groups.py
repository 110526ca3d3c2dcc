"""The API of log groups and streams: create, describe, retention, keys, tags, deletion protection, policies."""

from __future__ import annotations

import re
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.logs.component import now
from localcloud.services.logs.definitions import RETENTION_DAYS, Group, ResourcePolicy, Stream
from localcloud.services.logs.shared import (
    GROUP_NAME,
    STREAM_NAME,
    arn,
    component,
    find_group,
    group_name,
    group_named,
    invalid,
    missing,
    paged,
)

MAX_POLICIES = 10


@operation("logs", "CreateLogGroup", locked=False)
def create_log_group(cloud: Cloud, call: Call) -> Answer:
    name = call.params["logGroupName"]
    if not GROUP_NAME.fullmatch(name):
        raise invalid(f"{name!r} is no name for a log group: letters, digits, and _ - / . # may be used, up to 512.")
    logs = component(cloud)
    with logs.lock:
        if name in logs.groups:
            raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")
        logs.make_group(
            name,
            kms_key=call.params.get("kmsKeyId"),
            group_class=call.params.get("logGroupClass", "STANDARD"),
            protected=call.params.get("deletionProtectionEnabled", False),
            tags=dict(call.params.get("tags", {})),
        )
    return {}


@operation("logs", "DeleteLogGroup", locked=False)
def delete_log_group(cloud: Cloud, call: Call) -> Answer:
    group = find_group(cloud, call.params)
    if group.protected:
        raise AwsError(
            "ValidationException",
            f"The log group {group.name} has deletion protection: switch it off with PutLogGroupDeletionProtection.",
        )
    component(cloud).drop_group(group.name)
    return {}


@operation("logs", "DescribeLogGroups", locked=False)
def describe_log_groups(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    if prefix is not None and pattern is not None:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    identifiers = params.get("logGroupIdentifiers")
    wanted = None if identifiers is None else {group_name(each) for each in identifiers}
    logs = component(cloud)
    with logs.lock:
        groups = [
            group
            for name, group in sorted(logs.groups.items())
            if name.startswith(prefix or "")
            and (pattern or "") in name
            and (wanted is None or name in wanted)
            and params.get("logGroupClass", group.group_class) == group.group_class
        ]
    return paged([_described(cloud, group) for group in groups], call, "logGroups", 50)


@operation("logs", "ListLogGroups", locked=False)
def list_log_groups(cloud: Cloud, call: Call) -> Answer:
    wanted = re.compile(call.params.get("logGroupNamePattern", ""))
    logs = component(cloud)
    with logs.lock:
        groups = [group for name, group in sorted(logs.groups.items()) if wanted.search(name)]
    found = [
        {"logGroupName": group.name, "logGroupArn": arn(cloud, group.name), "logGroupClass": group.group_class}
        for group in groups
        if call.params.get("logGroupClass", group.group_class) == group.group_class
    ]
    return paged(found, call, "logGroups", 50)


def _described(cloud: Cloud, group: Group) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "logGroupName": group.name,
        "creationTime": group.created,
        "metricFilterCount": len(group.metric_filters),
        "arn": f"{arn(cloud, group.name)}:*",
        "logGroupArn": arn(cloud, group.name),
        "storedBytes": component(cloud).size(group),
        "logGroupClass": group.group_class,
        "deletionProtectionEnabled": group.protected,
    }
    if group.retention is not None:
        answer["retentionInDays"] = group.retention
    if group.kms_key is not None:
        answer["kmsKeyId"] = group.kms_key
    return answer


@operation("logs", "PutRetentionPolicy", locked=False)
def put_retention_policy(cloud: Cloud, call: Call) -> Answer:
    days = call.params["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise invalid(f"retentionInDays is {days}, and must be one of {', '.join(map(str, RETENTION_DAYS))}.")
    find_group(cloud, call.params).retention = days
    return {}


@operation("logs", "DeleteRetentionPolicy", locked=False)
def delete_retention_policy(cloud: Cloud, call: Call) -> Answer:
    find_group(cloud, call.params).retention = None
    return {}


@operation("logs", "PutLogGroupDeletionProtection", locked=False)
def put_log_group_deletion_protection(cloud: Cloud, call: Call) -> Answer:
    find_group(cloud, call.params).protected = call.params["deletionProtectionEnabled"]
    return {}


@operation("logs", "AssociateKmsKey", locked=False)
def associate_kms_key(cloud: Cloud, call: Call) -> Answer:
    _keyed(cloud, call).kms_key = call.params["kmsKeyId"]
    return {}


@operation("logs", "DisassociateKmsKey", locked=False)
def disassociate_kms_key(cloud: Cloud, call: Call) -> Answer:
    _keyed(cloud, call).kms_key = None
    return {}


def _keyed(cloud: Cloud, call: Call) -> Group:
    resource = call.params.get("resourceIdentifier")
    if resource is None:
        return find_group(cloud, call.params)
    if resource.endswith(":query-result:*"):
        raise invalid("localcloud does not encrypt query results; give a log group.")
    return group_named(cloud, group_name(resource))


# tags


def _tagged(cloud: Cloud, call: Call) -> Group:
    resource = call.params.get("resourceArn")
    if resource is None:
        return find_group(cloud, call.params)
    if ":log-group:" not in resource:
        raise missing("resource")
    return group_named(cloud, group_name(resource))


def _tag(cloud: Cloud, call: Call) -> Answer:
    _tagged(cloud, call).tags.update(call.params["tags"])
    return {}


def _untag(cloud: Cloud, call: Call) -> Answer:
    tags = _tagged(cloud, call).tags
    for key in call.params.get("tagKeys") or call.params.get("tags") or ():
        tags.pop(key, None)
    return {}


def _list_tags(cloud: Cloud, call: Call) -> Answer:
    return {"tags": dict(_tagged(cloud, call).tags)}


for _name, _handler in {
    "TagResource": _tag,
    "TagLogGroup": _tag,
    "UntagResource": _untag,
    "UntagLogGroup": _untag,
    "ListTagsForResource": _list_tags,
    "ListTagsLogGroup": _list_tags,
}.items():
    operation("logs", _name, locked=False)(_handler)


# streams


@operation("logs", "CreateLogStream", locked=False)
def create_log_stream(cloud: Cloud, call: Call) -> Answer:
    group, name = find_group(cloud, call.params), call.params["logStreamName"]
    if not STREAM_NAME.fullmatch(name):
        raise invalid(f"{name!r} is no name for a log stream: neither : nor * may be used, up to 512 characters.")
    logs = component(cloud)
    with logs.lock:
        if name in group.streams:
            raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")
        logs.stream(group, name)
    return {}


@operation("logs", "DeleteLogStream", locked=False)
def delete_log_stream(cloud: Cloud, call: Call) -> Answer:
    group, name = find_group(cloud, call.params), call.params["logStreamName"]
    logs = component(cloud)
    with logs.lock:
        if name not in group.streams:
            raise missing("log stream")
        logs.drop_stream(group, name)
    return {}


@operation("logs", "DescribeLogStreams", locked=False)
def describe_log_streams(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    group, by_time = find_group(cloud, params), params.get("orderBy") == "LastEventTime"
    prefix = params.get("logStreamNamePrefix")
    if by_time and prefix is not None:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    with component(cloud).lock:
        streams = [stream for name, stream in sorted(group.streams.items()) if name.startswith(prefix or "")]
        if by_time:
            streams.sort(key=lambda stream: stream.last or 0)
        if params.get("descending"):
            streams.reverse()
        found = [_described_stream(cloud, group, stream) for stream in streams]
    return paged(found, call, "logStreams", 50)


def _described_stream(cloud: Cloud, group: Group, stream: Stream) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": f"{arn(cloud, group.name)}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS: "As of June 17, 2019, this parameter is no longer supported for log streams"
    }
    if stream.last is not None:
        answer["firstEventTimestamp"] = stream.first
        answer["lastEventTimestamp"] = stream.last
        answer["lastIngestionTime"] = stream.ingested
        answer["uploadSequenceToken"] = f"{stream.ingested:056d}"
    return answer


# resource policies


@operation("logs", "PutResourcePolicy", locked=False)
def put_resource_policy(cloud: Cloud, call: Call) -> Answer:
    name, document = call.params.get("policyName"), call.params.get("policyDocument")
    if not name or not document:
        raise invalid("localcloud keeps account policies: policyName and policyDocument must be given.")
    logs = component(cloud)
    with logs.lock:
        if name not in logs.policies and len(logs.policies) >= MAX_POLICIES:
            raise AwsError("LimitExceededException", f"Resource limit exceeded: {MAX_POLICIES} resource policies.")
        logs.policies[name] = ResourcePolicy(name, document, now())
        return {"resourcePolicy": _described_policy(logs.policies[name])}


@operation("logs", "DescribeResourcePolicies", locked=False)
def describe_resource_policies(cloud: Cloud, call: Call) -> Answer:
    logs = component(cloud)
    with logs.lock:
        found = [_described_policy(policy) for _, policy in sorted(logs.policies.items())]
    return paged(found, call, "resourcePolicies", 50)


@operation("logs", "DeleteResourcePolicy", locked=False)
def delete_resource_policy(cloud: Cloud, call: Call) -> Answer:
    logs = component(cloud)
    with logs.lock:
        if logs.policies.pop(call.params.get("policyName", ""), None) is None:
            raise AwsError("ResourceNotFoundException", "Policy with name does not exist.")
    return {}


def _described_policy(policy: ResourcePolicy) -> dict[str, Any]:
    return {"policyName": policy.name, "policyDocument": policy.document, "lastUpdatedTime": policy.updated}
