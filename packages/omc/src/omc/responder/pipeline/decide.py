"""The stages in their order, and what is written in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from omc.notify.text import short_form
from omc.responder.alerts import Alert, CameLate, Ended, Facts, Fired, Held, Hold, Released, Step, Trace
from omc.responder.model import Notification
from omc.responder.pipeline.age import age
from omc.responder.pipeline.deduplicate import deduplicate
from omc.responder.pipeline.enrich import enrich
from omc.responder.pipeline.flap import flap
from omc.responder.pipeline.group import group
from omc.responder.pipeline.inhibit import inhibit
from omc.responder.pipeline.mute import mute
from omc.responder.pipeline.passing import Passing, minutes, over_at, utc
from omc.responder.pipeline.route import route
from omc.responder.pipeline.silence import silence
from omc.responder.pipeline.situation import (
    Effect,
    End,
    EndSilence,
    Inform,
    LookAgain,
    Outcome,
    Situation,
    after,
)

Stage: TypeAlias = Callable[[Passing, Situation], Passing]
HOLDING: tuple[Stage, ...] = (age, mute, flap, silence, inhibit)
TELLING: tuple[Stage, ...] = (group, route)


def process(situation: Situation, notification: Notification, now: datetime) -> Outcome:
    """What becomes of a notification."""
    key = notification.alert_key
    before = situation.alerts.get(key)
    passing = deduplicate(Passing(notification, key, now, before), situation)
    if passing.is_over:
        return _unchanged(passing)
    if notification.state == "ended":
        return _ended(situation, passing)
    passing = enrich(passing, situation)
    if before is not None and not passing.is_late and (view := situation.holder(before)) is not None:
        why = f"It fires in incident {view.number} already."
        stays = replace(passing.step("group", "joined", why), incident=view.number)
        return _outcome(route(_looked_after(stays, situation), situation))
    return _outcome(_looked_after(_through(passing, situation), situation))


def look_again(situation: Situation, alert: Alert, now: datetime) -> Outcome:
    """What becomes of an alert that was held, or that nobody ends, when its time has come. Where it is as it was,
    nothing is written but when to look again."""
    notification, facts = alert.notification, alert.facts
    if not alert.is_firing or notification is None or facts is None:
        return Outcome(alert.key, ())
    if (is_over := over_at(notification, situation.rules)) is not None and now >= is_over:
        return _lapsed(situation, alert, notification, facts)
    if alert.hold is None:
        return Outcome(alert.key, (), None, (LookAgain(alert.key, is_over),) if is_over else ())
    first = Step("look again", "passed", "What held it is looked at again.")
    passing = Passing(notification, alert.key, now, alert, is_second_look=True, trace=(first,), facts=facts)
    return _outcome(_looked_after(_through(passing, situation), situation))


def _through(passing: Passing, situation: Situation) -> Passing:
    for stage in (*HOLDING, *TELLING):
        passing = stage(passing, situation)
        if passing.is_over:
            break
    return passing


def _looked_after(passing: Passing, situation: Situation) -> Passing:
    """One moment for the next look: the earliest that a stage or the alert itself asks for."""
    is_over = None if passing.is_late else over_at(passing.notification, situation.rules)
    moments = [each.at for each in passing.effects if isinstance(each, LookAgain) and each.at is not None]
    rest: tuple[Effect, ...] = tuple(each for each in passing.effects if not isinstance(each, LookAgain))
    if is_over is not None:
        moments.append(is_over)
    was_held = passing.before is not None and passing.before.hold is not None
    if moments:
        rest = (*rest, LookAgain(passing.key, min(moments)))
    elif was_held:
        rest = (*rest, LookAgain(passing.key, None))
    return replace(passing, effects=rest)


def _outcome(passing: Passing) -> Outcome:
    """What is written of an alert that fires."""
    facts, notification, before = passing.the_facts(), passing.notification, passing.before
    if passing.is_late:
        return _late(passing, facts)
    if passing.hold is not None:
        if not passing.is_second_look:
            return _as(passing, Held(notification, facts, passing.hold, passing.trace))
        if before is not None and before.hold is not None and _is_same(before.hold, passing.hold):
            return Outcome(passing.key, passing.trace, None, passing.effects)
        return _as(passing, Held(None, facts, passing.hold, passing.trace))
    if passing.incident is None:
        raise AssertionError(notification.id)
    if passing.is_second_look:
        return _as(passing, Released(passing.incident, passing.trace))
    return _as(passing, Fired(notification, facts, passing.incident, passing.trace))


def _is_same(before: Hold, hold: Hold) -> bool:
    return (before.by, before.of) == (hold.by, hold.of)


def _late(passing: Passing, facts: Facts) -> Outcome:
    """It fired and ended, and only the end was heard of: its incident is told of both, so that whatever the order in
    which things come in, the incidents are the same. What would have been held, and what is old news, is only
    counted."""
    if passing.hold is not None or passing.incident is None:
        effects = tuple(each for each in passing.effects if not isinstance(each, LookAgain))
        event = CameLate(passing.notification, passing.trace, None, facts)
        return Outcome(passing.key, passing.trace, event, effects)
    event = CameLate(passing.notification, passing.trace, passing.incident, facts)
    return Outcome(passing.key, passing.trace, event, (*passing.effects, End(passing.incident, passing.key)))


def _as(passing: Passing, event: Fired | Held | Released) -> Outcome:
    return Outcome(passing.key, passing.trace, event, passing.effects)


def _unchanged(passing: Passing) -> Outcome:
    event = CameLate(passing.notification, passing.trace) if passing.is_late else None
    return Outcome(passing.key, passing.trace, event)


# ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _ended(situation: Situation, passing: Passing) -> Outcome:
    before = passing.before
    if before is None or not before.is_firing:
        is_known = before is not None and before.fires
        why = "It has ended, as was known." if is_known else "It has ended; that it fired was not heard of."
        ended = passing.step("end", "ended", why)
        return Outcome(passing.key, ended.trace, Ended(passing.notification, ended.trace))
    why, effects = _end_of(situation, before, passing.notification.title)
    ended = passing.step("end", "ended", why)
    return Outcome(passing.key, ended.trace, Ended(passing.notification, ended.trace), effects)


def _lapsed(situation: Situation, alert: Alert, notification: Notification, facts: Facts) -> Outcome:
    length = minutes(situation.rules.without_end.total_seconds())
    why, effects = _end_of(situation, alert, f"{facts.name}: nothing more in {length}")
    trace: Trace = (
        Step("end", "ended", f"Nothing says when it is over; it fired {length} ago, at {utc(notification.at)}. {why}"),
    )
    return Outcome(alert.key, trace, Ended(None, trace), effects)


def _end_of(situation: Situation, alert: Alert, title: str) -> tuple[str, tuple[Effect, ...]]:
    """What the end of an alert that fires means to whoever was told, or wasn't."""
    no_more = LookAgain(alert.key, None)
    if alert.hold is None:
        view = situation.where(alert.key, alert.incident)
        if view is None or alert.key not in view.firing:
            return "It has ended; no incident has it any more.", (no_more,)
        return f"It has ended: incident {view.number} is told.", (End(view.number, alert.key), no_more)
    if alert.hold.by != "silence":
        return f"It has ended while it was held ({alert.hold.by}): nobody was told of it.", (no_more,)
    return _end_of_silenced(situation, alert, title, no_more)


