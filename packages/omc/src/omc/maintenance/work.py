"""Maintenances in processes that stay: a worker goes on with those that were started, and whoever watches over an
environment sees when a window has ended too early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from omc.config import Stack
from omc.engine.actors import Actor
from omc.engine.planning import RunContext
from omc.engine.runner import Reporter
from omc.errors import Missing
from omc.maintenance.model import Maintenance, Noticed, Overran, replay
from omc.maintenance.notices import due, next_at, sentence
from omc.maintenance.plan import AwaitPerson, Decision, Over, RecordOverrun, Wait, decide
from omc.maintenance.records import AUTOMATIC, END, WAKE, append, events_of, message_to, of_environment
from omc.maintenance.run import Performer, overrun_message
from omc.model.maintenance import KIND, NOTICE
from omc.store import eventlog
from omc.store.deadlines import clear_deadline, due_environments, set_deadline, take_due
from omc.store.outbox import enqueue

if TYPE_CHECKING:
    from datetime import datetime

    from omc.store.opened import Store, Transaction

CLAIM_TTL = timedelta(seconds=30)
"""How long one process has a maintenance to itself; two at once would do no harm, only the same readings twice."""
LOOK_INTERVAL = timedelta(minutes=1)
"""Between two looks at one that waits for a person, who wakes it anyhow."""


def look(store: Store, environment: str, site_of: Callable[[], RunContext], actor: Actor, reporter: Reporter) -> bool:
    """Go on with one maintenance of the environment that is due; whether one was. Its runs are left to the worker's own
    loop."""
    number = _take(store, environment)
    if number is None:
        return False
    performer = Performer(site_of(), number, actor, reporter, performs_runs=False)
    decision = performer.work()
    _set_next(store, environment, number, decision)
    return True


def _take(store: Store, environment: str) -> int | None:
    with store.reading() as session:
        if not due_environments(session, [WAKE], [environment], store.now()):
            return None
    with store.transaction() as transaction:
        due = take_due(transaction, [WAKE], [environment])
        if due is None:
            return None
        set_deadline(transaction, WAKE, environment, due.subject, transaction.at + CLAIM_TTL)
        return int(due.subject)


def _set_next(store: Store, environment: str, number: int, decision: Decision) -> None:
    """When it is looked at next; as whoever appended to it meanwhile said, where somebody did."""
    with store.transaction() as transaction:
        eventlog.wait_turn(transaction, (KIND, environment))
        found = replay(environment, number, events_of(transaction.session, environment, number))
        at = next_look(decision, transaction.at)
        if at is None:
            clear_deadline(transaction, WAKE, environment, str(number))
        elif _is_newer(transaction, found, decision):
            set_deadline(transaction, WAKE, environment, str(number), transaction.at)
        else:
            set_deadline(transaction, WAKE, environment, str(number), at)


def _is_newer(transaction: Transaction, found: Maintenance, decision: Decision) -> bool:
    """Whether something else comes next than what kept it: a person was there in between."""
    now = decide(found, transaction.at, timedelta(days=1))
    return type(now) is not type(decision) and not isinstance(decision, Wait)


def next_look(decision: Decision, now: datetime) -> datetime | None:
    """None: never."""
    match decision:
        case Over():
            return None
        case Wait(until):
            return until
        case AwaitPerson(until=until) if until is not None:
            return min(until, now + LOOK_INTERVAL)
    return now + LOOK_INTERVAL


def watch_over(store: Store, stack: Stack, environments: Sequence[str]) -> bool:
    """Write down that a window has ended before its last step did; whether one had. For whoever has no right to go on
    with it: whoever performs it may be dead, or busy with a step."""
    with store.reading() as session:
        due = due_environments(session, [END], environments, store.now())
    ended = [_ended(store, stack, environment) for environment in due]
    return any(ended)


def _ended(store: Store, stack: Stack, environment: str) -> bool:
    def attempt(transaction: Transaction) -> bool:
        deadline = take_due(transaction, [END], [environment])
        if deadline is None:
            return False
        number = int(deadline.subject)
        try:
            found = replay(environment, number, events_of(transaction.session, environment, number))
        except Missing:
            return True
        if isinstance(decide(found, transaction.at), RecordOverrun):
            if message := overrun_message(stack, found):
                enqueue(transaction, message)
            append(transaction, found, Overran())
        return True

    return eventlog.retry_on_conflict(store, AUTOMATIC, (KIND, environment), attempt)


def tell_notices(store: Store, stack: Stack, environments: Sequence[str]) -> bool:
    """Tell the channel what is due of each maintenance; whether something was."""
    with store.reading() as session:
        waiting = due_environments(session, [NOTICE], environments, store.now())
    was_due = [_tell(store, stack, environment) for environment in waiting]
    return any(was_due)


def _tell(store: Store, stack: Stack, environment: str) -> bool:
    zone = stack.environments[environment].time_zone

    def attempt(transaction: Transaction) -> bool:
        deadline = take_due(transaction, [NOTICE], [environment])
        if deadline is None:
            return False
        number = int(deadline.subject)
        try:
            found = replay(environment, number, events_of(transaction.session, environment, number))
        except Missing:
            return True
        notice = due(found, transaction.at)
        if notice is not None:
            words, what = sentence(found, notice, transaction.at, zone), notice.name.replace(" ", "-")
            if message := message_to(stack, found, f"notice.{what}", words):
                enqueue(transaction, message)
            found = append(transaction, found, Noticed(notice.name), wake=None)
        at = next_at(found, transaction.at)
        if at is not None:
            set_deadline(transaction, NOTICE, environment, deadline.subject, at)
        return True

    return eventlog.retry_on_conflict(store, AUTOMATIC, (KIND, environment), attempt)


def overran(store: Store, environment: str) -> tuple[Maintenance, ...]:
    """Those whose window ended before their last step did, the newest first."""
    return tuple(each for each in of_environment(store, environment) if each.overran_at is not None)
