"""What can happen to an incident, and what its events come to: who opened it, how bad it is now, how it ended.

Pure. A new kind of event is a class and its line in ``TYPES``; the events are kept by ``omc.store.eventlog``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import TypeAlias

from omc.errors import Refused, WrongUse
from omc.model.events import Event, EventTypes, Stream, UnknownEvent


@dataclass(frozen=True, slots=True)
class Severity:
    """One of the runbook's severity levels."""

    meaning: str
    stops_deployments: bool
    """While one is open, nothing is deployed but its fix."""


SEVERITIES: Mapping[int, Severity] = {
    1: Severity("a service is down", stops_deployments=True),
    2: Severity("it works, badly or for some", stops_deployments=True),
    3: Severity("a nuisance, or a warning", stops_deployments=False),
}
"""By number; 1 is the worst (docs/runbook, incident-response.md#severity-levels)."""
BREAK_GLASS = 1
"""The severity in which a change may go ahead without its approvals."""
IF_UNKNOWN = 2
"""What an incident counts as whose severity this omc can't read: it stops deployments, and allows no break-glass."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event of each incident."""

    severity: int
    summary: str
    """What users suffer, in a sentence."""


@dataclass(frozen=True, slots=True)
class SeverityChanged:
    """It turned out to be worse, or less bad."""

    severity: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What somebody saw or did."""

    text: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """Users are served again."""

    how: str
    """What ended it."""


Payload: TypeAlias = Opened | SeverityChanged | Noted | Resolved
IncidentEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes(
    "incident",
    {"opened": Opened, "severity changed": SeverityChanged, "noted": Noted, "resolved": Resolved},
)


def stream_of(environment: str, number: int) -> Stream:
    """Where an incident's events are."""
    return Stream(TYPES.kind, environment, str(number))


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it is after its events. Made by ``from_first_event`` and ``apply`` only."""

    environment: str
    number: int
    """Counts up in its environment, from 1."""
    severity: int
    """A key of ``SEVERITIES``."""
    summary: str
    opened_by: str
    opened_at: datetime
    events: tuple[IncidentEvent, ...]
    """All of them, in their order; the first opened it."""
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None
    """What ended it."""

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def title(self) -> str:
        """How a sentence speaks of it."""
        return f"Incident {self.number} (SEV-{self.severity}: {self.summary})"


def from_first_event(environment: str, number: int, event: IncidentEvent) -> Incident:
    """The incident that an event opens. ``WrongUse`` where it can't."""
    payload = event.payload
    if isinstance(payload, UnknownEvent):
        summary = "what it is about can't be read by this omc; a newer one opened it"
        return Incident(environment, number, IF_UNKNOWN, summary, event.by, event.at, (event,))
    if not isinstance(payload, Opened):
        name = TYPES.name_of(payload)
        raise WrongUse(f'Incident {number} of {environment} was never opened: its first event is "{name}".')
    _require_severity(payload.severity)
    _require_text(payload.summary, "a summary of what users suffer")
    return Incident(environment, number, payload.severity, payload.summary, event.by, event.at, (event,))


def apply(incident: Incident, event: IncidentEvent) -> Incident:
    """The incident after one more event. ``Refused`` where it may not follow on what happened before.

    A note may also follow on the end: what is learnt later belongs to it.
    """
    named = f"Incident {incident.number} of {incident.environment}"
    payload = event.payload
    if isinstance(payload, UnknownEvent):
        return _with(incident, event)
    if isinstance(payload, Opened):
        raise Refused(f"{named} is opened already; another one gets a number of its own: omc incident open")
    if isinstance(payload, Noted):
        _require_text(payload.text, "a text")
        return _with(incident, event)
    if not incident.is_open:
        raise Refused(
            f"{named} was resolved by {incident.resolved_by} and stays so; if it is back, open another: "
            "omc incident open"
        )
    if isinstance(payload, SeverityChanged):
        _require_severity(payload.severity)
        if payload.severity == incident.severity:
            raise Refused(f"{named} is a SEV-{payload.severity} already; nothing was recorded.")
        return replace(_with(incident, event), severity=payload.severity)
    _require_text(payload.how, "what ended the incident")
    ended = _with(incident, event)
    return replace(ended, resolved_by=event.by, resolved_at=event.at, resolution=payload.how)


def replay(environment: str, number: int, events: Iterable[IncidentEvent]) -> Incident:
    """What a whole series of events comes to; the first opens the incident. The time grows with their number."""
    first, *rest = events
    bare = reduce(
        lambda incident, event: replace(apply(incident, event), events=()),
        rest,
        from_first_event(environment, number, first),
    )
    return replace(bare, events=(first, *rest))


def _with(incident: Incident, event: IncidentEvent) -> Incident:
    return replace(incident, events=(*incident.events, event))


def _require_severity(severity: int) -> None:
    if severity not in SEVERITIES:
        message = ", ".join(f"{number} ({each.meaning})" for number, each in SEVERITIES.items())
        raise WrongUse(f"There is no severity {severity}; allowed are {message}.")


def _require_text(text: str, what: str) -> None:
    if not text.strip():
        raise WrongUse(f"Nothing was recorded: say {what}.")
