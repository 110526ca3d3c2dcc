"""Log events as they come: by StartLiveTail, and where that can't be had, by asking FilterLogEvents again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

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
Key: TypeAlias = tuple[str, str, datetime | None, str]


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
    shown = _Shown(since or datetime.now(UTC))
    if since:
        yield from shown.newest(aws, tail)
    if len(tail.groups) > MOST_GROUPS:
        note(f"Live Tail takes {MOST_GROUPS} log groups; all {len(tail.groups)} are asked every {POLL:g} s instead.")
    else:
        while not until():
            try:
                yield from _live(aws, tail, shown, note, until)
            except (AccessDenied, AwsRefused) as error:
                note(f"Live Tail can't be had ({error.message}) The log groups are asked every {POLL:g} s instead.")
                break
            except Unreachable as error:
                note(f"{error.message} It is started again.")
    while not until():
        yield from shown.newest(aws, tail)
        if not until():
            time.sleep(POLL)


def _live(
    aws: Gateway, tail: Tail, shown: _Shown, note: Callable[[str], None], until: Callable[[], bool]
) -> Iterator[LogEvent]:
    """One session, of three hours at most. AWS sends an update each second, also of nothing. Once it has begun, what
    came between the last that was seen and its start is asked for."""
    wanted: dict[str, Any] = {"logGroupIdentifiers": list(tail.groups.values())}
    if tail.pattern:
        wanted["logEventFilterPattern"] = tail.pattern
    stream = aws.client("logs").start_live_tail(**wanted)["responseStream"]
    is_said = False
    for event in events_in(stream, "Live Tail"):
        if "sessionStart" in event:
            try:
                yield from shown.newest(aws, tail)
            except (AccessDenied, AwsRefused) as error:
                note(f"What came just before can't be asked for: {error.message}")
        update = event.get("sessionUpdate", {})
        if update.get("sessionMetadata", {}).get("sampled") and not is_said:
            note("There are more than 500 events a second, so Live Tail shows a part of them.")
            is_said = True
        for record in update.get("sessionResults", ()):
            group = str(record.get("logGroupIdentifier", "")).rpartition(":")[2]
            if shown.is_new_of(one := _event(record, group), shown.by_session):
                yield one
        shown.heard = datetime.now(UTC)
        if until():
            return


@dataclass(slots=True)
class _Shown:
    """What was shown, by a session or by a question: the same event comes by both, and only a question has its id."""

    heard: datetime
    """Up to when everything was seen; a question goes back behind it as far as events come late."""
    begin: datetime = field(init=False)
    ids: dict[str, None] = field(default_factory=dict)
    """Of events that a question gave."""
    by_session: dict[Key, int] = field(default_factory=dict)
    by_question: dict[Key, int] = field(default_factory=dict)
    times: dict[Key, int] = field(default_factory=dict)
    """How often an event of this group, stream, time and text was shown."""

    def __post_init__(self) -> None:
        self.begin = self.heard

    def newest(self, aws: Gateway, tail: Tail) -> Iterator[LogEvent]:
        """What FilterLogEvents has and wasn't shown."""
        start, now = max(self.begin, self.heard - LATE), datetime.now(UTC)
        found = [pair for group in tail.groups for pair in _filtered(aws, group, tail.pattern, start)]
        for event, identity in sorted(found, key=lambda pair: pair[0].at or start):
            if identity not in self.ids:
                self.ids[identity] = None
                if self.is_new_of(event, self.by_question):
                    yield event
        self.heard = now
        for known in (self.ids, self.by_session, self.by_question, self.times):
            for each in list(known)[: max(0, len(known) - REMEMBERED)]:
                del known[each]  # type: ignore[arg-type]  # each is a key of just this one

    def is_new_of(self, event: LogEvent, counts: dict[Key, int]) -> bool:
        """Whether it is one more than was shown, as this way (``counts``) counts events that are alike."""
        key = (event.source, event.stream, event.at, event.message)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= self.times.get(key, 0):
            return False
        self.times[key] = counts[key]
        return True


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
