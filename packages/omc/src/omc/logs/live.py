"""Log events as they come: by StartLiveTail, and where that can't be had, by asking FilterLogEvents again and again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.aws.streams import events_in
from omc.errors import AccessDenied, AwsRefused, NotFound, Unreachable
from omc.logs.model import LogEvent

FOLLOWING: Final = frozenset({("logs", "StartLiveTail")})
"""What may be sent beside reads: a session that sends what comes, and keeps nothing."""
MOST_GROUPS: Final = 10
"""StartLiveTail takes so many."""
POLL: Final = 2.0
"""Seconds between two questions of FilterLogEvents; AWS allows ten a second in an account."""
LATE: Final = timedelta(seconds=20)
"""How much later than others an event may become visible to FilterLogEvents: it is asked so far back each time."""
REMEMBERED: Final = 50_000
"""Events that are known to have been shown, so that none is shown twice."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What is followed."""

    groups: Mapping[str, str]
    """Log groups to their ARNs."""
    pattern: str = ""
    """A filter pattern as CloudWatch Logs takes it."""


def groups_there(aws: Gateway, names: Sequence[str]) -> dict[str, str]:
    """Those of the log groups that exist, to their ARNs."""
    logs = aws.client("logs")

    def look(name: str) -> str:
        records = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        arns = [str(each.get("arn", "")) for each in records if each.get("logGroupName") == name]
        return arns[0].removesuffix(":*") if arns else ""

    found = dict(zip(names, parallel_map(look, names), strict=True))
    return {name: arn for name, arn in found.items() if arn}


def follow(
    aws: Gateway, tail: Tail, since: datetime | None, note: Callable[[str], None], until: Callable[[], bool]
) -> Generator[LogEvent, None, None]:
    """The events from ``since`` on, or from now, until ``until`` says so. ``note`` takes what a person should know."""
    begin = since or datetime.now(UTC)
    if since:
        yield from _earlier(aws, tail, since)
        begin = datetime.now(UTC)
    if len(tail.groups) > MOST_GROUPS:
        note(f"Live Tail takes {MOST_GROUPS} log groups; all {len(tail.groups)} are asked every {POLL:g} s instead.")
    else:
        while not until():
            try:
                yield from _live(aws, tail, note, until)
            except (AccessDenied, AwsRefused) as error:
                note(f"Live Tail can't be had ({error.message}) The log groups are asked every {POLL:g} s instead.")
                break
            except Unreachable as error:
                note(f"{error.message} It is started again.")
    yield from _polled(aws, tail, begin, until)


def _live(aws: Gateway, tail: Tail, note: Callable[[str], None], until: Callable[[], bool]) -> Iterator[LogEvent]:
    """One session, of three hours at most. AWS sends an update each second, also of nothing."""
    wanted: dict[str, Any] = {"logGroupIdentifiers": list(tail.groups.values())}
    if tail.pattern:
        wanted["logEventFilterPattern"] = tail.pattern
    stream = aws.client("logs").start_live_tail(**wanted)["responseStream"]
    is_said = False
    for event in events_in(stream, "Live Tail"):
        update = event.get("sessionUpdate", {})
        if update.get("sessionMetadata", {}).get("sampled") and not is_said:
            note("There are more than 500 events a second, so Live Tail shows a part of them.")
            is_said = True
        for record in update.get("sessionResults", ()):
            group = str(record.get("logGroupIdentifier", "")).rpartition(":")[2]
            yield _event(record, group)
        if until():
            return


def _earlier(aws: Gateway, tail: Tail, since: datetime) -> Iterator[LogEvent]:
    found = [event for group in tail.groups for event, _ in _filtered(aws, group, tail.pattern, since)]
    yield from sorted(found, key=lambda event: event.at or since)


def _polled(aws: Gateway, tail: Tail, begin: datetime, until: Callable[[], bool]) -> Iterator[LogEvent]:
    shown: set[str] = set()
    order: deque[str] = deque()
    while not until():
        start = max(begin, datetime.now(UTC) - LATE - timedelta(seconds=POLL))
        found: list[tuple[LogEvent, str]] = []
        for group in tail.groups:
            found += _filtered(aws, group, tail.pattern, start)
        for event, identity in sorted(found, key=lambda pair: pair[0].at or begin):
            if identity not in shown:
                shown.add(identity)
                order.append(identity)
                yield event
        while len(order) > REMEMBERED:
            shown.discard(order.popleft())
        if not until():
            time.sleep(POLL)


def _filtered(aws: Gateway, group: str, pattern: str, since: datetime) -> Iterator[tuple[LogEvent, str]]:
    wanted: dict[str, Any] = {"logGroupName": group, "startTime": int(since.timestamp() * 1000)}
    if pattern:
        wanted["filterPattern"] = pattern
    try:
        for page in aws.client("logs").get_paginator("filter_log_events").paginate(**wanted):
            for record in page["events"]:
                yield _event(record, group), f"{group} {record.get('eventId')}"
    except NotFound:
        return


def _event(record: Mapping[str, Any], group: str) -> LogEvent:
    at = datetime.fromtimestamp(record.get("timestamp", 0) / 1000, UTC)
    return LogEvent(at, group, str(record.get("logStreamName", "")), str(record.get("message", "")))
