"""Dependencies beyond database and cache (an exchange, a mail server) that services' own status pages call ill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from omc.checks.causes.heard import LoggedError, heard, is_about, is_of_another
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.paths import covers_port
from omc.checks.causes.places import OF_SERVICES
from omc.checks.causes.servers import UNREACHED, unreached
from omc.checks.causes.words import Kind
from omc.checks.dependencies import SLOW_SECONDS
from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import DEPENDENCY_DOWN
from omc.facts.dependencies import Dependencies, Dependency
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.rejects import Rejects
from omc.facts.logs import RecentErrors
from omc.facts.services import Services

HTTPS = 443
"""The port of what names none."""
HURT = frozenset({*OF_SERVICES, "dependencies", "data-fresh", "recent-errors", "users-served", "error-rate", "alarms"})


def ill_dependencies(situation: Situation) -> Iterator[Cause]:
    """One for each that a page calls down or degraded, where no line of a log says better why it isn't reached."""
    pages = situation.fact(Dependencies)
    if pages is None:
        return
    known = {cause.place for cause in unreached(situation)}
    by_place = {
        finding.place: finding
        for finding in situation.findings
        if finding.check == "dependencies" and finding.level in (Level.WARN, Level.FAIL) and not finding.ended
    }
    for place, finding in by_place.items():
        if not place or "/" in place or place in ("database", "cache", "dependencies", *known):
            continue
        some = [each for each in pages.found if each.place == place and (each.bad or _is_slow(each))]
        if some:
            yield _ill(situation, place, finding, some)


def _is_slow(found: Dependency) -> bool:
    return (found.report.seconds or 0.0) >= SLOW_SECONDS


def _ill(situation: Situation, place: str, finding: Finding, some: Sequence[Dependency]) -> Cause:
    names = frozenset(each.service for each in some)
    lines = _said(situation, place, names)
    worst = max(some, key=lambda each: each.bad / each.answers)
    is_slow = not worst.bad and _is_slow(worst)
    word = f"slow: it takes {worst.report.seconds:.1f} s" if is_slow else worst.report.word
    detail = f": {worst.report.detail.rstrip('.')}" if worst.report.detail else ""
    who = " and ".join(sorted(names))
    share = f"{worst.bad or worst.answers} of {worst.answers} answers of {worst.url} say so"
    doubts = tuple(_doubts(situation, names, lines))
    errors = situation.fact(RecentErrors)
    made = Cause(
        name="dependency-down",
        place=place,
        subject=place,
        sentence=f"The {place} that {who} {'needs' if len(names) == 1 else 'need'} is {word}{detail}."
        f"{f' But {doubts[0][0].lower()}{doubts[0][1:]}' if doubts else ''}",
        evidence=(
            *finding.evidence,
            Evidence(share, reading_of(situation.fact(Dependencies))),
            *(
                Evidence(f'{each.service} says: "{each.message.line}", {each.count} times', reading_of(errors))
                for each in lines[:2]
            ),
        ),
        level=finding.level,
        procedure=DEPENDENCY_DOWN,
        since=finding.since or min((each.first for each in lines), default=None),
        services=names,
        is_direct=False,
        checks=HURT,
        yields=True,
        doubts=doubts,
    )
    return replace(made, name="dependency-slow") if is_slow else made


def _said(situation: Situation, place: str, names: frozenset[str]) -> list[LoggedError]:
    """What its services say of it: lines that name it, or that are about neither database nor cache."""
    return [
        each
        for each in heard(situation)
        if each.service in names
        and (
            place.lower() in each.message.line.lower()
            or (
                is_of_another(each.message.line, {place})
                and not any(
                    is_about(getattr(situation.stores, kind), kind, each.message) for kind in ("database", "cache")
                )
            )
        )
    ]


def _doubts(situation: Situation, names: frozenset[str], lines: Sequence[LoggedError]) -> Iterator[str]:
    """It may be well, and our way to it closed."""
    unresolved = [each for each in lines if each.message.kind is Kind.HOST]
    if unresolved:
        name = unresolved[0].message.what or "its address"
        yield f"The name {name} can't be resolved, so that it may well be our own setting or DNS."
    unanswered = [each for each in lines if each.message.kind in UNREACHED]
    port = next((each.message.port for each in unanswered if each.message.port), HTTPS)
    rules, services = situation.fact(GroupRules), situation.fact(Services)
    for service in services.services if rules and services else ():
        groups = service.security_groups
        if service.name not in names or not groups or rules is None or not set(groups) <= set(rules.groups):
            continue
        out = [each for each in rules.rules if each.is_egress and each.group in groups and not each.peer]
        if any(each.is_egress and each.group in groups for each in rules.rules) and not any(
            covers_port(each, port) for each in out
        ):
            yield f"The security group {groups[0]} of {service.name} lets nothing out to any address on port {port}."
    rejects = situation.fact(Rejects)
    refused = [each for each in (rejects.rejects if rejects else ()) if each.port == port]
    if refused:
        records = sum(each.records for each in refused)
        yield f"The network of our own refuses packets to port {port} ({records} records of REJECT)."
    routes = [
        each
        for each in situation.findings
        if each.check.startswith("expected")
        and each.level is Level.FAIL
        and ("route to 0.0.0.0/0" in each.sentence or "NAT gateway" in each.sentence)
    ]
    if routes:
        yield f"The way out of our own network is not as it should be: {routes[0].sentence}"
