"""What an environment's incidents say of how it goes: medians and whole distributions, since an average of times hides
the bad nights. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.incidents.events import ActionItem, AlertJoined, Paged, Reopened, StepSkipped, UpdateSkipped
from omc.incidents.incident import SEVERITIES, Incident
from omc.output.document import Document, Field, Fields, Paragraph, Row, Section, Table
from omc.responder.postmortem import Milestones, milestones
from omc.times import format_duration, format_time, iso, zone_named

NIGHT = (22, 7)
"""From this hour of the people's own clock to before that one."""
BUCKETS: tuple[tuple[str, timedelta], ...] = (
    ("5 min", timedelta(minutes=5)),
    ("15 min", timedelta(minutes=15)),
    ("30 min", timedelta(minutes=30)),
    ("1 h", timedelta(hours=1)),
    ("4 h", timedelta(hours=4)),
    ("24 h", timedelta(hours=24)),
)
BY_HAND = "opened by hand"
ENOUGH = 10
"""Times from which on "nine of ten" says anything: below, one more incident moves it to anywhere."""
MAX_LISTED = 5
"""Incidents that are listed by their length."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, each time."""

    times: tuple[timedelta, ...]
    """The shortest first."""
    missing: int = 0
    """How often it hasn't happened at all."""

    def quantile(self, share: float) -> timedelta | None:
        """So many of the times are no longer than this; the nearest of them that did occur."""
        if not self.times:
            return None
        return self.times[max(0, math.ceil(share * len(self.times)) - 1)]

    @property
    def buckets(self) -> Mapping[str, int]:
        """How many took no longer than each of ``BUCKETS`` and longer than the one before."""
        found = Counter(next((name for name, limit in BUCKETS if each <= limit), "longer") for each in self.times)
        return {name: found[name] for name in (*(name for name, _ in BUCKETS), "longer")}


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the incidents that were opened within a time."""

    since: datetime
    until: datetime
    count: int
    by_severity: Mapping[int, int]
    acknowledged: Spread
    """From the opening to the first acknowledgement."""
    mitigated: Spread
    resolved: Spread
    reopened: int
    """Incidents that came back."""
    pages: Mapping[str, int]
    """By person."""
    pages_at_night: Mapping[str, int]
    causes: Mapping[str, int]
    """Incidents by the alert that came first."""
    pages_by_cause: Mapping[str, int]
    skipped_steps: int
    """Rungs of the chain on which nobody could be reached."""
    skipped_updates: int
    longest: tuple[tuple[int, int, str, timedelta | None], ...] = ()
    """Number, severity, first alert, and how long it lasted, of the incidents that lasted longest; None: it lasts."""
    without_postmortem: tuple[int, ...] = ()
    """SEV-1 and SEV-2 that are over, whose post-mortem isn't done."""
    items_open: tuple[str, ...] = ()
    """Action items that aren't done: ``3/1``, the incident and the item."""
    items_overdue: tuple[str, ...] = ()
    items_done: int = 0
    items_dropped: int = 0


def statistics(incidents: Iterable[Incident], since: datetime, until: datetime, zone: str) -> Statistics:
    """Of those that were opened between two moments. One that is merged counts with the one in which it goes on."""
    chosen = [each for each in incidents if since <= each.opened_at < until and each.merged_into is None]
    reached = [milestones(each) for each in chosen]
    paged = [(each, event) for each in chosen for event in each.events if isinstance(event.payload, Paged)]
    persons = [event.payload.person for _, event in paged if isinstance(event.payload, Paged)]
    at_night = [
        event.payload.person for _, event in paged if isinstance(event.payload, Paged) and is_night(event.at, zone)
    ]
    return Statistics(
        since=since,
        until=until,
        count=len(chosen),
        by_severity=dict(sorted(Counter(each.severity for each in chosen).items())),
        acknowledged=_spread([(each.began, each.acknowledged) for each in reached]),
        mitigated=_spread([(each.began, each.mitigated or each.resolved) for each in reached]),
        resolved=_spread([(each.began, each.resolved) for each in reached]),
        reopened=sum(1 for each in chosen if _count(each, Reopened)),
        pages=_counted(persons),
        pages_at_night=_counted(at_night),
        causes=_counted([cause_of(each) for each in chosen]),
        pages_by_cause=_counted([cause_of(each) for each, _ in paged]),
        skipped_steps=sum(_count(each, StepSkipped) for each in chosen),
        skipped_updates=sum(_count(each, UpdateSkipped) for each in chosen),
        longest=_longest(chosen, reached),
        without_postmortem=tuple(
            sorted(
                each.number
                for each in chosen
                if each.resolved_at is not None
                and SEVERITIES[each.severity].stops_deployments
                and each.postmortem_state != "done"
            )
        ),
        items_open=tuple(_items(chosen, lambda each, item: item.id not in each.action_items_done)),
        items_overdue=tuple(
            _items(chosen, lambda each, item: item.id not in each.action_items_done and item.due < until)
        ),
        items_done=sum(len(set(each.action_items_done) - each.action_items_dropped) for each in chosen),
        items_dropped=sum(len(each.action_items_dropped) for each in chosen),
    )


