"""Checks of what the services depend on, by what their own status pages say: each dependency under its own name."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import CACHE_UNREACHABLE, DATABASE_TIMEOUT, DEPENDENCY_DOWN
from omc.checks.spec import check
from omc.checks.users import is_well_served
from omc.config import Environment
from omc.facts.data_age import DataAge
from omc.facts.dependencies import Dependencies, Dependency, State
from omc.facts.probes import Probes

SLOW_SECONDS = 1.5
"""A dependency that takes this long to answer, by the page's own figure, is slow whatever the page calls it."""
PROCEDURES = {"database": DATABASE_TIMEOUT, "cache": CACHE_UNREACHABLE}


@check(
    "dependencies",
    title="Dependencies: what the services' status pages say about them",
    question="Do the services' own status pages say that everything they depend on works?",
    severity=Level.FAIL,
    runbook=DEPENDENCY_DOWN,
)
def dependencies(
    dependencies: Dependencies, probes: Probes, data: DataAge | None, environment: Environment
) -> Iterator[Finding]:
    by_place: dict[str, list[Dependency]] = {}
    for found in dependencies.found:
        if found.report.name:
            by_place.setdefault(found.place, []).append(found)
    stale = {
        each.service
        for each in (data or DataAge(())).services
        if each.age_seconds is not None and each.age_seconds > environment.thresholds.data_age_seconds
    }
    hurt = {
        each.service for each in dependencies.found if each.service in stale or not is_well_served(probes, each.service)
    }
    well: list[Dependency] = []
    is_well = True
    for place, some in by_place.items():
        judged = [(_level(each, hurt), each) for each in some]
        level, worst = max(judged, key=lambda one: (_ORDER.index(one[0]), one[1].bad))
        if level is Level.OK:
            well += some
            continue
        is_well = False
        yield _finding(place, level, _sentence(worst), some, dependencies)
    for found in dependencies.found:  # of itself, where it names nothing that explains it
        blamed = any(other.service == found.service and other.report.name and other.bad for other in dependencies.found)
        if not found.report.name and found.bad and not blamed:
            is_well = False
            sentence = f"{_whose(found)} that it is itself {_word(found)}."
            yield _finding(f"services/{found.service}", _level(found, hurt), sentence, [found], dependencies)
    if is_well and (dependencies.services or not _has_pages(environment)):
        yield _ok(well, dependencies, environment)


_ORDER = tuple(Level)


def _level(found: Dependency, hurt: set[str]) -> Level:
    """Down is a failure once users notice, or where nobody asked what they get."""
    if found.report.state is State.DOWN:
        return Level.FAIL if found.service in hurt else Level.WARN
    if found.report.state is State.DEGRADED or (found.report.seconds or 0.0) >= SLOW_SECONDS:
        return Level.WARN
    return Level.WARN if found.report.state is State.UNKNOWN else Level.OK


def _finding(place: str, level: Level, sentence: str, some: list[Dependency], dependencies: Dependencies) -> Finding:
    return Finding(
        check="dependencies",
        level=level,
        subject=place.removeprefix("services/"),
        sentence=sentence,
        evidence=tuple(Evidence(_told(each), dependencies.reading) for each in some),
        procedure=_procedure(place),
        place=place,
    )


def _procedure(place: str) -> Procedure:
    return PROCEDURES.get(place, DEPENDENCY_DOWN)


def _has_pages(environment: Environment) -> bool:
    return environment.probe and any(service.status_path for service in environment.services)


def _ok(well: list[Dependency], dependencies: Dependencies, environment: Environment) -> Finding:
    used = [found for found in well if found.report.state is not State.OFF]
    names = ", ".join(dict.fromkeys(found.place for found in used))
    if not dependencies.services:
        sentence = "No status page is read, so omc knows nothing about what the services depend on: " + (
            "omc.toml names none (status_path)." if environment.probe else "probe = false in omc.toml."
        )
    elif names:
        sentence = f"{' and '.join(dependencies.services)} reported no trouble with {names}."
    else:
        sentence = f"{' and '.join(dependencies.services)} named no dependency."
    evidence = [Evidence(_told(found), dependencies.reading) for found in well]
    return Finding(
        check="dependencies",
        level=Level.OK,
        subject="dependencies",
        sentence=sentence,
        evidence=tuple(evidence) or (Evidence("no dependency was named", dependencies.reading),),
        place="dependencies",
    )


def _sentence(found: Dependency) -> str:
    detail = f": {found.report.detail.rstrip('.')}" if found.report.detail else ""
    return f"{_whose(found)} that its {found.report.name} is {_word(found)}{detail}."


def _whose(found: Dependency) -> str:
    part = f" in {found.bad} of {found.answers} answers" if found.answers > found.bad > 0 else ""
    return f"{found.service} says{part}"


def _word(found: Dependency) -> str:
    response = found.report
    if response.state is State.UP and response.seconds is not None:
        return f"{response.word}, and slow: {response.seconds:.1f} s"
    if response.word in ("true", "false"):
        return response.state.value
    took = f" ({response.seconds:.1f} s)" if response.seconds is not None else ""
    return f"{response.word}{took}"


def _told(found: Dependency) -> str:
    detail = f": {found.report.detail}" if found.report.detail else ""
    return f"GET {found.url}: {found.report.name or 'itself'} {_word(found)}{detail}"
