"""An incident as it is at a moment: a plain value. What makes it of its events is ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from omc.incidents.events import ActionItem, Captured, IncidentEvent, Merged, Resolved, SeverityChanged


@dataclass(frozen=True, slots=True)
class Severity:
    """One of the runbook's severity levels."""

    meaning: str
    stops_deployments: bool
    """While one is open, nothing is deployed but its fix."""
    waits_for_business_hours: bool = False
    pages_everybody: bool = False
    """The whole chain at once, and customers are told."""
    has_channel: bool = False
    """People meet in a channel of its own."""


SEVERITIES: Mapping[int, Severity] = {
    1: Severity("a service is down", stops_deployments=True, pages_everybody=True, has_channel=True),
    2: Severity("it works, badly or for some", stops_deployments=True, has_channel=True),
    3: Severity("a nuisance, or a warning", stops_deployments=False, waits_for_business_hours=True),
}
"""By number; 1 is the worst (docs/runbook, incident-response.md#severity-levels)."""
BREAK_GLASS = 1
"""The severity in which a change may go ahead without its approvals."""
IF_UNKNOWN = 2
"""What an incident counts as whose severity this omc can't read: it stops deployments, and allows no break-glass."""
ROLES: tuple[str, ...] = ("lead", "communications", "scribe")
POSTMORTEM_STATES: tuple[str, ...] = ("draft", "review", "done")
PHASES: tuple[str, ...] = ("investigating", "identified", "monitoring", "resolved")
"""How far an incident is, as customers are told."""
COMPONENT_STATES: tuple[str, ...] = ("operational", "degraded_performance", "partial_outage", "major_outage")
"""How a component is, the best first; as Statuspage, whose form readers of status feeds know, has them."""
SECTIONS: Mapping[str, str] = {
    "summary": "Summary",
    "impact": "Impact",
    "detection": "How it was noticed",
    "response": "What was done",
    "changes": "What had changed",
    "causes": "Causes",
    "lessons": "What helped, and what was in the way",
    "runbook": "Change to the runbook",
}
"""The sections of a post-mortem that people write, with their titles, in their order."""
ONLY_PEOPLE_KNOW: tuple[str, ...] = ("causes", "lessons", "runbook")
"""Those of which the record knows nothing: without them a post-mortem isn't done."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that belongs to an incident."""

    key: str
    name: str
    severity: int | None
    service: str | None
    since: datetime
    """When it last began to fire."""
    ended_at: datetime | None = None
    """None while it fires."""

    @property
    def is_firing(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody has it."""

    person: str
    at: datetime
    until: datetime | None
    """When it lapses if nothing follows; None: never."""
    lasts: timedelta | None
    """How long after the last sign of work."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Nobody is paged until then."""

    until: datetime
    why: str
    if_still_firing: bool
    by: str


@dataclass(frozen=True, slots=True)
class IncidentChannel:
    """Its own channel in Slack."""

    name: str
    id: str | None = None
    """None until Slack has made it."""
    posts: int = 0
    """Messages that were asked for."""
    severity: int = IF_UNKNOWN
    """How bad it was at the last one."""
    invited: frozenset[str] = frozenset()
    pages: int = 0
    """How many pages there had been at the last one."""
    messages: int = 0
    """Messages of people's that were kept."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How far paging has come: what ``omc.responder.escalation`` goes on from."""

    next_round: int = 0
    """The first number that no round has."""
    since: datetime | None = None
    """Since when nobody has it and people are to be paged; None: somebody has it, or it is snoozed, quiet or over."""
    first_round: int = 0
    """Of the rounds of this waiting."""
    everybody_at: datetime | None = None
    """When the whole chain is to be paged at once: it became a SEV-1."""
    everybody_round: int = 0
    raised_at: datetime | None = None
    """When somebody last said that it is worse than was thought; None: since then it is less bad, or nobody has."""
    unmitigated_since: datetime | None = None
    """Since when somebody has it without having mitigated it."""
    unmitigated_round: int = 0
    unmitigated_from: int = 0
    """The rung after which the next ones join."""
    paged: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    """By round and step: the people. Of the present waiting and what has followed on it."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Pages that reached nobody, by their key: why. Of the same time."""
    skipped: frozenset[tuple[int, int]] = frozenset()
    """Round and step: nobody was there to be paged, or no method reached her."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it is after its events. Made by ``model.from_first_event``, ``apply`` and ``replay`` only."""

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
    mitigated_by: str | None = None
    mitigated_at: datetime | None = None
    mitigation: str | None = None
    acknowledgement: Acknowledgement | None = None
    snooze: Snooze | None = None
    merged_into: int | None = None
    absorbed: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Incidents that go on in this one, with the alerts that came with them."""
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    """By key."""
    unhealthy: tuple[str, ...] = ()
    """Why health could not be verified, after its alerts had ended."""
    unhealthy_at: datetime | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    paging: Paging = Paging()
    pages: int = 0
    """How many there were."""
    channel: IncidentChannel | None = None
    customers_since: datetime | None = None
    """From when the time to the next update of customers is counted; None: they need none."""
    reminded_of: datetime | None = None
    """The update of which somebody was reminded: when it is due."""
    captured: Mapping[str, Captured] = field(default_factory=dict)
    postmortem: Mapping[str, str] = field(default_factory=dict)
    """Sections that somebody has written."""
    postmortem_state: str | None = None
    postmortem_moved_by: str | None = None
    """Who brought it there."""
    postmortem_moved_at: datetime | None = None
    action_items: Mapping[str, ActionItem] = field(default_factory=dict)
    action_items_done: Mapping[str, datetime] = field(default_factory=dict)
    action_items_dropped: frozenset[str] = frozenset()
    """Those of the done ones that won't be done."""
    action_items_reminded: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None and self.merged_into is None

    def has_lapsed_since(self, at: datetime) -> bool:
        """Whether it ended or was less bad at any time from then on, also where that was taken back."""
        return any(
            each.at >= at
            and (
                isinstance(each.payload, Resolved | Merged)
                or (isinstance(each.payload, SeverityChanged) and each.payload.severity > self.severity)
            )
            for each in self.events
        )

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Its alerts that fire."""
        return tuple(alert for alert in self.alerts.values() if alert.is_firing)

    @property
    def quiet_since(self) -> datetime | None:
        """When the last of its alerts ended; None while one fires, and where it never had one."""
        ended = [alert.ended_at for alert in self.alerts.values() if alert.ended_at is not None]
        return max(ended) if ended and len(ended) == len(self.alerts) else None

    @property
    def services(self) -> tuple[str, ...]:
        """Those that its alerts name."""
        return tuple(sorted({alert.service for alert in self.alerts.values() if alert.service}))

    @property
    def title(self) -> str:
        """How a sentence speaks of it."""
        return f"Incident {self.number} (SEV-{self.severity}: {self.summary})"
