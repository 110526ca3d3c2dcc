"""Causes at the database: the first that fits, the ones with a direct reading before those that are concluded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil

from omc.checks.causes.credits import credits_gone, spent
from omc.checks.causes.heard import LoggedError, about, cause_at, heard, still
from omc.checks.causes.logins import connection_limit, password, read_only
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.network_acls import denied_paths
from omc.checks.causes.paths import closed_by_network, closed_paths
from omc.checks.causes.pools import pools_of
from omc.checks.causes.releases import back, has_older, risen_with_release
from omc.checks.causes.vacuuming import client, dead_rows, ids_grow_old, ids_used_up
from omc.checks.causes.words import Kind, shortened
from omc.checks.finding import Evidence, Level
from omc.checks.runbook import CONNECTION_FAILURES, DATABASE_TIMEOUT
from omc.facts.collector import NO_READING
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.database_log import DatabaseLog, LockWait
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.lock_waits import DatabaseLoad, Wait
from omc.facts.followup.network_acls import NetworkAcls
from omc.times import format_duration

PLACE = "database"
WELL = frozenset({"available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring", ""})
"""Statuses in which RDS serves."""
SERVES = frozenset(
    {"modifying", "maintenance", "upgrading", "configuring-log-exports", "configuring-iam-database-auth"}
)
"""Statuses in which RDS mostly serves, and says what else there is to know."""
WAITING = 0.1
"""At least this many sessions that wait for locks, on average over the minutes looked at: 30 s of one session."""
RECURRENCE_WINDOW = timedelta(seconds=60)
"""A wait for a lock that was logged longer ago than this counts as over, unless it is measured."""
SHARE = 0.25
"""If this share of the sessions in a statement that waits for a lock are working in it, one of those holds the lock."""
SPARE = 3
"""Connections that PostgreSQL keeps for its administrators by default: with so few left it refuses others."""
ECHO = timedelta(seconds=30)
"""How long after a trouble's end services may still report it: statements that waited for it time out."""
SILENCE = (Kind.LOCK, Kind.TIMEOUT, Kind.POOL)
SAME_TIME = timedelta(seconds=10)
"""The most time between the last lines of two troubles that both go on."""
LATELY = timedelta(minutes=15)
"""How long a restart is still reported, once the database is back."""
BUSY_PERCENT = 90.0
LITTLE_STORAGE = 512 * 1024 * 1024
"""Bytes."""
SILENT = timedelta(seconds=150)
"""A database that Performance Insights hasn't measured for this long doesn't answer its agent either."""
ALIVE = timedelta(seconds=75)
"""A measurement this long after connections began to time out says the server works: readings come by the minute."""
_INSIDE = re.compile(r"function ([\w.]+)\(")
"""PostgreSQL's context of an error inside of a function or a trigger."""
BLOCKED = "db.Transactions.blocked_transactions"
OF_CLUSTERS = ("RebootDBCluster", "StopDBCluster", "ModifyDBCluster", "DeleteDBCluster", "FailoverDBCluster")
REBOOTS = ("RebootDBInstance", "StopDBInstance", "ModifyDBInstance", "DeleteDBInstance", *OF_CLUSTERS)


def database_trouble(situation: Situation) -> Iterator[Cause]:
    """At most one present cause at the database itself, and one for each closed way to it."""
    store = situation.stores.database
    if not store.name:
        return
    logged_errors = [each for each in about(store, PLACE, heard(situation)) if each.message.kind is not Kind.HOST]
    ways = (closed_paths, denied_paths)
    closed = [each for look in ways for each in look(situation, PLACE, store, logged_errors, DATABASE_TIMEOUT)]
    yield from (each for each in closed if each.is_direct)
    if any(each.is_direct for each in closed):
        return
    if not store.exists:
        if found := _status(situation, store, logged_errors):
            yield found
        return
    for look in (
        (*LOOKS, _busy) if closed else (*LOOKS, _network, _frozen, _busy, _was_restarted, ids_grow_old)
    ):  # what hangs refuses nothing
        found = look(situation, store, logged_errors)
        if found:
            yield found
        if found and found.ended is None:
            return
        if found and found.ended:  # silence while it was on, and just after, is of it
            back = found.ended + ECHO
            logged_errors = [each for each in logged_errors if each.message.kind not in SILENCE or each.last > back]
    yield from closed


