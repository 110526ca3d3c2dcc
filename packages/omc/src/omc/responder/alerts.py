"""What can happen to an alert, and what its events come to: whether it fires, what holds it, in which incident it is.

Pure. An alert is one stream of the event log, by its ``alert_key``, from the first time that it was heard of. It is
never both held and in an incident's hands: an alert that is held has reached nobody. When which event is written is
decided in ``omc.responder.pipeline``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent
from omc.responder.model import Notification

MAX_FIRES = 50
"""How many times of firing an alert remembers, the newest."""

HeldBy = Literal["mute", "flapping", "silence", "inhibition"]
Did = Literal["passed", "held", "dropped", "counted", "joined", "opened", "reopened", "ended"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage did, and why."""

    stage: str
    did: Did
    why: str
    """A sentence."""


Trace: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nobody is told of an alert that fires."""

    by: HeldBy
    of: str
    """The silence's number, the alert that explains it, what mutes it in CloudWatch, or nothing."""
    until: datetime | None = None
    """When it is looked at again at the latest."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an alert is, once what its message left open is filled in."""

    name: str
    """As its source has it, without the environment's prefix."""
    kind: str
    """A key of the catalogue, or the name of one that isn't in it."""
    severity: int
    service: str | None
    group: str
    """The service or shared dependency with whose alerts it becomes one incident."""
    runbook: str = ""
    changes: tuple[str, ...] = ()
    """What was changed shortly before, newest first."""


@dataclass(frozen=True, slots=True)
class Fired:
    """It fires, and its incident knows."""

    notification: Notification
    facts: Facts
    incident: int
    trace: Trace


@dataclass(frozen=True, slots=True)
class Held:
    """It fires, and nobody is told."""

    notification: Notification | None
    """None: it fired before, and something else holds it now."""
    facts: Facts
    hold: Hold
    trace: Trace


@dataclass(frozen=True, slots=True)
class Released:
    """What held it is over, and it fires still."""

    incident: int
    trace: Trace


@dataclass(frozen=True, slots=True)
class Ended:
    """It no longer fires."""

    notification: Notification | None
    """None: its source never says so, and its time is over."""
    trace: Trace


@dataclass(frozen=True, slots=True)
class CameLate:
    """A change came in after a later one of the same alert."""

    notification: Notification
    trace: Trace
    incident: int | None = None
    """The incident that was told of it although it is over: nobody had heard that it fired."""
    facts: Facts | None = None


@dataclass(frozen=True, slots=True)
class Reworded:
    """It was told again while it fires, in other words."""

    notification: Notification
    trace: Trace


Payload: TypeAlias = Fired | Held | Released | Ended | CameLate | Reworded
AlertEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes(
    "alert",
    {
        "fired": Fired,
        "held": Held,
        "released": Released,
        "ended": Ended,
        "came late": CameLate,
        "reworded": Reworded,
    },
)


def stream_of(environment: str, key: str) -> Stream:
    """Where an alert's events are."""
    return Stream(TYPES.kind, environment, key)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it is after its events."""

    environment: str
    key: str
    events: int
    """How many of its stream it is made of."""
    notification: Notification | None = None
    """The one that made it as it is; None where only a newer omc can read it."""
    facts: Facts | None = None
    """None: it has never been heard to fire."""
    is_firing: bool = False
    changed_at: datetime | None = None
    """When it began to fire or ended, by its source's clock."""
    incident: int | None = None
    """The incident that it is in, or was in last."""
    hold: Hold | None = None
    fires: tuple[datetime, ...] = ()
    """When it fired, by its source's clock, oldest first; also what came late. At most ``MAX_FIRES``."""
    is_unheard_end: bool = False
    """It ended, and nothing has been heard of the firing that this ended."""

    @property
    def is_in_incident(self) -> bool:
        """Whether it fires and its incident knows."""
        return self.is_firing and self.hold is None and self.incident is not None


def apply(alert: Alert, event: AlertEvent) -> Alert:
    """The alert after one more event."""
    payload, counted = event.payload, replace(alert, events=alert.events + 1)
    match payload:
        case Fired():
            fired = _fired(counted, payload.notification, payload.facts)
            return replace(fired, incident=payload.incident, hold=None)
        case Held():
            if payload.notification is not None:
                counted = _fired(counted, payload.notification, payload.facts)
            return replace(counted, facts=payload.facts, hold=payload.hold)
        case Released():
            return replace(counted, incident=payload.incident, hold=None)
        case Ended():
            ended = replace(counted, is_firing=False, hold=None, is_unheard_end=not alert.is_firing)
            if payload.notification is None:
                return replace(ended, is_unheard_end=False, changed_at=max(event.at, alert.changed_at or event.at))
            return replace(ended, notification=payload.notification, changed_at=payload.notification.at)
        case CameLate():
            if payload.notification.state == "ended":
                return counted
            late = replace(counted, fires=_with(alert.fires, payload.notification.at), is_unheard_end=False)
            if payload.incident is not None:
                late = replace(late, incident=payload.incident)
            return replace(late, facts=payload.facts or alert.facts)
        case Reworded():
            return replace(counted, notification=payload.notification)
        case _:
            return counted


def _fired(alert: Alert, notification: Notification, facts: Facts) -> Alert:
    return replace(
        alert,
        notification=notification,
        facts=facts,
        is_firing=True,
        changed_at=notification.at,
        fires=_with(alert.fires, notification.at),
        is_unheard_end=False,
    )


def _with(fires: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    return tuple(sorted({*fires, at}))[-MAX_FIRES:]


def replay(environment: str, key: str, events: Iterable[AlertEvent]) -> Alert:
    """What all events of a stream come to."""
    alert = Alert(environment, key, 0)
    for event in events:
        alert = apply(alert, event)
    return alert


def labels_of(facts: Facts, notification: Notification) -> Mapping[str, str]:
    """What conditions are compared with. The names that omc gives go before those of the alert's own labels."""
    return {
        **notification.labels,
        "name": facts.name,
        "kind": facts.kind,
        "severity": str(facts.severity),
        "service": facts.service or "",
        "group": facts.group,
        "source": notification.source,
        "environment": notification.environment,
    }
