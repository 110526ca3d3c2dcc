"""What was changed in the last hours, and by whom: CloudTrail's newest writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import BUDGET, within
from omc.facts.scope import Scope
from omc.facts.trail import caller_of, is_reading, texts_of, time_of

HOURS = 3
"""How far back is looked."""
PAGES = 2
"""Of fifty events each, newest first: AWS answers two calls a second."""
BY_AWS = ".amazonaws.com"
"""How the name of a caller ends that is an AWS service doing what it always does."""


@dataclass(frozen=True, slots=True)
class Write:
    """One successful call that changed something."""

    at: datetime
    operation: str
    """``RevokeSecurityGroupIngress``."""
    who: str
    names: frozenset[str]
    """Every text of its parameters and its answer, in small letters: what it was about."""
    is_terraform: bool = False
    """Terraform made it, by what it calls itself."""

    def is_about(self, *things: str) -> bool:
        """Whether it names one of these: an id, a name, or an ARN that ends with it."""
        wanted = [thing.lower() for thing in things if thing]
        return any(name == each or name.endswith((f":{each}", f"/{each}")) for name in self.names for each in wanted)


@dataclass(frozen=True, slots=True)
class LastWrites:
    """Newest first. CloudTrail tells of a call some minutes after it was made, so the last minutes may be missing."""

    writes: tuple[Write, ...] = ()
    reading: Reading = NO_READING


@reads
def read_last_writes(aws: Gateway, scope: Scope) -> LastWrites:
    """At most two calls."""

    def read() -> LastWrites:
        return LastWrites(tuple(_writes(aws, scope.now)))

    return within(BUDGET, "CloudTrail's last writes", read)


def _writes(aws: Gateway, now: datetime) -> Iterator[Write]:
    client = aws.client("cloudtrail")
    more: dict[str, str] = {}
    for _ in range(PAGES):
        response = client.lookup_events(
            LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
            StartTime=now.replace(microsecond=0) - timedelta(hours=HOURS),
            EndTime=now.replace(microsecond=0) + timedelta(minutes=1),
            **more,
        )
        for event in response["Events"]:
            record = _said(event)
            if record and not record.get("errorCode") and not _is_by_aws(record) and not is_reading(record):
                yield Write(
                    time_of(record),
                    str(record.get("eventName", "")),
                    caller_of(record),
                    _names(record),
                    "terraform/" in str(record.get("userAgent", "")).lower(),
                )
        if not response.get("NextToken"):
            return
        more = {"NextToken": response["NextToken"]}


def _said(event: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        payload = json.loads(event["CloudTrailEvent"])
    except (KeyError, ValueError):
        return {}
    return payload if isinstance(payload, dict) and "eventTime" in payload else {}


def _is_by_aws(record: Mapping[str, Any]) -> bool:
    identity = record.get("userIdentity") or {}
    return identity.get("type") == "AWSService" or str(identity.get("invokedBy", "")).endswith(BY_AWS)


def _names(record: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        text.lower() for side in ("requestParameters", "responseElements") for text in texts_of(record.get(side))
    )
