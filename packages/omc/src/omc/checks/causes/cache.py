"""Causes at the cache: the first that fits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from omc.checks.cache import FELT, NAME, PLACE
from omc.checks.causes.heard import LoggedError, about, cause_at, heard, is_about, still
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.network_acls import denied_paths
from omc.checks.causes.paths import closed_by_network, closed_paths
from omc.checks.causes.places import watched_by
from omc.checks.causes.releases import missed_by_release
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import CACHE_FAILURES, CACHE_HIT_RATE
from omc.facts.alarms import Alarms
from omc.facts.followup.data_stores import DataStores, Store, StoreEvent
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules
from omc.times import format_duration

WELL = frozenset({"available", "snapshotting", ""})
LATELY = timedelta(minutes=15)
"""How long a restart can explain an empty cache."""
NEAR = timedelta(minutes=2)
"""A restart this close to the minute in which the items disappeared is the reason."""
ECHO = timedelta(seconds=30)
"""How long after the cache is back services may still report it."""
QUIET = timedelta(minutes=2)
"""If a cache has had no figures for this long, they aren't merely late."""
WRITES = (
    "RebootCacheCluster",
    "ModifyReplicationGroup",
    "TestFailover",
    "DeleteReplicationGroup",
    "ModifyCacheCluster",
)


def cache_trouble(situation: Situation) -> Iterator[Cause]:
    """At most one present cause at the cache itself and one that is over, and one for each closed way
    to it."""
    store = situation.stores.cache
    if not store.name:
        return
    logged_errors = [each for each in about(store, PLACE, heard(situation)) if each.message.kind is not Kind.HOST]
    ways = (closed_paths, denied_paths)
    closed = [each for look in ways for each in look(situation, PLACE, store, logged_errors, CACHE_FAILURES)]
    yield from (each for each in closed if each.is_direct)
    if any(each.is_direct for each in closed):
        return
    ill = [each for each in situation.findings if each.place == PLACE and each.level in (Level.WARN, Level.FAIL)]
    over: Cause | None = None
    looks = (_status, _login, _too_small, _restarted, _flushed)
    for look in looks if closed else (*looks, _of_release, _network, _silent):
        found = look(situation, store, logged_errors, ill)
        if found and found.ended is None:
            yield found
            break
        if found and found.ended:
            over, back = over or found, found.ended + ECHO
            logged_errors = [each for each in logged_errors if each.last > back]
    else:
        yield from closed
    if over:
        yield over


_cause = partial(cause_at, PLACE, procedure=CACHE_FAILURES)


