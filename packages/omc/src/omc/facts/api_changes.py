"""What was changed in the account lately, by anybody and any tool, as CloudTrail tells it: some minutes late."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.scope import Scope
from omc.facts.trail import caller_of, is_reading, time_of

PAGES = 2
"""Of fifty events each, the newest: AWS answers two calls a second."""
ROUTINE = frozenset(
    {
        *("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetAuthorizationToken", "ConsoleLogin"),
        *("CreateLogStream", "PutLogEvents", "RegisterTargets", "DeregisterTargets", "Decrypt", "GenerateDataKey"),
        *("CreateNetworkInterface", "DeleteNetworkInterface", "SubmitTaskStateChange", "SubmitContainerStateChange"),
    }
)
"""Writes that CloudTrail counts as changes and that a running stack makes by itself."""


@dataclass(frozen=True, slots=True)
class ApiChange:
    """One call that changed something, or tried to."""

    at: datetime
    service: str
    """``ecs``."""
    operation: str
    who: str
    error: str = ""
    """AWS's word for why it changed nothing."""


@dataclass(frozen=True, slots=True)
class ApiChanges:
    """The newest first."""

    changes: tuple[ApiChange, ...]
    reading: Reading = NO_READING


@reads
def read_api_changes(aws: Gateway, scope: Scope) -> ApiChanges:
    """The changes within the scope, as far as two pages of events have them."""
    client = aws.client("cloudtrail")
    found: list[ApiChange] = []
    more: dict[str, str] = {}
    for _ in range(PAGES):
        response = client.lookup_events(
            LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
            StartTime=scope.now - scope.since,
            EndTime=scope.now,
            **more,
        )
        for each in response["Events"]:
            event = json.loads(each["CloudTrailEvent"])
            if event.get("readOnly") or is_reading(event) or event.get("eventName") in ROUTINE:
                continue
            service = str(event.get("eventSource", "")).removesuffix(".amazonaws.com")
            found.append(
                ApiChange(
                    time_of(event).astimezone(UTC),
                    service,
                    str(event.get("eventName", "")),
                    caller_of(event),
                    str(event.get("errorCode") or ""),
                )
            )
        if not response.get("NextToken"):
            break
        more = {"NextToken": response["NextToken"]}
    return ApiChanges(tuple(sorted(found, key=lambda change: change.at, reverse=True)))
