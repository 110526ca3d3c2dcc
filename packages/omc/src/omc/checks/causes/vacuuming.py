"""Vacuuming that can't get on, and what comes of it: dead rows that statements read through, and transaction ids that
grow old until PostgreSQL gives out no new ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from omc.checks.causes.heard import LoggedError, cause_at
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.words import Kind, shortened
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import DATABASE_TIMEOUT
from omc.facts.collector import NO_READING
from omc.facts.followup.data_stores import Store
from omc.facts.followup.database_log import DatabaseLog, Vacuum
from omc.facts.followup.gauges import Gauges, Points
from omc.facts.followup.lock_waits import LONGEST_IDLE, DatabaseLoad, IdleSession, Wait
from omc.judgement.vacuuming import LEAST_DEAD, VERY_OLD, WRAPAROUND
from omc.times import format_duration

PLACE = "database"
AGES = "MaximumUsedTransactionIDs"
WORKING = 0.1
"""Sessions in the statement, on average over the minutes looked at: of fewer, nothing slow comes."""
HALF = 0.5
"""Share of a table's rows that are dead: from there on a scan takes twice as long for them."""
LONG = 60.0
"""Seconds without a statement, in a transaction: one that has been open for less keeps no vacuuming back."""
DAY = timedelta(days=1)
WHO = (
    "to see what keeps vacuuming back, in the database: SELECT pid, usename, state, age(backend_xmin), query FROM "
    "pg_stat_activity ORDER BY age(backend_xmin) DESC NULLS LAST; SELECT * FROM pg_prepared_xacts; "
    "SELECT slot_name, age(xmin), age(catalog_xmin) FROM pg_replication_slots"
)
"""Source: PostgreSQL documentation, Preventing Transaction ID Wraparound Failures."""
_NO_CHECK: frozenset[str] = frozenset()


def client(session: IdleSession) -> str:
    """``a session of user jo, application pgadmin-lunch``."""
    application = f", application {session.application}" if session.application else ""
    return f"a session of user {session.user}{application}"


