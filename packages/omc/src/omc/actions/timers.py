"""Timers as steps of a plan: set so that a run that dies after its effect still gives it back, cancelled as an undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.model.arguments.base import known
from omc.model.arguments.timers import CancelTimer, SetTimer
from omc.model.plan import Json
from omc.store import timers
from omc.store.models import Run, Timer


def _is_applied(context: Context, arguments: SetTimer) -> bool:
    """Setting it twice gives the one that there is."""
    return False


def _set(context: Context, arguments: SetTimer) -> Mapping[str, Json]:
    with context.store.reading() as session:
        run = session.get_one(Run, context.run)
    timer = timers.set_timer(
        context.store,
        context.environment.name,
        arguments.procedure,
        arguments.request,
        context.now() + timedelta(seconds=arguments.seconds),
        why=arguments.why,
        actor=run.actor,
        made_by=context.run,
    )
    return {"timer": timer.id, "due_at": timer.due_at.isoformat()}


def _poll(context: Context, arguments: SetTimer) -> Outcome:
    work = f"omc worker --env {context.environment.name}"
    sentence = f"The timer is set: {arguments.why}. See: omc runs list; a worker performs it: {work}"
    return Outcome(Verdict.SUCCEEDED, sentence, dict(context.state), dict(context.state))


def _is_over(context: Context, arguments: CancelTimer) -> bool:
    with context.store.reading() as session:
        timer = session.get(Timer, known(arguments.timer))
        return timer is None or timer.state != timers.PENDING


def _cancel(context: Context, arguments: CancelTimer) -> Mapping[str, Json]:
    timers.cancel(context.store, known(arguments.timer), f"run {context.run}")
    return {}


def _watch_cancelled(context: Context, arguments: CancelTimer) -> Outcome:
    return Outcome(Verdict.SUCCEEDED, known(arguments.saying) or "The timer won't run.")


def _by_hand(environment: Environment, arguments: SetTimer | CancelTimer) -> Sequence[str]:
    return ()


register(Action(SetTimer, _set, _is_applied, _poll, _by_hand))
register(Action(CancelTimer, _cancel, _is_over, _watch_cancelled, _by_hand))
