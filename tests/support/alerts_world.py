"""Alerts for tests: notifications of a small stack, and a situation to put them into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from omc.config.alert_tables import AlertsTable
from omc.model.matchers import parse_all
from omc.model.silences import Silence
from omc.responder.alerts import Alert
from omc.responder.model import Notification, alert_key, digest
from omc.responder.pipeline import Outcome, Situation
from omc.responder.replay import Simulation
from omc.responder.rules import Rules, from_table

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


def minute(number: float) -> datetime:
    """So many minutes after the beginning."""
    return START + timedelta(minutes=number)


def notification(
    name: str,
    at: float = 0,
    state: Literal["firing", "ended"] = "firing",
    severity: Literal[1, 2, 3] | None = None,
    service: str | None = None,
    environment: str = "staging",
    source: str = "cloudwatch",
    labels: Mapping[str, str] | None = None,
) -> Notification:
    """An alarm of this short name that changed its state so many minutes after the beginning."""
    key = alert_key(source, environment, name)
    moment = minute(at)
    return Notification(
        id=digest(key, state, moment.isoformat()),
        source=source,
        environment=environment,
        alert_key=key,
        name=f"ohmycoins-{environment}-{name}",
        state=state,
        at=moment,
        severity=severity,
        service=service,
        title=f"{name} is {state}",
        description="",
        labels=labels or {},
    )


def key_of(name: str, source: str = "cloudwatch", environment: str = "staging") -> str:
    return alert_key(source, environment, name)


def rules(table: AlertsTable | None = None, services: Iterable[str] = ("backend", "frontend")) -> Rules:
    return from_table(table or AlertsTable(), "staging", "ohmycoins-staging-", frozenset(services), "#alerts")


def silence(*conditions: str, number: int = 1, begin: float = 0, end: float = 60, **how: Any) -> Silence:
    made = Silence(
        "staging", number, parse_all(conditions), "the disk is replaced", "jo", minute(begin), minute(end), False, 1
    )
    return replace(made, **how)


class Board:
    """A situation over time, with everything that came of what was put into it."""

    def __init__(self, rules_: Rules | None = None, silences: Sequence[Silence] = ()) -> None:
        self.simulation = Simulation(Situation(rules_ or rules(), silences={each.number: each for each in silences}))
        self.outcomes: list[Outcome] = []
        self.now = START

    @property
    def situation(self) -> Situation:
        return self.simulation.situation

    def take(self, *notifications: Notification, now: float | None = None) -> Outcome:
        """Take them in at that minute, else each as soon as it has happened; what became of the last."""
        made: tuple[Outcome, ...] = ()
        for each in notifications:
            self.forward(max(self.now, each.at if now is None else minute(now)))
            made = self.simulation.take(each, self.now)
            self.outcomes += made
        return made[0]

    def forward(self, to: datetime) -> None:
        """Let the time pass, and look again at what is due by then."""
        while (due := self.simulation.next_due(to)) is not None:
            at, key = due
            self.now = max(self.now, at)
            self.simulation.deadlines.pop(key)
            self.outcomes += self.simulation.look_again(key, self.now)
        self.now = max(self.now, to)

    def unmute(self, name: str) -> None:
        """As CloudWatch does it."""
        key = key_of(name)
        self.simulation.situation = replace(self.situation, unmuted=frozenset({key}))
        self.outcomes += self.simulation.look_again(key, self.now)
        self.simulation.situation = replace(self.situation, unmuted=frozenset())

    def resolve(self, number: int) -> None:
        """As a person does it."""
        views = dict(self.situation.incidents)
        views[number] = replace(views[number], resolved_at=self.now)
        self.simulation.situation = replace(self.situation, incidents=views)

    def take_out(self, name: str, number: int, to: int | None = None) -> None:
        """As a person does who says that an alert doesn't belong to an incident."""
        views, key = dict(self.situation.incidents), key_of(name)
        view = views[number]
        views[number] = replace(view, firing=view.firing - {key}, ended=view.ended - {key}, left={**view.left, key: to})
        self.simulation.situation = replace(self.situation, incidents=views)

    def alert(self, name: str) -> Alert:
        return self.situation.alerts[key_of(name)]

    def incident_of(self, name: str) -> int | None:
        """The number of the open incident that knows that it fires."""
        view = self.situation.holder(self.alert(name))
        return view.number if view else None

    @property
    def open_incidents(self) -> list[int]:
        return sorted(number for number, view in self.situation.incidents.items() if view.is_open)


def said(outcome: Outcome) -> list[str]:
    """A trace as lines: ``group: opened: …``."""
    return [f"{step.stage}: {step.did}: {step.why}" for step in outcome.trace]
