"""Pages of events in order of time, from the hot tail in memory and the sealed segments: what GetLogEvents,
FilterLogEvents and GetLogRecord read with. Insights' queries don't come here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from localcloud.services.logs.definitions import Group
from localcloud.services.logs.pattern_parser import parse_pattern
from localcloud.services.logs.store import Event, GroupStore, Segment, Store
from localcloud.services.logs.work import WorkerProcess

PAGE_BYTES = 1024 * 1024
PORTION = 50_000
"""Sealed events that one page looks at; ten times as many where the store can sieve by a text."""
FAR = 2**62
"""Later than any event, in milliseconds and as a sequence number."""

Position = tuple[int, int]
"""Where an event stands in a group: its time and its sequence number."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which events of a group are wanted. Times in milliseconds, both ends in."""

    start: int = 0
    end: int = FAR
    after: Position | None = None
    """Go on behind this place, in the direction asked for."""
    limit: int = 10_000
    descending: bool = False
    streams: frozenset[str] | None = None
    prefix: str = ""
    pattern: str = ""

    def wants(self, event: Event, hidden: dict[str, int]) -> bool:
        """All but the pattern, which costs more."""
        if self.after is not None:
            place = (event.at, event.sequence)
            if (place >= self.after) if self.descending else (place <= self.after):
                return False
        if self.streams is not None and event.stream not in self.streams:
            return False
        return event.stream.startswith(self.prefix) and event.sequence > hidden.get(event.stream, 0)


@dataclass(frozen=True, slots=True)
class Page:
    events: list[Event]
    reached: Position | None
    """Where the next page begins, or None where there is none."""


def read_page(
    store: Store, workshop: WorkerProcess, group: Group, question: Question, *, portion_size: int = PORTION
) -> Page:
    """The next events. A page may be partly full though more follow, as AWS's may: segments are scanned in portions."""
    with store.reading():
        held: GroupStore = store.open(group.identity)
        view = held.view(question.start, question.end)
        pattern = parse_pattern(question.pattern)
        hidden = dict(group.hidden)
        segments, portion = _portion(view.segments, question, portion_size * (10 if pattern.literals() else 1))
        events = [
            event
            for event in view.events
            if portion.start <= event.at <= portion.end
            and question.wants(event, hidden)
            and pattern.extract(event.message) is not None
        ]
        scanned, reached = _scan(workshop, [str(each.path) for each in segments], portion, hidden)
        if reached is None and portion != question:
            reached = (portion.start, -1) if question.descending else (portion.end, FAR)
    events.extend(scanned)
    events.sort(key=_place, reverse=question.descending)
    if reached is not None:
        # What lies behind the place that the scan reached may have neighbours that nobody has looked at yet.
        events = [
            event for event in events if (_place(event) >= reached if question.descending else _place(event) <= reached)
        ]
    kept = _fitting(events, question.limit)
    if len(kept) < len(events):
        reached = _place(kept[-1])
    return Page(kept, reached)


def _portion(segments: Sequence[Segment], question: Question, events: int) -> tuple[list[Segment], Question]:
    """The segments to scan now, about ``events`` of them, and the question narrowed to the time that they cover.

    Each page would otherwise sort all that is left, again and again. The narrowed time always reaches beyond where
    the question begins, so that pages end.
    """
    down = question.descending
    here = question.after[0] if question.after else (question.end if down else question.start)
    left = [each for each in segments if (each.first <= here if down else each.last >= here)]
    left.sort(key=lambda each: -each.last if down else each.first)
    for place, each in enumerate(left[1:], 1):
        if sum(one.events for one in left[:place]) < events:
            continue
        if down and each.last < min(here, left[0].last) - 1:
            return left[:place], replace(question, start=each.last + 1)
        if not down and each.first > max(here, left[0].first) + 1:
            return left[:place], replace(question, end=each.first - 1)
    return left, question


def _place(event: Event) -> Position:
    return event.at, event.sequence


def _scan(
    workshop: WorkerProcess, segments: Sequence[str], question: Question, hidden: dict[str, int]
) -> tuple[list[Event], Position | None]:
    if not segments:
        return [], None
    answer = workshop.ask(
        {
            "do": "scan",
            "segments": segments,
            "start": question.start,
            "end": question.end,
            "after": question.after,
            "descending": question.descending,
            "streams": None if question.streams is None else sorted(question.streams),
            "prefix": question.prefix,
            "pattern": question.pattern,
            "limit": question.limit,
            "hidden": hidden,
        }
    )
    reached = answer["reached"]
    return [Event(*row) for row in answer["events"]], (reached[0], reached[1]) if reached else None


def _fitting(events: list[Event], limit: int) -> list[Event]:
    """As many as a page holds, at least one."""
    size = 0
    for place, event in enumerate(events[:limit]):
        size += len(event.message)
        if size > PAGE_BYTES and place:
            return events[:place]
    return events[:limit]
