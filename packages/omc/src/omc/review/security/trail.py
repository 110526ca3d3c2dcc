"""Checks of what was done in the account: by root, at logins, in vain, to records, to copies, to what protects."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.security.trail_event import Kind, TrailEvent
from omc.facts.security.trail_period import TrailPeriod
from omc.output.text import counted
from omc.review.security.concerns import Concern, Subject, concerns_of, remark_of, urgent_of
from omc.review.security.findings import drift, finding, listed, of_calls, unseen, upper
from omc.review.security.signs import is_denied, is_failed_login, is_login_without_mfa, is_root_use

ALWAYS = frozenset({Subject.RECORDING, Subject.SHARING, Subject.KEYS})
"""Told whoever does it, also the stack's own pipeline."""
Group = TypeVar("Group", bound=Hashable)
Pair = tuple[TrailEvent, Concern]


@check(
    "root-use",
    title="Root: whether anybody used it",
    question="Did anybody use the account's root user, or try to?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def root_use(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    used = [event for event in period.events if is_root_use(event)]
    tried = [event for event in period.events if event.kind is Kind.ROOT and is_failed_login(event)]
    if used:
        did = listed(event.operation for event in used)
        sentence = (
            f"Root was used: {counted(len(used), 'call')} ({did}). Nobody needs it from day to day: find "
            "out who it was, and "
            "change its password and keys if nobody says so."
        )
        yield of_calls("root-use", Level.FAIL, "root/use", sentence, used, period, environment)
    if tried:
        sentence = f"Somebody tried to log in as root and failed, {counted(len(tried), 'time')}."
        yield of_calls("root-use", Level.WARN, "root/login", sentence, tried, period, environment)
    yield from unseen("root-use", period, environment, "root")
    if not used and not tried:
        yield _none("root-use", "root", "Nobody used the root user.", period)


@check(
    "console-logins",
    title="Logins to the console: second factor, failures",
    question="Did every user who logged in to the console show a second factor, and does nobody try passwords?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def console_logins(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    without = _by([event for event in period.events if is_login_without_mfa(event)], lambda event: event.principal)
    for principal, events in without.items():
        sentence = (
            f"{upper(principal)} logged in to the console with a password alone, {counted(len(events), 'time')}. "
            "Give it a second factor, or better a login of Identity Center."
        )
        place = f"logins/{principal}"
        yield of_calls("console-logins", Level.FAIL, place, sentence, events, period, environment)
    failed = _by([event for event in period.events if is_failed_login(event)], lambda event: event.principal)
    for principal, events in failed.items():
        if len(events) < environment.review.security.failed_logins:
            continue
        addresses = listed(event.address for event in events)
        sentence = (
            f"{counted(len(events), 'login')} of {principal} failed, from {addresses}: somebody may try passwords."
        )
        yield of_calls(
            "console-logins", Level.WARN, f"failed-logins/{principal}", sentence, events, period, environment
        )
    yield from unseen("console-logins", period, environment, "logins")
    if not without:
        count = sum(1 for event in period.events if event.operation == "ConsoleLogin" and event.is_done)
        yield _none(
            "console-logins", "logins", f"{counted(count, 'login')} to the console, none by password alone.", period
        )


@check(
    "denied-calls",
    title="Refused calls",
    question="Was anybody refused what he tried?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def denied_calls(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    denied = _by([event for event in period.events if is_denied(event)], lambda event: event.principal)
    few = 0
    for principal, events in denied.items():
        writes = [event for event in events if not event.is_read]
        if not writes and len(events) < environment.review.security.denied_reads:
            few += len(events)
            continue
        tried = listed(f"{event.service} {event.operation}" for event in writes or events)
        counts = ((len(writes), "change"), (len(events) - len(writes), "read"))
        what = " and ".join(counted(count, word) for count, word in counts if count)
        own = " It is a role of the stack: a right may be missing." if _is_own(principal, environment) else ""
        sentence = f"{upper(principal)} was refused {what}: {tried}.{own}"
        yield of_calls(
            "denied-calls", Level.WARN, f"denied/{principal}", sentence, _once([*writes, *events]), period, environment
        )
    yield from unseen("denied-calls", period, environment, "writes")
    if len(denied) == 0 or few:
        words = f"{counted(few, 'read')} refused here and there" if few else "Nobody was refused anything"
        reach = "" if period.reads_from == period.begin else ", as far as its reads could be looked at"
        yield _none("denied-calls", "denied", f"{words}{reach}.", period)


@check(
    "records-touched",
    title="Trail, flow logs and alarms: whether anybody touched them",
    question="Did anybody stop, delete or thin out what is recorded?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def records_touched(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    yield from _rows("records-touched", Subject.RECORDING, Level.FAIL, period, environment)
    yield from unseen("records-touched", period, environment, "writes")


@check(
    "copies-shared",
    title="Snapshots, images and policies: what others were given",
    question="Was a snapshot, an image, a bucket or a policy opened to another account or to everybody?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def copies_shared(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    yield from _rows("copies-shared", Subject.SHARING, Level.FAIL, period, environment)
    yield from unseen("copies-shared", period, environment, "writes")


@check(
    "security-changes",
    title="Changes to rights, network, data, keys and code",
    question="What was changed of rights, ways in, data, keys, secrets and code, and by whom?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def security_changes(period: TrailPeriod, environment: Environment) -> Iterator[Finding]:
    apart = (Subject.RECORDING, Subject.SHARING)
    others = [event for event in period.events if event.kind is not Kind.ROOT]  # root's are told as that
    pairs = [(event, row) for event in others for row in concerns_of(event) if row.subject not in apart]
    ours = [(event, row) for event, row in pairs if _is_quiet(event, row, environment)]
    rest = [pair for pair in pairs if pair not in ours]
    for (subject, principal), pairs in _pairs_by(rest, lambda pair: (pair[1].subject, pair[0].principal)).items():
        events = _once(event for event, _ in pairs)
        urgent = next((words for event, _ in pairs if (words := urgent_of(event))), "")
        remark = urgent or next((words for event, _ in pairs if (words := remark_of(event))), "")
        whys = listed((row.why for _, row in pairs), 3)
        extra = f" Of one of them: {remark}." if remark else ""
        sentence = (
            f"{upper(principal)} made {counted(len(events), 'call')} ({_operations(events)}), which {whys}.{extra}"
        )
        yield of_calls(
            "security-changes",
            Level.FAIL if urgent else Level.WARN,
            f"{subject.value}/{principal}",
            sentence,
            events,
            period,
            environment,
            procedure=drift(environment),
        )
    yield from unseen("security-changes", period, environment, "writes", "IAM")
    if not rest:
        by_pipeline = (
            f" The stack's own roles made {counted(len(_once(e for e, _ in ours)), 'change')}." if ours else ""
        )
        sentence = f"Nobody changed rights, ways in, data, keys or code.{by_pipeline}"
        yield _none("security-changes", "changes", sentence, period)


def _rows(
    name: str, subject: Subject, worst: Level, period: TrailPeriod, environment: Environment
) -> Iterator[Finding]:
    """One finding for each row and caller: these are few, and each matters."""
    every = [(event, row) for event in period.events for row in concerns_of(event) if row.subject is subject]
    for (operation, principal), pairs in _pairs_by(every, _row_of).items():
        events, whys = _once(event for event, _ in pairs), listed(row.why for _, row in pairs)
        urgent = next((words for event in events if (words := urgent_of(event))), "")
        own = _is_own(principal, environment)
        level = worst if urgent or not own else Level.WARN
        extra = f": {urgent}" if urgent else ""
        sentence = f"{upper(principal)} made {counted(len(events), 'call')} of {operation}, which {whys}{extra}."
        place = f"{subject.value}/{operation}/{principal}"
        yield of_calls(name, level, place, sentence, events, period, environment, procedure=drift(environment))
    if not every:
        yield _none(name, subject.value, f"Nobody {NONE[subject]}.", period)


def _row_of(pair: Pair) -> tuple[str, str]:
    return pair[0].operation, pair[0].principal


NONE = {
    Subject.RECORDING: "touched what is recorded",
    Subject.SHARING: "gave a copy, or a way in, to others",
}


def _none(name: str, place: str, sentence: str, period: TrailPeriod) -> Finding:
    looked = f"{counted(len(period.events), 'call')} of the period looked at"
    return finding(name, Level.OK, place, sentence, period.reading, looked)


def _is_own(principal: str, environment: Environment) -> bool:
    """A role that the stack's Terraform makes: for its tasks, its responder, or its pipeline."""
    return principal.startswith(f"role {environment.prefix}-")


def _is_quiet(event: TrailEvent, row: Concern, environment: Environment) -> bool:
    """What the stack's own roles change was reviewed as code, or is what they are for."""
    return row.subject not in ALWAYS and _is_own(event.principal, environment) and not urgent_of(event)


def _operations(events: Iterable[TrailEvent]) -> str:
    return listed(event.operation for event in events)


def _by(events: Iterable[TrailEvent], key: Callable[[TrailEvent], str]) -> dict[str, list[TrailEvent]]:
    groups: dict[str, list[TrailEvent]] = {}
    for event in events:
        groups.setdefault(key(event), []).append(event)
    return groups


def _pairs_by(pairs: Iterable[Pair], key: Callable[[Pair], Group]) -> dict[Group, list[Pair]]:
    groups: dict[Group, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(key(pair), []).append(pair)
    return groups


def _once(events: Iterable[TrailEvent]) -> list[TrailEvent]:
    return list({(event.id or id(event)): event for event in events}.values())