def _longest(
    incidents: Sequence[Incident], reached: Sequence[Milestones]
) -> tuple[tuple[int, int, str, timedelta | None], ...]:
    def length(each: Milestones) -> timedelta:
        return timedelta.max if each.resolved is None else each.resolved - each.began

    pairs = sorted(zip(incidents, reached, strict=True), key=lambda pair: length(pair[1]), reverse=True)[:MAX_LISTED]
    return tuple(
        (each.number, each.severity, cause_of(each), None if found.resolved is None else length(found))
        for each, found in pairs
    )


def _items(incidents: Iterable[Incident], is_wanted: Callable[[Incident, ActionItem], bool]) -> Iterator[str]:
    for each in sorted(incidents, key=lambda each: each.number):
        for item in each.action_items.values():
            if is_wanted(each, item):
                yield f"{each.number}/{item.id}"


def is_night(at: datetime, zone: str) -> bool:
    hour = at.astimezone(zone_named(zone)).hour
    return hour >= NIGHT[0] or hour < NIGHT[1]


def cause_of(incident: Incident) -> str:
    """What told of it first."""
    return next((each.payload.name for each in incident.events if isinstance(each.payload, AlertJoined)), BY_HAND)


def statistics_document(found: Statistics, environment: str, zone: str) -> Document:
    """All of it; durations in JSON are seconds."""
    period = f"{format_time(found.since, zone)} to {format_time(found.until, zone)}"
    if not found.count:
        return Document("", (Paragraph(f"There was no incident in {environment} from {period}."),), data=_data(found))
    severities = ", ".join(f"{count} SEV-{severity}" for severity, count in found.by_severity.items())
    times = (
        ("until acknowledged", found.acknowledged),
        ("until mitigated", found.mitigated),
        ("until resolved", found.resolved),
    )
    blocks = (
        Fields(
            (
                Field("from", period),
                Field("incidents", f"{found.count} ({severities}), {found.reopened} of them came back"),
                Field("rungs on which nobody was reached", str(found.skipped_steps)),
                Field("updates of customers that were left out", str(found.skipped_updates)),
                Field("without a finished post-mortem", _numbers(found.without_postmortem)),
                Field("action items", _item_words(found)),
            )
        ),
        Section("How long it took", (_spread_table(times),)),
        Section("How often so long", (_bucket_table(times),)),
        Section("Pages, by person", (_pages_table(found),)),
        Section("By cause", (_cause_table(found),)),
        Section("The longest", (_longest_table(found),)),
    )
    return Document(f"Incidents of {environment}", blocks, data=_data(found))


def _numbers(numbers: Sequence[int]) -> str:
    return f"{len(numbers)}: incidents {', '.join(map(str, numbers))}" if numbers else "none"


def _item_words(found: Statistics) -> str:
    overdue = f", {len(found.items_overdue)} of them overdue ({', '.join(found.items_overdue)})"
    return (
        f"{len(found.items_open)} open{overdue if found.items_overdue else ''}, {found.items_done} done, "
        f"{found.items_dropped} dropped"
    )


