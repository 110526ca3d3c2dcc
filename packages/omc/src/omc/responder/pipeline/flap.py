"""Does it come and go? An alert that fires again and again is held until it is steady, unless that would hide what an
open incident's people should know."""

from __future__ import annotations

from datetime import datetime

from omc.responder.alerts import Hold
from omc.responder.pipeline.passing import Passing, minutes, utc
from omc.responder.pipeline.situation import LookAgain, Situation
from omc.responder.rules import Rules

STAGE = "flap"


def flap(passing: Passing, situation: Situation) -> Passing:
    rules, facts, notification = situation.rules, passing.the_facts(), passing.notification
    fires = {*(passing.before.fires if passing.before else ()), notification.at}
    number = _most_within(sorted(fires), rules, notification.at)
    within = minutes(rules.flapping_within.total_seconds())
    if number < rules.flapping_fires:
        times = "once" if number == 1 else f"{number} times"
        return passing.step(
            STAGE, "passed", f"It fired {times} within {within}; it would flap from {rules.flapping_fires} times on."
        )
    flaps = f"It fired {number} times within {within}, so it flaps"
    if passing.is_late:
        return passing.step(STAGE, "passed", f"{flaps}, but it is over already.")
    if facts.severity not in rules.flapping_severities:
        return passing.step(STAGE, "passed", f"{flaps}, but no SEV-{facts.severity} is held for that.")
    if passing.before is not None:
        view = situation.where(passing.key, passing.before.incident)
        if view is not None and view.is_open:
            return passing.step(STAGE, "passed", f"{flaps}, but incident {view.number} is open for it.")
    steady_at, settled = notification.at + rules.settle, minutes(rules.settle.total_seconds())
    if passing.now >= steady_at:
        return passing.step(STAGE, "passed", f"{flaps}; but it has been steady for {settled}.")
    hold = Hold("flapping", "", steady_at)
    why = f"{flaps}: held until it has been steady for {settled}, at {utc(steady_at)}."
    return passing.held(STAGE, hold, why).then(LookAgain(passing.key, steady_at))


def _most_within(fires: list[datetime], rules: Rules, until: datetime) -> int:
    """How often it fired in the time that ended with this one."""
    return sum(until - rules.flapping_within < at <= until for at in fires)
