"""A diagnosis of one environment: the morning check's facts first, then only what the symptoms' places ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.gateway import Gateway
from omc.checks.causes import follow_up
from omc.checks.causes.explain import Explanation, explain
from omc.checks.causes.places import depth_of, place_of_finding
from omc.checks.causes.questions import QUESTIONS, is_trouble
from omc.checks.finding import Finding, Level
from omc.checks.load_balancing import error_rate
from omc.checks.logs import recent_errors
from omc.checks.morning import MORNING
from omc.checks.run import CheckList, Report, run_checks
from omc.checks.traffic import traffic_usual
from omc.diagnosis.model import Diagnosis, NotSeen
from omc.diagnosis.ranking import looked_for, ranked
from omc.diagnosis.symptoms import is_asked_about, require_known
from omc.facts.collector import Readings
from omc.facts.followup.database_log import DatabaseLog
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.last_writes import LastWrites
from omc.facts.followup.rejects import Rejects
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation

HOUR = timedelta(hours=1)
KEPT = CheckList("What is kept", (error_rate, traffic_usual, recent_errors), MORNING.runbook)
"""Checks of what AWS keeps: figures and logs. ECS and RDS keep no past state."""
NOT_KEPT = NotSeen(
    "the state of services, tasks, database and cache then",
    "ECS and RDS keep no past state; an incident of that time has what was captured: omc incident show NUMBER",
)


def diagnose(
    gateway: Gateway,
    symptom: str = "",
    *,
    since: timedelta = HOUR,
    at: datetime | None = None,
    place: StoreLocation | None = None,
) -> Diagnosis:
    """Find what is wrong and why. With ``at``, what was wrong then, by what is kept.

    Raises ``WrongUse`` for a symptom that nothing has, and for another account's credentials."""
    scope = Scope(at or datetime.now(UTC), since)
    facts = Facts(gateway, scope, {StoreLocation: place or StoreLocation()})
    return diagnosis_of(facts, symptom, is_past=at is not None)


def diagnosis_of(facts: Facts, symptom: str = "", *, is_past: bool = False) -> Diagnosis:
    """The same of facts that are handed in."""
    checks = KEPT if is_past else CheckList("Diagnosis", MORNING.checks, MORNING.runbook)
    report = run_checks(checks, facts)
    questions = (_kept,) if is_past else follow_up(report.findings)
    if symptom and not questions and not is_past:
        questions = QUESTIONS[-1][1]  # somebody suffers, though nothing shows: all of it is asked
    readings = facts.read(questions)
    return judge(report, readings, facts.provided, symptom, is_past=is_past)


def _kept(writes: LastWrites, gauges: Gauges, log: DatabaseLog, rejects: Rejects) -> None:
    """What is kept of a time in the past."""


def judge(
    report: Report, readings: Readings, provided: Mapping[type, Any], symptom: str = "", *, is_past: bool = False
) -> Diagnosis:
    """Causes with their paths, what was ruled out and what could not be seen. Pure."""
    environment = report.environment
    explanation = explain(sorted(report.findings, key=_worst_first), readings, provided)
    require_known(symptom, explanation.findings, environment)
    causes = ranked(explanation, environment, readings)
    mine = [each for each in causes if _concerns(each.explained.symptoms, each.finding, symptom, report)]
    rest = [each for each in explanation.rest if is_trouble(each)]
    requested = [each for each in rest if is_asked_about(each, symptom, environment)]
    out, unseen = looked_for(explanation, _symptoms(explanation), environment, readings)
    return Diagnosis(
        report,
        provided[Scope].since,
        symptom,
        tuple(mine),
        tuple(each for each in causes if each not in mine),
        tuple(each for each in requested if not each.is_under_way),
        tuple(each for each in requested if each.is_under_way),
        out,
        (*((NOT_KEPT,) if is_past else ()), *unseen),
        provided[Scope].now if is_past else None,
    )


def _worst_first(finding: Finding) -> tuple[object, ...]:
    """The worst and nearest to users first; an order that doesn't depend on which check was asked before which."""
    place = place_of_finding(finding)
    level = tuple(Level).index(finding.level)
    return -level, depth_of(place), finding.check, place, finding.subject, finding.sentence


def _concerns(symptoms: tuple[Finding, ...], finding: Finding, symptom: str, report: Report) -> bool:
    return any(is_asked_about(each, symptom, report.environment) for each in (*symptoms, finding))


def _symptoms(explanation: Explanation) -> list[Finding]:
    everything = [each for each in explanation.findings if is_trouble(each) or each.is_past]
    return everything or [each for each in explanation.findings if each.level is not Level.OK]
