"""What the API handlers of CloudWatch Logs share: names and ARNs, look-ups with AWS's errors, paging, event ids."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from localcloud.core import paging
from localcloud.core.cloud import Cloud
from localcloud.core.registry import AwsError, Call
from localcloud.services.logs.component import Logs
from localcloud.services.logs.definitions import Group
from localcloud.services.logs.pattern_parser import parse_pattern
from localcloud.services.logs.patterns import FilterPattern, PatternError

GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
STREAM_NAME = re.compile(r"[^:*]{1,512}")

T = TypeVar("T")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def missing(what: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified {what} does not exist.")


def component(cloud: Cloud) -> Logs:
    return cloud.part(Logs)


def arn(cloud: Cloud, group: str) -> str:
    """A group's ARN as DescribeLogGroups gives ``logGroupArn``; ``arn`` has ``:*`` after it."""
    return cloud.settings.arn("logs", f"log-group:{group}")


def group_name(identifier: str) -> str:
    """The name in a group's name or ARN (with or without ``:*``)."""
    found = re.fullmatch(r"arn:aws[\w\-]*:logs:[\w\-]+:\d{12}:log-group:([^:]+)(:\*)?", identifier)
    if identifier.startswith("arn:") and found is None:
        raise invalid(f"{identifier} is not the ARN of a log group")
    return found.group(1) if found else identifier


def find_group(cloud: Cloud, params: Mapping[str, Any]) -> Group:
    """The group that a call means by name or identifier."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    return group_named(cloud, group_name(name or identifier or ""))


def group_named(cloud: Cloud, name: str) -> Group:
    logs = component(cloud)
    with logs.lock:
        found = logs.groups.get(name)
    if found is None:
        raise missing("log group")
    return found


def pattern_of(text: str) -> FilterPattern:
    try:
        return parse_pattern(text)
    except PatternError as error:
        raise invalid(str(error)) from error


def paged(items: Sequence[T], call: Call, key: str, default: int, limit_name: str = "limit") -> dict[str, Any]:
    """One page of a list under ``key``, with a ``nextToken`` where more follows."""
    size, refused = int(call.params.get(limit_name) or default), invalid("The specified nextToken is invalid.")
    shown, following = paging.page(items, call.params.get("nextToken"), size, refused)
    return {key: shown} | ({"nextToken": following} if following else {})


def token(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode()


def token_data(text: str | None, default: Any) -> Any:
    """What ``token`` was made of. ``InvalidParameterException`` for what we never gave."""
    if text is None:
        return default
    try:
        return json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error) as error:
        raise invalid("The specified nextToken is invalid.") from error


def event_id(at: int, sequence: int) -> str:
    """56 digits that sort as the events do, and from which nothing else may be read."""
    return f"{at:020d}{sequence:036d}"
