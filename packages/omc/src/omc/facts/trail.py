"""Who made a change, as CloudTrail tells it: minutes late, for 90 days, and only if its event is looked up by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.aws.reads import is_read
from omc.errors import OmcError

PAGES = 4
"""Of fifty events each: AWS answers two calls a second."""
GLOBAL_REGION = "us-east-1"
"""Where IAM's calls are recorded in AWS's standard partition, whatever region they are about."""
LATE = "CloudTrail doesn't say (it is some minutes late, and keeps 90 days)"


@dataclass(frozen=True, slots=True)
class Author:
    """Who called, and when; without a moment ``who`` says why it isn't known."""

    who: str
    at: datetime | None = None


NOBODY = Author("who is unknown")


class Trail:
    """CloudTrail, asked for each operation once."""

    def __init__(self, aws: Gateway) -> None:
        self._aws = aws
        self._events: dict[str, list[Mapping[str, Any]]] = {}

    def author(self, events: tuple[str, ...], *mentions: str) -> Author:
        """The newest successful call of one of these operations whose parameters name all of ``mentions``.

        It is an answer beside another, so an error here becomes a word in that one and never ends it.
        """
        try:
            found = [event for name in events for event in self._of(name) if _names(event, mentions)]
            if found:
                newest = max(found, key=time_of)
                return Author(caller_of(newest), time_of(newest))
        except OmcError as error:
            return Author(f"who is unknown: {error.message.rstrip('.')}")
        except (KeyError, TypeError, ValueError):
            return Author("who is unknown: CloudTrail's answer can't be read")
        if any(name.endswith("RolePolicy") for name in events) and self._aws.environment.region != GLOBAL_REGION:
            return Author(f"who is unknown: CloudTrail records IAM's calls in {GLOBAL_REGION}")
        return Author(f"who is unknown: {LATE}")

    def last_call(self, *names: str) -> Author:
        """The newest successful change of something that goes by one of these names, whatever it changed."""
        try:
            for name in names:
                response = self._aws.client("cloudtrail").lookup_events(
                    LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}]
                )
                for event in response["Events"]:
                    payload = json.loads(event["CloudTrailEvent"])
                    if not payload.get("errorCode") and not payload.get("readOnly"):
                        return Author(f"{caller_of(payload)} by {payload['eventName']}", time_of(payload))
        except OmcError as error:
            return Author(f"who is unknown: {error.message.rstrip('.')}")
        except (KeyError, TypeError, ValueError):
            return Author("who is unknown: CloudTrail's answer can't be read")
        return Author(f"who is unknown: {LATE}")

    def _of(self, name: str) -> list[Mapping[str, Any]]:
        if name not in self._events:
            self._events[name] = list(_events(self._aws, name))
        return self._events[name]


def _events(aws: Gateway, name: str) -> Iterator[Mapping[str, Any]]:
    client = aws.client("cloudtrail")
    more: dict[str, str] = {}
    for _ in range(PAGES):
        response = client.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}], **more
        )
        for event in response["Events"]:
            payload = json.loads(event["CloudTrailEvent"])
            if not payload.get("errorCode"):
                yield payload
        if not response.get("NextToken"):
            return
        more = {"NextToken": response["NextToken"]}


def _names(event: Mapping[str, Any], mentions: tuple[str, ...]) -> bool:
    messages = {
        text.lower() for side in ("requestParameters", "responseElements") for text in texts_of(event.get(side))
    }
    wanted = [each.lower() for each in mentions]
    return all(any(text == each or text.endswith((f":{each}", f"/{each}")) for text in messages) for each in wanted)


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif value is not None:
        yield str(value)


def caller_of(event: Mapping[str, Any]) -> str:
    """Who made a call. A session's name is chosen by its bearer, so the role stands beside it."""
    identity = event.get("userIdentity") or {}
    resource = str(identity.get("arn", "")).rpartition(":")[2]
    kind, _, rest = resource.partition("/")
    source = (identity.get("sessionContext") or {}).get("sourceIdentity") or identity.get("sourceIdentity")
    if kind == "assumed-role":
        role, _, session = rest.partition("/")
        return f"{source or session} (role {role})"
    if identity.get("type") == "Root" or resource == "root":
        return "the account's root user"
    return str(identity.get("userName") or identity.get("invokedBy") or rest or "somebody whom CloudTrail doesn't name")


def time_of(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(event["eventTime"])).astimezone(UTC)


def is_reading(event: Mapping[str, Any]) -> bool:
    """Whether a call only read: CloudTrail calls some readings writes, such as the start of a query."""
    service = str(event.get("eventSource", "")).partition(".")[0]
    return is_read({"monitoring": "cloudwatch"}.get(service, service), str(event.get("eventName", "")))
