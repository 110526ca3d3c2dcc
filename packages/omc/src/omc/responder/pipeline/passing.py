"""An alert on its way through the stages: what each has found so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from omc.responder.alerts import Alert, Did, Facts, Hold, Step, Trace
from omc.responder.model import Notification
from omc.responder.pipeline.situation import Effect
from omc.responder.rules import Rules


@dataclass(frozen=True, slots=True)
class Passing:
    """What the stages know of one alert, each from those before it."""

    notification: Notification
    key: str
    now: datetime
    before: Alert | None
    """The alert as it was; None where it was never heard of."""
    is_second_look: bool = False
    """Nothing has come in: what holds it is looked at again."""
    is_late: bool = False
    """A later change of it is known already, and nobody was told of this one."""
    trace: Trace = ()
    is_over: bool = False
    """Whether the stages that follow have nothing to do."""
    facts: Facts | None = None
    hold: Hold | None = None
    incident: int | None = None
    effects: tuple[Effect, ...] = ()

    def step(self, stage: str, did: Did, why: str) -> Passing:
        return replace(self, trace=(*self.trace, Step(stage, did, why)))

    def end(self, stage: str, did: Did, why: str) -> Passing:
        return replace(self.step(stage, did, why), is_over=True)

    def held(self, stage: str, hold: Hold, why: str) -> Passing:
        return replace(self.end(stage, "held", why), hold=hold)

    def then(self, *effects: Effect) -> Passing:
        return replace(self, effects=(*self.effects, *effects))

    def the_facts(self) -> Facts:
        """What the stage ``enrich`` found, which comes before all that ask for it."""
        if self.facts is None:
            raise AssertionError(self.notification.id)
        return self.facts


def over_at(notification: Notification, rules: Rules) -> datetime | None:
    """When an alert counts as ended of which nothing will ever say so."""
    return notification.at + rules.without_end if notification.labels.get("has_end") == "no" else None


def utc(at: datetime) -> str:
    """A moment within a sentence: ``10:03:12 UTC on 30 Nov``."""
    return f"{at:%H:%M:%S} UTC on {at.day} {at:%b}"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
