"""A list of checks, run: the facts that they need are read, each check judges its own, and all of it is one report.

``run_checks`` is the one door: morning check, doctor and a local cloud's readiness go through it. It asks nothing by
itself: what reads is handed in (``Facts``), so that a test hands in values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Evidence, Finding, Level, Procedure, worst
from omc.checks.runbook import MORNING_CHECKS, placed
from omc.checks.spec import Check, spec_of
from omc.config import Environment
from omc.config.stores import left_out
from omc.config.tables import OMCS_RUNBOOK
from omc.errors import AccessDenied, OmcError, Unknown, WrongUse, contained
from omc.facts.collector import NO_READING, Calls, Reading, Readings, Unavailable, arguments_from
from omc.facts.source import Facts

EXIT_CODES: Mapping[Level, int] = {
    Level.OK: 0,
    Level.WARN: 0,
    Level.FAIL: OmcError.exit_code,
    Level.UNKNOWN: Unknown.exit_code,
}


@dataclass(frozen=True, slots=True)
class Causes:
    """How findings are asked for their cause (``omc.checks.causes``)."""

    follow_up: Callable[[Iterable[Finding]], Iterable[Callable[..., Any]]]
    """What is worth reading only now that something is wrong, as functions that name the facts."""
    explained: Callable[[Iterable[Finding], Readings, Mapping[type, Any]], Sequence[Finding]]
    """The findings with those that one cause explains as one."""


@dataclass(frozen=True, slots=True)
class CheckList:
    """Checks that are run together, in the order in which they are shown."""

    title: str
    """``Morning check``."""
    checks: tuple[Check, ...]
    runbook: Procedure = MORNING_CHECKS
    """What answers a fact that could not be read."""
    causes: Causes | None = None
    """None: each finding stands by itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a list of checks says as a whole: the verdict, the exit code, what is and what was."""

    title: str
    environment: Environment
    endpoint: str | None
    """The endpoint that stood in for AWS's own, where one did."""
    at: datetime
    seconds: float
    findings: tuple[Finding, ...]
    calls: Calls
    fail_on: Level = Level.UNKNOWN
    """From which level on the exit code isn't 0. With FAIL, what is unknown is shown and no failure, as long as
    anything could be judged at all: minutes after a deployment, metrics, queries and alarms are honestly unknown."""
    strict: bool = False
    """Warnings, and what is over, end with 1 too."""
    requested: tuple[str, ...] = ()
    """The places or checks that it was narrowed to; none for all of it."""
    elsewhere: tuple[Finding, ...] = ()
    """What it says of all the rest, where it was narrowed."""

    @property
    def verdict(self) -> Level:
        """Counts what is wrong now. What has healed is reported, and counts only where ``strict``."""
        return worst(self.findings, strict=self.strict)

    @property
    def exit_code(self) -> int:
        verdict = self.verdict
        known = [finding for finding in self.findings if finding.level is not Level.UNKNOWN]
        if verdict is Level.UNKNOWN and self.fail_on is Level.FAIL and known and self.heard_from_aws:
            verdict = worst(known, strict=self.strict)
        if verdict is Level.WARN and self.strict:
            verdict = Level.FAIL
        return EXIT_CODES[verdict]

    @property
    def left_out(self) -> tuple[str, ...]:
        """What nothing was asked about, since omc.toml has none."""
        return left_out(self.environment)

    @property
    def heard_from_aws(self) -> bool:
        """Whether any call to AWS was answered: what users see alone is no judgement of the stack."""
        requested = [call for call in self.calls if call.service != "http"]
        return not requested or any(call.error is None for call in requested)

    @property
    def requests(self) -> int:
        return sum(call.requests for call in self.calls)


def run_checks(checks: CheckList, facts: Facts) -> Report:
    """Read what the checks need, judge, report. Raises ``WrongUse`` for another account's credentials; everything else
    that can't be read is a finding."""
    findings: Sequence[Finding] = judge(checks.checks, facts.read(checks.checks), facts.provided, checks.runbook)
    if checks.causes:
        findings = _with_causes([_placed(finding) for finding in findings], facts, checks.causes)
    if facts.environment.runbook != OMCS_RUNBOOK:
        findings = [
            replace(each, procedure=placed(each.procedure, facts.environment.runbook)) if each.procedure else each
            for each in findings
        ]
    return Report(
        title=checks.title,
        environment=facts.environment,
        endpoint=facts.endpoint,
        at=facts.scope.now,
        seconds=facts.seconds,
        findings=tuple(findings),
        calls=facts.calls,
    )


def judge(
    checks: Iterable[Check],
    readings: Readings,
    known: Mapping[type, Any],
    runbook: Procedure = MORNING_CHECKS,
) -> list[Finding]:
    """The findings of every check, in the checks' order; ``runbook`` answers what could not be read."""
    return [finding for check in checks for finding in _findings(check, readings, known, runbook)]


def _findings(check: Check, readings: Readings, known: Mapping[type, Any], runbook: Procedure) -> Iterable[Finding]:
    arguments = arguments_from(check, {**readings, **known})
    for value in arguments.values():
        if isinstance(value, Unavailable):
            return [_unknown(check, "read", value.error, value.reading, runbook)]
    try:
        return list(check(**arguments))
    except Exception as error:  # noqa: BLE001 - a mistake inside one check costs that check, never the report
        rests = [value.reading for value in arguments.values() if hasattr(value, "reading")]
        mistake = contained(f"the check {spec_of(check).id}", error)
        return [_unknown(check, "judged", mistake, rests[0] if rests else NO_READING, runbook)]


def _unknown(check: Check, done: str, error: OmcError, reading: Reading, runbook: Procedure) -> Finding:
    spec = spec_of(check)
    return Finding(
        check=spec.id,
        level=Level.UNKNOWN,
        subject=spec.title,
        sentence=error.message,
        evidence=(Evidence(f"could not be {done}: {spec.title.lower()}", reading),),
        procedure=runbook,
        unread=True,
        action=error.action if isinstance(error, AccessDenied) else "",
    )


def _with_causes(findings: Sequence[Finding], facts: Facts, causes: Causes) -> Sequence[Finding]:
    """A mistake in the search for causes costs the causes, never the findings."""
    try:
        return causes.explained(findings, facts.read(causes.follow_up(findings)), facts.provided)
    except WrongUse:
        raise
    except Exception as error:  # noqa: BLE001
        mistake = contained("the search for causes", error)
        evidence = (Evidence("could not be judged: which of the findings share a cause", NO_READING),)
        lost = Finding(
            "causes", Level.UNKNOWN, "causes", mistake.message, evidence, MORNING_CHECKS, unread=True, place="omc"
        )
        return [*findings, lost]


def _placed(finding: Finding) -> Finding:
    return finding if finding.place else replace(finding, place=place_of_finding(finding))