def _longest_table(found: Statistics) -> Table:
    rows = tuple(
        Row((str(number), f"SEV-{severity}", cause, "it lasts" if length is None else format_duration(length)))
        for number, severity, cause, length in found.longest
    )
    return Table(("incident", "severity", "first alert", "lasted"), rows)


def _spread_table(times: Sequence[tuple[str, Spread]]) -> Table:
    def nine_of_ten(spread: Spread) -> str:
        return _shown(spread.quantile(0.9)) if len(spread.times) >= ENOUGH else f"unknown below {ENOUGH}"

    rows = tuple(
        Row(
            (
                name,
                str(len(spread.times)),
                _shown(spread.quantile(0.5)),
                nine_of_ten(spread),
                _shown(spread.quantile(1.0)),
                str(spread.missing),
            )
        )
        for name, spread in times
    )
    return Table(("", "incidents", "half within", "nine of ten within", "longest", "not at all"), rows)


def _bucket_table(times: Sequence[tuple[str, Spread]]) -> Table:
    names = [name for name, _ in BUCKETS]
    columns = ("", *(f"≤ {name}" for name in names), "longer")
    rows = tuple(Row((name, *(str(count) for count in spread.buckets.values()))) for name, spread in times)
    return Table(columns, rows)


def _pages_table(found: Statistics) -> Table | Paragraph:
    if not found.pages:
        return Paragraph("Nobody was paged.")
    begin, end = NIGHT
    rows = tuple(
        Row((person, str(count), str(found.pages_at_night.get(person, 0)))) for person, count in found.pages.items()
    )
    return Table(("person", "pages", f"at night ({begin}:00 to {end}:00)"), rows)


def _cause_table(found: Statistics) -> Table:
    rows = tuple(
        Row((cause, str(count), str(found.pages_by_cause.get(cause, 0)))) for cause, count in found.causes.items()
    )
    return Table(("first alert", "incidents", "pages"), rows)


def _shown(length: timedelta | None) -> str:
    return "-" if length is None else format_duration(length)


def _spread(pairs: Sequence[tuple[datetime, datetime | None]]) -> Spread:
    times = sorted(max(timedelta(), end - begin) for begin, end in pairs if end is not None)
    return Spread(tuple(times), sum(1 for _, end in pairs if end is None))


def _count(incident: Incident, kind: type) -> int:
    return sum(1 for each in incident.events if isinstance(each.payload, kind))


def _counted(words: Sequence[str]) -> dict[str, int]:
    """The most frequent first; those that are as frequent by name."""
    return dict(sorted(Counter(words).items(), key=lambda each: (-each[1], each[0])))


def _data(found: Statistics) -> dict[str, object]:
    def seconds(spread: Spread) -> dict[str, object]:
        quantiles = {name: spread.quantile(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("longest", 1.0))}
        if len(spread.times) < ENOUGH:
            quantiles["p90"] = None
        return {
            "count": len(spread.times),
            "missing": spread.missing,
            **{name: None if each is None else each.total_seconds() for name, each in quantiles.items()},
            "buckets": dict(spread.buckets),
        }

    return {
        "since": iso(found.since),
        "until": iso(found.until),
        "incidents": found.count,
        "by_severity": {str(severity): count for severity, count in found.by_severity.items()},
        "until_acknowledged": seconds(found.acknowledged),
        "until_mitigated": seconds(found.mitigated),
        "until_resolved": seconds(found.resolved),
        "reopened": found.reopened,
        "pages": dict(found.pages),
        "pages_at_night": dict(found.pages_at_night),
        "causes": dict(found.causes),
        "pages_by_cause": dict(found.pages_by_cause),
        "skipped_steps": found.skipped_steps,
        "skipped_updates": found.skipped_updates,
        "longest": [
            {
                "incident": number,
                "severity": severity,
                "cause": cause,
                "seconds": None if length is None else length.total_seconds(),
            }
            for number, severity, cause, length in found.longest
        ],
        "without_postmortem": list(found.without_postmortem),
        "action_items": {
            "open": list(found.items_open),
            "overdue": list(found.items_overdue),
            "done": found.items_done,
            "dropped": found.items_dropped,
        },
    }
