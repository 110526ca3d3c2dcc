"""Writing down what is lost later: read side by side when an incident opens, each part bounded in time, apart from
paging. What can't be read is unknown, and why; it is never left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.collector import Unavailable, arguments_from, collect
from omc.facts.scope import Scope
from omc.incidents.events import AUTOMATIC, Captured
from omc.output.text import line
from omc.responder.evidence import EVIDENCE, MAX_ITEMS, MAX_LINE
from omc.store.deadlines import clear_deadline, due_environments, set_deadline, take_due
from omc.store.incidents import CAPTURE, decide, find, recorded, required
from omc.store.opened import Store, Transaction

LIMIT = 45.0
"""Seconds for all parts together."""
LEASE = timedelta(minutes=2)
"""So long one process reads; then another does."""
LOOK_BACK = timedelta(hours=2)
"""What came before the incident, as far as it may explain it."""
RECENT = timedelta(hours=4)
"""An incident that is older when a responder comes to it is read all the same, but no older than this."""

Read = Callable[[str], Sequence[Captured]]
"""What is to be captured of an environment now."""


def capture(store: Store, environments: Sequence[str], read: Read) -> bool:
    """Take one incident of which nothing is captured yet, and write down what is read; whether there was one."""
    with store.reading() as session:
        waiting = due_environments(session, [CAPTURE], environments, store.now())
    for environment in waiting:
        number = decide(store, environment, AUTOMATIC, lambda transaction: _take(transaction, environment))  # noqa: B023 - called at once
        if number is None:
            continue
        if number:
            _write(store, environment, number, read(environment))
        return True
    return False


def _take(transaction: Transaction, environment: str) -> int | None:
    """The incident's number; 0 where nothing is to be read of it any more; None where none is due."""
    deadline = take_due(transaction, [CAPTURE], [environment])
    if deadline is None:
        return None
    number = int(deadline.subject)
    incident = find(transaction.session, environment, number)
    if incident is None or incident.captured or transaction.at - incident.opened_at > RECENT:
        return 0
    # Whoever reads may die; the deadline stays, so that another does.
    set_deadline(transaction, CAPTURE, environment, deadline.subject, transaction.at + LEASE)
    return number


def _write(store: Store, environment: str, number: int, captured: Sequence[Captured]) -> None:
    def act(transaction: Transaction) -> None:
        incident = required(transaction.session, environment, number)
        missing = [each for each in captured if each.what not in incident.captured]
        recorded(transaction, incident, *missing)
        clear_deadline(transaction, CAPTURE, environment, str(number))

    decide(store, environment, AUTOMATIC, act)


def read_evidence(
    environment: Environment,
    store: Store,
    evidence: Mapping[str, Callable[..., tuple[str, ...]]] = EVIDENCE,
    limit: float = LIMIT,
) -> tuple[Captured, ...]:
    """Read all of it, each part in a thread of its own. One that takes longer than ``limit`` seconds is unknown, and
    ends by itself when AWS's own time limits end it."""
    scope = Scope(store.now(), LOOK_BACK)
    found: dict[str, Captured] = {}
    try:
        known: Mapping[type, Any] = {
            Gateway: Gateway(environment, access_to(environment)),
            Environment: environment,
            Scope: scope,
            Store: store,
        }
    except OmcError as error:
        return tuple(Captured(what, (), line(error.message)) for what in evidence)

    def run(what: str, function: Callable[..., tuple[str, ...]]) -> None:
        found[what] = _part(what, function, known)

    threads = [
        threading.Thread(target=run, args=each, name=f"capture {each[0]}", daemon=True) for each in evidence.items()
    ]
    for thread in threads:
        thread.start()
    _join_all(threads, limit)
    late = f"it took longer than {limit:.0f} s"
    return tuple(found.get(what) or Captured(what, (), late) for what in evidence)


def _join_all(threads: Sequence[threading.Thread], limit: float) -> None:
    done = threading.Event()

    def wait() -> None:
        for thread in threads:
            thread.join()
        done.set()

    threading.Thread(target=wait, name="capture", daemon=True).start()
    done.wait(limit)


def _part(what: str, function: Callable[..., tuple[str, ...]], known: Mapping[type, Any]) -> Captured:
    try:
        values = {**known, **collect([function], known)}
        arguments = arguments_from(function, values)
        for value in arguments.values():
            if isinstance(value, Unavailable):
                return Captured(what, (), line(value.error.message))
        lines = function(**arguments)
    except OmcError as error:
        return Captured(what, (), line(error.message))
    except Exception as error:  # noqa: BLE001 - a mistake in one part costs that part
        return Captured(what, (), f"a mistake in omc: {type(error).__name__}: {line(str(error))}")
    shown = tuple(line(each)[:MAX_LINE] for each in lines[:MAX_ITEMS])
    more = len(lines) - MAX_ITEMS
    return Captured(what, (*shown, f"and {more} more") if more > 0 else shown)