def dead_rows(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """Statements work in a table that holds as many dead rows as live ones, which the newest vacuuming had to leave.
    Where sessions wait for locks, those are the matter."""
    load, log = situation.fact(DatabaseLoad), situation.fact(DatabaseLog)
    waits = load.waits if load else ()
    if any(wait.kind.lower() == "lock" and wait.sessions >= WORKING for wait in waits):
        return None
    found = next(_worked_in(waits, log.vacuums if log else ()), None)
    if found is None:
        return None
    wait, vacuum = found
    live = max(0, vacuum.remain - vacuum.dead)
    name = vacuum.table.rpartition(".")[2]
    sentence = (
        f"Most of the database's work goes through dead rows: vacuuming had to leave {vacuum.dead:,} in {name}, beside "
        f'{live:,} live ones, which "{shortened(wait.statement)[:90]}" reads.{_holder(load)}'
    )
    evidence = (
        Evidence(
            f"database log, {situation.when(vacuum.at)}: automatic vacuum of {vacuum.table}: {vacuum.remain:,} rows "
            f"remain, {vacuum.dead:,} are dead but not yet removable",
            reading_of(log),
        ),
        Evidence(
            f"Performance Insights: {wait.sessions:.1f} sessions on {wait.kind}:{wait.event} in {wait.statement}",
            reading_of(load),
        ),
        Evidence(WHO, NO_READING),
    )
    cut = [each for each in logged_errors if each.message.kind in (Kind.LOCK, Kind.TIMEOUT, Kind.POOL)]
    return cause_at(
        PLACE,
        situation,
        "dead-rows",
        store,
        sentence,
        cut,
        evidence,
        procedure=DATABASE_TIMEOUT,
        level=Level.FAIL if cut else Level.WARN,
    )


def _worked_in(waits: tuple[Wait, ...], vacuums: tuple[Vacuum, ...]) -> Iterator[tuple[Wait, Vacuum]]:
    """The busiest statement first: one that isn't of a table with dead rows is what the database works at."""
    for wait in waits:
        if wait.kind.lower() in ("lock", "client") or wait.event.lower().startswith("wal") or wait.sessions < WORKING:
            continue  # nor does writing the log of changes take longer for dead rows
        for vacuum in vacuums:
            name = re.escape(vacuum.table.rpartition(".")[2])
            is_named = re.search(rf"(?<![\w$]){name}(?![\w$])", wait.statement, re.IGNORECASE)
            if is_named and vacuum.dead >= max(LEAST_DEAD, HALF * vacuum.remain):
                yield wait, vacuum
        return


def ids_used_up(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """PostgreSQL refuses what needs a new transaction id; reads go on."""
    refused = [each for each in logged_errors if each.message.kind is Kind.WRAPAROUND]
    points = _ages(situation)
    is_old = bool(points and points[-1][1] >= WRAPAROUND)
    # A newer figure, once it has been vacuumed, says that it is over.
    last = max((each.last for each in refused), default=None)
    is_over = bool(points and not is_old and (last is None or points[-1][0] > last))
    if is_over or not (refused or is_old):
        return None
    age = f": its oldest one is {points[-1][1] / 1e6:,.0f} million old" if points and is_old else ""
    load = situation.fact(DatabaseLoad)
    sentence = f"The database gives out no new transaction ids and refuses writes{age}.{_holder(load)}"
    evidence = (*_age(situation, points), Evidence(WHO, NO_READING))
    return cause_at(
        PLACE,
        situation,
        "transaction-ids",
        store,
        sentence,
        refused,
        evidence,
        procedure=None,
        since=next((at for at, value in points if value >= WRAPAROUND), None) if is_old and not refused else None,
    )


def ids_grow_old(situation: Situation, store: Store, _: list[LoggedError]) -> Cause | None:
    """It is on the way there, and nobody suffers yet: it explains nothing, and is told all the same."""
    points = _ages(situation)
    if not points or points[-1][1] < VERY_OLD:
        return None
    (began, first), (at, newest) = points[0], points[-1]
    a_day = (newest - first) / ((at - began) / DAY) if at > began else 0.0
    left = f" At the last minutes' rate that is in {format_duration((WRAPAROUND - newest) / a_day * DAY)}."
    sentence = (
        f"The database's oldest transaction id is {newest / 1e6:,.0f} million old: vacuuming is far behind, and from "
        f"{WRAPAROUND / 1e6:,.0f} million on PostgreSQL refuses writes.{left if a_day > 0 else ''}"
        f"{_holder(situation.fact(DatabaseLoad))}"
    )
    return cause_at(
        PLACE,
        situation,
        "transaction-ids",
        store,
        sentence,
        (),
        (*_age(situation, points), Evidence(WHO, NO_READING)),
        procedure=None,
        level=Level.WARN,
        serves=True,
        checks=_NO_CHECK,
    )


def _ages(situation: Situation) -> Points:
    gauges = situation.fact(Gauges)
    return gauges.database.get(AGES, ()) if gauges else ()


def _age(situation: Situation, points: Points) -> tuple[Evidence, ...]:
    return (Evidence(f"{AGES} {points[-1][1]:,.0f}", reading_of(situation.fact(Gauges))),) if points else ()


def _holder(load: DatabaseLoad | None) -> str:
    """Who has been idle in a transaction, as far as Performance Insights tells; it may be what keeps vacuuming back."""
    idle = load.counters.get(LONGEST_IDLE, 0.0) if load else 0.0
    if load is None or idle < LONG:
        return ""
    who = client(load.idle) if load.idle else "a session"
    long = format_duration(timedelta(seconds=idle))
    return f" {who[0].upper()}{who[1:]} has been idle in its transaction for {long}, which may keep vacuuming back."