def _of(logged_errors: list[LoggedError], *kinds: Kind) -> list[LoggedError]:
    return [each for each in logged_errors if each.message.kind in kinds]


_cause = partial(cause_at, PLACE, procedure=CONNECTION_FAILURES)


def _status(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    reading = reading_of(situation.fact(DataStores))
    if not store.exists:
        write = situation.changed(
            ("DeleteDBInstance", "ModifyDBInstance", "DeleteDBCluster", "ModifyDBCluster"), store.name
        )
        if not logged_errors and not write:
            return None  # a stack may do without
        sentence = f"There is no database {store.name} in this account and region."
        evidence = (Evidence(f"RDS answered that {store.name} is not found", reading), *situation.by_whom(write))
        return _cause(
            situation, "gone", store, sentence, logged_errors, evidence=evidence, since=write.at if write else None
        )
    if store.status in WELL or (store.status in SERVES and not logged_errors):
        return None
    write = situation.changed(REBOOTS, store.name, *filter(None, [store.instance]))
    event = store.events[0] if store.events else None
    latest = f" RDS's last event: {event.message.rstrip('.')}, {situation.ago(event.at)}." if event else ""
    evidence = (Evidence(f"{store.name} is {store.status}", reading), *situation.by_whom(write))
    sentence = f"The database is {store.status}, not available.{latest}"
    return _cause(
        situation,
        "not-available",
        store,
        sentence,
        logged_errors,
        evidence=evidence,
        since=write.at if write else event and event.at,
    )


def _slow(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """A statement that works (or sleeps in a trigger) for longer than it may: what waits for its locks waits for it.
    Without credits every statement does."""
    if spent(situation, store):
        return None
    cut = [each for each in still(situation, logged_errors, Kind.LOCK) if "statement timeout" in each.message.line]
    load = situation.fact(DatabaseLoad)
    waits = load.waits if load else ()
    held = {wait.statement: wait.sessions for wait in reversed(waits) if wait.kind.lower() == "lock"}
    busy = [
        wait
        for wait in waits
        if wait.kind.lower() not in ("lock", "client")
        and wait.sessions >= min(WAITING, held.get(wait.statement, 1.0) * SHARE)
    ]
    # One that others wait for and that waits for none itself is found by the locks.
    own = [wait for wait in busy if not held or wait.statement in held]
    idle = load.counters.get("db.state.idle_in_transaction_max_time", 0.0) if load else 0.0
    if not cut or not own or (held and idle >= 1):
        return None
    top = own[0]
    sentence = (
        f"A statement of {cut[0].service or 'a service'} takes too long, and is cut off by its statement timeout: "
        f'"{shortened(top.statement)[:90]}".'
    )
    if inside := _INSIDE.search(cut[0].message.line):
        sentence += f" It runs the function {inside[1]}()."
    evidence = _of_waits(own, load)
    return _cause(situation, "slow", store, sentence, cut, evidence=evidence, procedure=DATABASE_TIMEOUT)


def _lock(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    load, log = situation.fact(DatabaseLoad), situation.fact(DatabaseLog)
    waits = [wait for wait in load.waits if wait.kind.lower() == "lock"] if load else []
    sessions = sum(wait.sessions for wait in waits)
    blocked = load.counters.get(BLOCKED, 0.0) if load else 0.0
    lock_waits = (
        [wait for wait in log.waits if not wait.is_over and situation.scope.now - wait.at < timedelta(minutes=5)]
        if log
        else []
    )
    # A wait of a moment is every database's; one that is still on, or that is told again and again, is not.
    newest, last = load.newest if load else None, max((wait.at for wait in lock_waits), default=None)
    at = load.times.get(BLOCKED, newest) if load else None
    is_measured = blocked >= 1 and at is not None and situation.scope.now - at <= ALIVE
    is_over = newest is not None and last is not None and newest > last and blocked < 1
    is_told = last is not None and situation.scope.now - last <= RECURRENCE_WINDOW and not is_over
    if not is_told and not (is_measured and sessions >= WAITING):
        was = max((each for each in (last, load.above.get(BLOCKED) if load else None) if each), default=at)
        return _lock_that_was(situation, store, waits, was) if sessions >= WAITING else None
    holder, on_what = _holder(lock_waits)
    idle = load.counters.get("db.state.idle_in_transaction_max_time", 0.0) if load else 0.0
    long = format_duration(timedelta(seconds=idle)) if idle >= 1 else ""
    who = client(load.idle) if load and load.idle and long else ""
    sentence = (
        f"{ceil(blocked)} sessions wait for a lock in the database"
        if blocked > 1
        else "A session waits for a lock in the database"
    )
    if waits:
        sentence += f', in "{shortened(waits[0].statement)[:90]}"'
    sentence += "."
    if holder:
        sentence += f" Process {holder} holds it{on_what}{f', probably {who}' if who else ''}"
        sentence += f", idle in its transaction for {long}." if long else "."
    elif long:
        session = f"{who[0].upper()}{who[1:]}" if who else "A session"
        sentence += f" {session} has been idle in its transaction for {long} and may hold it."
    evidence = _of_waits(waits, load)
    evidence += [
        Evidence(
            f"database log, {situation.when(wait.at)}: process {wait.process} ({wait.user}) waits for {wait.mode} "
            f"on {wait.what}",
            reading_of(log),
        )
        for wait in lock_waits[:2]
    ]
    if who:
        seen = f"Performance Insights: {who} has waited for its client in a transaction for most of the last minute"
        evidence.append(Evidence(seen, reading_of(load)))
    if holder:
        evidence.append(
            Evidence(
                f"to end the session that holds it, in the database: SELECT pg_terminate_backend({holder})",
                reading_of(log),
            )
        )
    started = min((wait.at for wait in lock_waits), default=None)
    return _cause(
        situation,
        "locked",
        store,
        sentence,
        _of(logged_errors, Kind.LOCK, Kind.TIMEOUT),
        evidence=tuple(evidence),
        since=started,
    )


def _lock_that_was(situation: Situation, store: Store, waits: Sequence[Wait], ended: datetime | None) -> Cause | None:
    """Performance Insights tells of minutes; nobody waits in the newest of its samples, or they are old."""
    if ended is None:
        return None
    text = f'Sessions waited for a lock in the database, in "{shortened(waits[0].statement)[:90]}". None waits now.'
    message = f"Performance Insights: {waits[0].sessions:.1f} sessions on {waits[0].kind}:{waits[0].event} on average"
    evidence = (Evidence(message, reading_of(situation.fact(DatabaseLoad))),)
    return _cause(situation, "locked", store, text, (), evidence=evidence, ended=ended, level=Level.WARN)


def _of_waits(waits: Sequence[Wait], load: DatabaseLoad | None) -> list[Evidence]:
    """What Performance Insights shows of the two most."""
    return [
        Evidence(
            f"Performance Insights: {wait.sessions:.1f} sessions on {wait.kind}:{wait.event} in {wait.statement}",
            reading_of(load),
        )
        for wait in waits[:2]
    ]


def _holder(waits: list[LockWait]) -> tuple[int, str]:
    """The process that most sessions wait for and that waits for none itself; 0 where the log names none."""
    waiting = {wait.process for wait in waits}
    counts: dict[int, int] = {}
    for wait in waits:
        for process in wait.holders:
            counts[process] = counts.get(process, 0) + 1
    roots = [process for process in counts if process not in waiting] or list(counts)
    if not roots:
        return 0, ""
    holder = max(roots, key=lambda process: counts[process])
    what = next((wait.what for wait in waits if holder in wait.holders), "")
    return holder, f" (on {what})" if what else ""


def _connections(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    full = _of(logged_errors, Kind.CONNECTIONS)
    load = situation.fact(DatabaseLoad)
    counters = load.counters if load else {}
    used, most = counters.get("db.User.numbackends", 0.0), counters.get("db.User.max_connections", 0.0)
    newest, last = load.newest if load else None, max((each.last for each in full), default=None)
    is_full = bool(most and used >= most - SPARE)
    is_over = bool(last and newest and newest > last and most and not is_full)
    if is_over or (not full and not is_full):
        return None
    if most and used < most / 2 and newest and full and newest >= min(each.first for each in full):
        return _refused(situation, store, full, f"{used:.0f} of {most:.0f}")
    numbers = f": {used:.0f} of {most:.0f} are in use" if most and used >= most / 2 else ""
    idle = counters.get("db.state.idle_count", 0.0)
    sentence = f"The database takes no further connection{numbers}"
    sentence += f", {idle:.0f} of them idle sessions." if numbers and idle >= used / 2 else "."
    evidence = (
        (Evidence(f"Performance Insights: {used:.0f} connections of {most:.0f}, {idle:.0f} idle", reading_of(load)),)
        if most
        else ()
    )
    if (pools := pools_of(situation)) and most and pools.total > most:
        sentence += f" {pools.sentence}, more than the database's {most:.0f}."
        return _cause(situation, "pool-too-large", store, sentence, full, evidence=(*evidence, *pools.evidence))
    gauges = situation.fact(Gauges)
    points = gauges.database.get("DatabaseConnections", ()) if gauges else ()
    risen = risen_with_release(situation, points, used, most / 4) if numbers else None
    if risen is None:
        return _cause(situation, "connections", store, sentence, full, evidence=evidence)
    service, new, before = risen
    sentence += f" They were {before:.0f} before {new.task_definition} was deployed, {situation.ago(new.created)}."
    evidence = (*evidence, Evidence(f"DatabaseConnections at most {before:.0f} before", reading_of(gauges)))
    procedure = back(situation, service) if has_older(service, new) else CONNECTION_FAILURES
    return _cause(situation, "connections", store, sentence, full, evidence=evidence, procedure=procedure)


def _refused(situation: Situation, store: Store, full: list[LoggedError], numbers: str) -> Cause:
    """Somebody calls it full, and it was measured since, and is not: a limit elsewhere, such as a proxy's."""
    text = f"{full[0].service or 'A service'} is refused connections to the database, though {numbers} are in use: "
    evidence = (Evidence(f"Performance Insights: {numbers} connections", reading_of(situation.fact(DatabaseLoad))),)
    return _cause(
        situation, "connections", store, f"{text}{full[0].message.line.rstrip('.')}.", full, evidence=evidence
    )


def _storage(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    gauges, full = situation.fact(Gauges), _of(logged_errors, Kind.DISK)
    points = gauges.database.get("FreeStorageSpace", ()) if gauges else ()
    free = points[-1][1] if points else None
    if not full and (free is None or free >= LITTLE_STORAGE):
        return None
    left = f": {free / 1024**2:,.0f} MiB are left" if free is not None else ""
    evidence = (Evidence(f"FreeStorageSpace {free:,.0f} bytes", reading_of(gauges)),) if free is not None else ()
    return _cause(situation, "storage-full", store, f"The database's storage is full{left}.", full, evidence=evidence)


def _schema(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    wrong = _of(logged_errors, Kind.SCHEMA, Kind.PERMISSION)
    if not wrong:
        return None
    newest = max(each.last for each in wrong)
    first = next(each for each in wrong if newest - each.last <= SAME_TIME)  # not what was mended just now
    if first.message.kind is Kind.SCHEMA:
        sentence = f"The database's schema isn't what {first.service or 'the code'} needs: {first.message.line}."
    else:
        sentence = (
            f"The database's user lacks a permission that {first.service or 'the code'} needs: {first.message.line}."
        )
    return _cause(situation, "schema", store, sentence.replace("..", "."), wrong, is_direct=False, procedure=None)


def _refuses(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    wrong = still(situation, logged_errors, Kind.STARTING, Kind.REFUSED)
    if not wrong:
        return None
    happened = _restart(situation, store)
    text = {
        Kind.STARTING: "The database is starting or recovering, and takes no connection yet",
        Kind.REFUSED: "Nothing listens at the database's port: its server is down",
    }[wrong[0].message.kind]
    tail = f", since {happened[0]}" if happened else ""
    return _cause(
        situation,
        "down",
        store,
        f"{text}{tail}.",
        wrong,
        since=happened[1] if happened else _begin(wrong),
        evidence=situation.by_whom(situation.changed(REBOOTS, store.name)),
    )


def _restart(situation: Situation, store: Store) -> tuple[str, datetime] | None:
    for event in store.events:
        if any(
            word in event.message.lower()
            for word in ("restart", "failover", "shutdown", "reboot", "stopped", "recovery")
        ):
            return f'"{event.message.rstrip(".")}" {situation.ago(event.at)}', event.at
    return None


def _was_restarted(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """It is back, as far as anybody says: told as past, since tasks and requests may have failed for it."""
    happened = _restart(situation, store)
    if happened is None or situation.scope.now - happened[1] > LATELY or still(situation, logged_errors, *SILENCE):
        return None
    event = next(each for each in store.events if each.at == happened[1])
    text = f"The database was down {situation.ago(event.at)}: {event.message.rstrip('.')}. It is back."
    message = f"RDS's event, {situation.when(event.at)}: {event.message}"
    evidence = (
        Evidence(message, reading_of(situation.fact(DataStores))),
        *situation.by_whom(situation.changed(REBOOTS, store.name)),
    )
    return _cause(
        situation,
        "restarted",
        store,
        text,
        (),
        evidence=evidence,
        since=event.at,
        ended=event.at,
        serves=True,
        level=Level.WARN,
    )


def _begin(logged_errors: list[LoggedError]) -> datetime | None:
    return min((each.first for each in logged_errors), default=None)


def _network(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    load = situation.fact(DatabaseLoad)
    if load and not load.is_off and load.newest and situation.scope.now - load.newest > SILENT:
        return None  # its own agent hears nothing of it either
    return closed_by_network(situation, PLACE, store, logged_errors, DATABASE_TIMEOUT)


def _frozen(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    """Available by RDS's word, the way open, and nobody gets an answer."""
    silent = still(situation, logged_errors, Kind.TIMEOUT)
    load = situation.fact(DatabaseLoad)
    newest = load.newest if load else None
    started = _begin(silent)
    if not silent or started is None or (newest and newest > started + ALIVE):
        return None
    is_silent = bool(load and not load.is_off and (newest is None or situation.scope.now - newest > SILENT))
    quiet = ""
    if is_silent:
        quiet = f", and Performance Insights has had no data from it {_for(situation, newest)}"
    acls = situation.fact(NetworkAcls)
    is_judged = bool(acls and acls.rules and acls.database)
    otherwise = (
        f"RDS calls it {store.status}, and its security groups {'and network ACLs ' if is_judged else ''}are open."
        + ("" if is_silent or is_judged else " A network ACL or a route may close the way.")
        if situation.fact(DataStores)
        else "Its status in RDS, and whether the way to it is open, could not be read."
    )
    sentence = f"The database doesn't answer: connections to it time out{quiet}. {otherwise}"
    evidence = (
        (Evidence(f"newest reading of the database: {situation.when(newest)}", reading_of(load)),) if newest else ()
    )
    if not is_silent and not is_judged:
        unread = "network ACLs and routes were not read: aws ec2 describe-network-acls; aws ec2 describe-route-tables"
        evidence = (*evidence, Evidence(unread, NO_READING))
    since = max(started, newest) if newest and is_silent else started
    return _cause(situation, "hangs", store, sentence, silent, evidence=evidence, since=since, is_direct=is_silent)


def _for(situation: Situation, newest: datetime | None) -> str:
    return f"for {format_duration(situation.scope.now - newest)}" if newest else "in the last minutes"


def _busy(situation: Situation, store: Store, logged_errors: list[LoggedError]) -> Cause | None:
    gauges, load = situation.fact(Gauges), situation.fact(DatabaseLoad)
    points = gauges.database.get("CPUUtilization", ()) if gauges else ()
    recent = [value for _, value in points[-3:]]
    if len(recent) < 3 or min(recent) < BUSY_PERCENT:
        return None
    top = load.waits[0] if load and load.waits else None
    most = f' Most of it is "{shortened(top.statement)[:90]}".' if top and top.statement else ""
    evidence = (Evidence(f"CPUUtilization {', '.join(f'{value:.0f} %' for value in recent)}", reading_of(gauges)),)
    first = next((at for at, value in points if value >= BUSY_PERCENT), None)
    sentence = (
        f"The database is busy: at least {min(recent):.0f} % CPU in each of its last {len(recent)} readings.{most}"
    )
    return _cause(
        situation,
        "busy",
        store,
        sentence,
        logged_errors,
        evidence=evidence,
        since=first,
        level=Level.WARN if not logged_errors else Level.FAIL,
    )


LOOKS: tuple[Callable[[Situation, Store, list[LoggedError]], Cause | None], ...] = (
    *(_status, ids_used_up, password, dead_rows, _slow, _lock, connection_limit, _connections, _storage, _schema),
    *(read_only, credits_gone, _refuses),
)