def _status(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    reading = reading_of(situation.fact(DataStores))
    write = situation.changed(WRITES, store.name, *(store.members or ()))
    if not store.exists:
        if not logged_errors and not write:
            return None  # a stack may do without
        evidence = (
            Evidence(f"ElastiCache answered that {store.name} is not found", reading),
            *situation.by_whom(write),
        )
        sentence = f"There is no cache {store.name} in this account and region."
        return _cause(
            situation, "gone", store, sentence, logged_errors, evidence=evidence, since=write.at if write else None
        )
    ill = {name: status for name, status in (store.members or {}).items() if status not in WELL}
    if store.status in WELL and not ill:
        return None
    what = " and ".join(f"{name} is {status}" for name, status in ill.items()) or f"it is {store.status}"
    evidence = (Evidence(f"{store.name} is {store.status}; {what}", reading), *situation.by_whom(write))
    return _cause(
        situation,
        "not-available",
        store,
        f"The cache is not fully available: {what}.",
        logged_errors,
        evidence=evidence,
        since=write.at if write else None,
        level=Level.FAIL if store.status not in WELL or logged_errors else Level.WARN,
    )


def _login(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    wrong = [each for each in logged_errors if each.message.kind in (Kind.PASSWORD, Kind.CERTIFICATE)]
    if not wrong:
        return None
    what = "login" if wrong[0].message.kind is Kind.PASSWORD else "encryption"
    return _cause(
        situation, what, store, f"The cache and the services don't agree on {what}: {wrong[0].message.line}.", wrong
    )


def _too_small(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    gauges = situation.fact(Gauges)
    full = [each for each in logged_errors if each.message.kind is Kind.FULL]
    evicted = _recent(situation, gauges, "Evictions", timedelta(minutes=6))
    used = _last(gauges, "DatabaseMemoryUsagePercentage")
    if not full and not (evicted and used >= 80):
        return None
    keys = f"; it evicted {evicted:,.0f} keys in the last 6 minutes" if evicted else ""
    sentence = f"The cache is too small: {used:.0f} % of the memory of {store.size} is in use{keys}."
    evidence = (Evidence(f"DatabaseMemoryUsagePercentage {used:.0f} %, Evictions {evicted:,.0f}", reading_of(gauges)),)
    started = next((at for at, value in (gauges.cache.get("Evictions", ()) if gauges else ()) if value), None)
    return _cause(
        situation,
        "too-small",
        store,
        sentence,
        full,
        evidence=evidence,
        since=started,
        procedure=CACHE_HIT_RATE,
        level=Level.FAIL if full else Level.WARN,
    )


def _restarted(
    situation: Situation, store: Store, logged_errors: list[LoggedError], ill: list[Finding]
) -> Cause | None:
    event = next(_restarts(situation, store), None)
    if event is None:
        return None
    is_missed = any(finding.check == "dependencies" for finding in ill)  # a status page says so, now
    is_over = not is_missed and all(each.last <= event.at + ECHO for each in logged_errors)
    if not is_over and situation.scope.now - event.at > FELT and not _rings(situation):
        return None  # what is wrong now is no restart any more
    write = situation.changed(WRITES, store.name, *(store.members or ()))
    sentence = f"The cache was down {situation.ago(event.at)}: {event.message.rstrip('.')}."
    sentence += " It is back, and fills again." if is_over else ""
    evidence = (
        Evidence(
            f"ElastiCache's event, {situation.when(event.at)}: {event.message}", reading_of(situation.fact(DataStores))
        ),
        *situation.by_whom(write),
    )
    return _cause(
        situation,
        "restarted",
        store,
        sentence,
        logged_errors,
        evidence=evidence,
        since=event.at,
        ended=event.at if is_over else None,
        serves=is_over,
        level=Level.WARN if is_over else Level.FAIL,
    )


def _restarts(situation: Situation, store: Store) -> Iterator[StoreEvent]:
    """Newest first."""
    for event in store.events:
        text = event.message.lower()
        words = ("reboot", "restart", "failover", "recover", "replac", "promot")
        if situation.scope.now - event.at <= LATELY and any(word in text for word in words):
            yield event


def _flushed(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    """What the check of its items found, unless a restart says why; it is on while an alarm of it rings."""
    found = next((each for each in situation.findings if each.check == NAME and each.level is Level.WARN), None)
    if found is None or found.since is None:
        return None
    if any(abs(event.at - found.since) <= NEAR for event in _restarts(situation, store)):
        return None
    known = situation.fact(DataStores)
    went_on = (Evidence("ElastiCache reports no restart then: its servers kept running", reading_of(known)),)
    return _cause(
        situation,
        "emptied",
        store,
        found.sentence,
        logged_errors,
        evidence=(*found.evidence, *(went_on if known else ())),
        since=found.since,
        ended=None if _rings(situation) else found.ended,
        serves=True,
        level=Level.WARN,
        procedure=found.procedure,
    )


def _rings(situation: Situation) -> bool:
    """An alarm that watches the cache is in ALARM."""
    known = situation.fact(Alarms)
    return any(
        alarm.state == "ALARM" and PLACE in watched_by(alarm, situation.environment)
        for alarm in (known.alarms if known else ())
    )


def _of_release(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    return missed_by_release(situation, PLACE, store, logged_errors)


def _network(situation: Situation, store: Store, logged_errors: list[LoggedError], _: list[Finding]) -> Cause | None:
    return closed_by_network(situation, PLACE, store, logged_errors, CACHE_FAILURES)


def _silent(situation: Situation, store: Store, logged_errors: list[LoggedError], ill: list[Finding]) -> Cause | None:
    kinds = (Kind.TIMEOUT, Kind.REFUSED, Kind.RESET, Kind.STARTING, Kind.READ_ONLY)
    wrong = still(situation, logged_errors, *kinds)
    is_missed = any(finding.check == "dependencies" for finding in ill)  # a status page says so, now
    named = any(is_about(store, PLACE, each.message) for each in still(situation, heard(situation), Kind.HOST))
    if not wrong and (not is_missed or named):
        return None  # one that is looked for under a name that isn't there is not silent
    gauges = situation.fact(Gauges)
    points = gauges.cache.get("CurrConnections", ()) if gauges else ()
    age = situation.scope.now - points[-1][0] if points else None
    kind = wrong[0].message.kind if wrong else Kind.TIMEOUT
    otherwise = ", and the way to it is open" if situation.fact(GroupRules) and situation.fact(DataStores) else ""
    text = {
        Kind.REFUSED: "Nothing listens at the cache's port: its server is down",
        Kind.RESET: "The cache ends its connections",
        Kind.STARTING: "The cache is starting and loads its data",
        Kind.READ_ONLY: "The cache takes no writes: the services still hold connections to what is now a replica",
    }.get(kind, f"The cache doesn't answer{otherwise}")
    quiet = f"; CloudWatch has had no figure of it for {format_duration(age)}" if age and age > QUIET else ""
    return _cause(
        situation, "hangs" if kind is Kind.TIMEOUT else "down", store, f"{text}{quiet}.", wrong, is_direct=False
    )


def _recent(situation: Situation, gauges: Gauges | None, name: str, length: timedelta) -> float:
    points = gauges.cache.get(name, ()) if gauges else ()
    return sum(value for at, value in points if situation.scope.now - at <= length)


def _last(gauges: Gauges | None, name: str) -> float:
    points = gauges.cache.get(name, ()) if gauges else ()
    return points[-1][1] if points else 0.0