def _end_of_silenced(
    situation: Situation, alert: Alert, title: str, no_more: LookAgain
) -> tuple[str, tuple[Effect, ...]]:
    """People who silenced something want to know when it is well."""
    number = int(alert.hold.of) if alert.hold else 0
    name = alert.facts.name if alert.facts else alert.key
    informed = Inform(
        f"notice:{alert.environment}:ended:{alert.key}:{alert.events}",
        short_form(f"{name} has ended; it was held by silence {number}."),
        (title,),
    )
    why = f"It has ended while silence {number} held it: the channel for alerts is told."
    silence = situation.silences.get(number)
    others = [
        each
        for each in situation.alerts.values()
        if each.key != alert.key and each.hold is not None and each.hold.by == "silence" and each.hold.of == str(number)
    ]
    if silence is None or silence.ended_at is not None or not silence.ends_with_alert or others:
        return why, (informed, no_more)
    over = EndSilence(number, f"{name}, the last alert that it held, has ended.")
    return f"{why} The silence was to end with it.", (informed, over, no_more)


# ── What follows from it ────────────────────────────────────────────────────────────────────────────────────────


Keep: TypeAlias = Callable[[Situation, Outcome, datetime], Situation]
"""Has an outcome take effect, and gives the situation as it is then: ``after``, or one that also writes it down."""


def run(
    situation: Situation, notification: Notification, now: datetime, keep: Keep = after
) -> tuple[Situation, tuple[Outcome, ...]]:
    """Process a notification, and look again at what it releases."""
    return _and_what_follows(situation, process(situation, notification, now), now, keep)


def run_again(
    situation: Situation, alert: Alert, now: datetime, keep: Keep = after
) -> tuple[Situation, tuple[Outcome, ...]]:
    """Look at an alert again, and at what that releases."""
    return _and_what_follows(situation, look_again(situation, alert, now), now, keep)


def _and_what_follows(
    situation: Situation, outcome: Outcome, now: datetime, keep: Keep
) -> tuple[Situation, tuple[Outcome, ...]]:
    outcomes = [outcome]
    situation = keep(situation, outcome, now)
    for key in _held_by(situation, outcome):
        again = look_again(situation, situation.alerts[key], now)
        outcomes.append(again)
        situation = keep(situation, again, now)
    return situation, tuple(outcomes)


def _held_by(situation: Situation, outcome: Outcome) -> list[str]:
    """The alerts that an alert which has ended, or a silence which is over, held."""
    over = {str(each.number) for each in outcome.effects if isinstance(each, EndSilence)}
    has_ended = isinstance(outcome.event, Ended)
    return sorted(
        alert.key
        for alert in situation.alerts.values()
        if alert.hold is not None
        and (
            (alert.hold.by == "inhibition" and has_ended and alert.hold.of == outcome.key)
            or (alert.hold.by == "silence" and alert.hold.of in over)
        )
    )
