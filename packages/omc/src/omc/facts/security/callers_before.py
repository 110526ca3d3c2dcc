"""What each caller of the period did in the weeks before: where from and with what, as far as fifty calls tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.scope import Scope
from omc.facts.security.lookups import KEPT, Lookups
from omc.facts.security.trail_event import Kind, TrailEvent
from omc.facts.security.trail_period import TrailPeriod
from omc.facts.trail import GLOBAL_REGION

MOST_CALLERS = 16
"""So many are looked up, those with the most calls first: half a second each, and as much again where that is empty."""


@dataclass(frozen=True, slots=True)
class CallersBefore:
    """By principal; one that did nothing has none."""

    calls: Mapping[str, tuple[TrailEvent, ...]]
    unread: Mapping[str, str] = field(default_factory=dict)
    """Principal to why it isn't known."""
    since: datetime | None = None
    """How far back was looked."""
    reading: Reading = NO_READING


@reads_in(2)
def read_callers_before(aws: Gateway, environment: Environment, scope: Scope, period: TrailPeriod) -> CallersBefore:
    """One or two questions a caller: by the name that CloudTrail keeps of a session, else by its role."""
    since = scope.now - KEPT
    if not (callers := callers_of(period.events)):
        return CallersBefore({}, since=since)
    here = Lookups(aws)
    there = here if environment.is_local or environment.region == GLOBAL_REGION else None
    calls: dict[str, tuple[TrailEvent, ...]] = {}
    unread: dict[str, str] = dict.fromkeys(callers[MOST_CALLERS:], "too many callers were there to look up each")
    for name in callers[:MOST_CALLERS]:
        event = next(one for one in period.events if one.principal == name)
        try:
            if event.region == GLOBAL_REGION and there is None:
                there = Lookups(aws.in_region(GLOBAL_REGION))
            lookups = there if event.region == GLOBAL_REGION and there else here
            calls[name] = _before(lookups, event, since, period.begin)
        except OmcError as error:
            unread[name] = error.message
    return CallersBefore(calls, unread, since)


def callers_of(events: Iterable[TrailEvent]) -> list[str]:
    """Users and roles, those with the most calls first."""
    counts: dict[str, int] = {}
    for event in events:
        if event.kind in (Kind.USER, Kind.ROLE):
            counts[event.principal] = counts.get(event.principal, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def _before(lookups: Lookups, event: TrailEvent, begin: datetime, end: datetime) -> tuple[TrailEvent, ...]:
    if event.kind is Kind.USER:
        return _own(lookups.ask(("Username", event.principal.removeprefix("user ")), begin, end).events, event)
    found = _own(lookups.ask(("Username", event.who.partition(" (role ")[0]), begin, end).events, event)
    if found or not event.role_arn:
        return found
    assumed = lookups.ask(("ResourceName", event.role_arn), begin, end).events
    return tuple(one for one in assumed if one.operation.startswith("AssumeRole") and one.is_done)


def _own(events: Iterable[TrailEvent], event: TrailEvent) -> tuple[TrailEvent, ...]:
    return tuple(one for one in events if one.principal == event.principal)
