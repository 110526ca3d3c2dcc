"""From a set of checks to a report: collect the facts, judge them, and look closer where something is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway, access_to
from omc.checks.causes import explained, follow_up
from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.judge import Check, judge
from omc.checks.morning import MORNING
from omc.checks.runbook import MORNING_CHECKS
from omc.errors import OmcError, WrongUse, contained
from omc.facts.collector import NO_READING, Readings, collect
from omc.facts.scope import Scope
from omc.reports.report import Report
from omc.stack import Environment
from omc.store.location import StoreLocation

DAY = timedelta(hours=24)
TITLE = "Morning check"


def morning(
    gateway: Gateway, since: timedelta = DAY, *, is_part: bool = False, place: StoreLocation | None = None
) -> Report:
    """The morning check of the gateway's environment, whole: everything that asks how the stack is calls this.

    ``is_part``: only some of the environment's services are asked for. ``place`` is where omc's record of it is; it is
    opened only where something there may explain a finding. Raises ``WrongUse`` for another account's
    credentials; everything else that can't be read is a finding.
    """
    scope = Scope(datetime.now(UTC), since, is_part)
    return examine(TITLE, MORNING, gateway, scope, {StoreLocation: place or StoreLocation()}, causes=True)


def of_environments(
    environments: Sequence[Environment],
    since: timedelta = DAY,
    *,
    is_part: bool = False,
    places: Mapping[str, StoreLocation] | None = None,
) -> list[Report]:
    """The morning check of each, side by side, in their order; ``places`` by their names. One that can't be read at
    all is a report that says so, and costs the others nothing."""
    gateways: list[Gateway | Report] = []
    for environment in environments:
        try:
            gateway = Gateway(environment, access_to(environment))
            gateway.log_in()  # it may ask a person: one after another
            gateways.append(gateway)
        except OmcError as error:
            gateways.append(_unread(environment, error))

    def ask(way: Gateway | Report) -> Report:
        if isinstance(way, Report):
            return way
        try:
            return morning(way, since, is_part=is_part, place=(places or {}).get(way.environment.name))
        except OmcError as error:  # another account's credentials
            return _unread(way.environment, error)

    return parallel_map(ask, gateways)


def _unread(environment: Environment, error: OmcError) -> Report:
    evidence = (Evidence("could not be read: the environment", NO_READING),)
    finding = Finding(
        "environment", Level.UNKNOWN, environment.name, error.message, evidence, MORNING_CHECKS, True, place="omc"
    )
    return Report(TITLE, environment, None, datetime.now(UTC), 0.0, (finding,), ())


def examine(
    title: str,
    checks: Sequence[Check],
    gateway: Gateway,
    scope: Scope,
    more: Mapping[type, Any] | None = None,
    *,
    otherwise: Procedure = MORNING_CHECKS,
    causes: bool = False,
) -> Report:
    """Read what the checks need, judge, report. ``more`` is given to them beside environment and scope; ``otherwise``
    answers what could not be read. With ``causes``, findings are asked for their cause: what is worth reading only now
    that something is wrong is read, and what one cause explains becomes one finding."""
    began = time.monotonic()
    environment = gateway.environment
    provided = {Environment: environment, Scope: scope, **(more or {})}
    readings = collect(checks, provided | {type(gateway): gateway})
    findings: Iterable[Finding] = judge(checks, readings, provided, otherwise)
    if causes:
        findings, readings = _with_causes([_placed(finding) for finding in findings], readings, provided, gateway)
    calls = {id(call): call for fact in readings.values() for call in fact.reading.calls}
    return Report(
        title=title,
        environment=environment,
        endpoint=gateway.endpoint,
        at=scope.now,
        seconds=time.monotonic() - began,
        findings=tuple(findings),
        calls=tuple(sorted(calls.values(), key=lambda call: call.at)),
    )


def _with_causes(
    findings: Sequence[Finding], readings: Readings, provided: Mapping[type, Any], gateway: Gateway
) -> tuple[Sequence[Finding], Readings]:
    """A mistake in the search for causes costs the causes, never the findings."""
    try:
        wanted = follow_up(findings)
        if wanted:
            readings = {**readings, **collect(wanted, {**provided, **readings, type(gateway): gateway})}
        return explained(findings, readings, provided), readings
    except WrongUse:
        raise
    except Exception as error:  # noqa: BLE001
        mistake = contained("the search for causes", error)
        evidence = (Evidence("could not be judged: which of the findings have one cause", NO_READING),)
        lost = Finding(
            "causes", Level.UNKNOWN, "causes", mistake.message, evidence, MORNING_CHECKS, unread=True, place="omc"
        )
        return [*findings, lost], readings


def _placed(finding: Finding) -> Finding:
    return finding if finding.place else replace(finding, place=place_of_finding(finding))
