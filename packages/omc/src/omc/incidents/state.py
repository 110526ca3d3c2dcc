"""What an incident's events come to: who opened it, how bad it is now, whether and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce

from omc.errors import Refused, WrongUse
from omc.incidents.events import Event, Noted, Opened, SeverityChanged
from omc.incidents.severities import SEVERITIES


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it is after its events. Made by ``begun`` and ``after`` only."""

    environment: str
    number: int
    """Counts up in its environment, from 1."""
    severity: int
    """A key of ``SEVERITIES``."""
    summary: str
    opened_by: str
    opened_at: datetime
    events: tuple[Event, ...]
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


def from_first_event(environment: str, number: int, event: Event) -> Incident:
    """The incident that an event opens. ``WrongUse`` where it can't."""
    what = event.what
    if not isinstance(what, Opened):
        raise WrongUse(f'Incident {number} of {environment} was never opened: its first event is "{event.kind}".')
    _require_severity(what.severity)
    _require_text(what.summary, "a summary of what users suffer")
    return Incident(environment, number, what.severity, what.summary, event.by, event.at, (event,))


def apply(incident: Incident, event: Event) -> Incident:
    """The incident after one more event. ``Refused`` where it may not follow on what happened before.

    A note may also follow on the end: what is learnt later belongs to it.
    """
    named = f"Incident {incident.number} of {incident.environment}"
    what = event.what
    if isinstance(what, Opened):
        raise Refused(f"{named} is opened already; another one gets a number of its own: omc incident open")
    if isinstance(what, Noted):
        _require_text(what.text, "a text")
        return replace(incident, events=(*incident.events, event))
    if not incident.is_open:
        raise Refused(
            f"{named} was resolved by {incident.resolved_by} and stays so; if it is back, open another: "
            "omc incident open"
        )
    if isinstance(what, SeverityChanged):
        _require_severity(what.severity)
        if what.severity == incident.severity:
            raise Refused(f"{named} is a SEV-{what.severity} already; nothing was recorded.")
        return replace(incident, severity=what.severity, events=(*incident.events, event))
    _require_text(what.how, "what ended the incident")
    events = (*incident.events, event)
    return replace(incident, resolved_by=event.by, resolved_at=event.at, resolution=what.how, events=events)


def replay(environment: str, number: int, events: Iterable[Event]) -> Incident:
    """What a whole series of events comes to; the first opens the incident."""
    first, *rest = events
    return reduce(apply, rest, from_first_event(environment, number, first))


def _require_severity(severity: int) -> None:
    if severity not in SEVERITIES:
        message = ", ".join(f"{number} ({each.meaning})" for number, each in SEVERITIES.items())
        raise WrongUse(f"There is no severity {severity}; allowed are {message}.")


def _require_text(text: str, what: str) -> None:
    if not text.strip():
        raise WrongUse(f"Nothing was recorded: say {what}.")
