"""``maintenance.schedule``: write an approved maintenance down as the first event of its stream.

Outputs: ``number``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.model.arguments.maintenance import ScheduleMaintenance
from omc.model.maintenance import KIND, NOTICE, SCHEDULING, Scheduled, stream_of
from omc.model.plan import Json
from omc.store import eventlog
from omc.store.deadlines import set_deadline
from omc.store.models import Run
from omc.times import format_time

if TYPE_CHECKING:
    from omc.store.opened import Transaction


def _is_applied(context: Context, arguments: ScheduleMaintenance) -> bool:
    with context.store.reading() as session:
        streams = eventlog.read_streams(session, SCHEDULING, context.environment.name)
    for stream, events in streams.items():
        first = events[0].payload
        if isinstance(first, Scheduled) and first.run == context.run:
            context.checkpoint({"number": int(stream.id)})
            return True
    return False


def _schedule(context: Context, arguments: ScheduleMaintenance) -> Mapping[str, Json]:
    name = context.environment.name
    with context.store.reading() as session:
        run = session.get_one(Run, context.run)
    scheduled = Scheduled(
        title=arguments.title,
        begin=arguments.begin,
        end=arguments.end,
        steps=arguments.steps,
        silences=arguments.silences,
        watch_seconds=arguments.watch_seconds,
        run=context.run,
        outside=str(run.plan["request"].get("override", "")),
        public=arguments.public,
        affects=arguments.affects,
    )

    def write(transaction: Transaction) -> int:
        number = eventlog.last_number(transaction.session, KIND, name) + 1
        eventlog.append(transaction, SCHEDULING, stream_of(name, number), scheduled, seen=0)
        set_deadline(transaction, NOTICE, name, str(number), transaction.at)
        return number

    return {"number": eventlog.retry_on_conflict(context.store, run.actor, (KIND, name), write)}


def _poll(context: Context, arguments: ScheduleMaintenance) -> Outcome:
    number, environment = context.state["number"], context.environment
    begin = format_time(arguments.begin, environment.time_zone)
    sentence = (
        f"Maintenance {number} of {environment.name} is scheduled for {begin}. To prepare and perform it: "
        f"omc maintenance start {number} --env {environment.name}"
    )
    return Outcome(Verdict.SUCCEEDED, sentence, {"number": number}, {"number": number})


def _by_hand(environment: Environment, arguments: ScheduleMaintenance) -> Sequence[str]:
    return ()


register(Action(ScheduleMaintenance, _schedule, _is_applied, _poll, _by_hand))
