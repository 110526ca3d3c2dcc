"""A part of a report: what was found at one place, or by one check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.config import Environment
from omc.errors import WrongUse
from omc.output.document import Severity, Status
from omc.times import ago

SECTIONS = ("fail", "warn", "unknown", "was", "gone")
PAST = "was"
SEVERITIES = {
    Level.OK: Severity.OK,
    Level.WARN: Severity.WARNING,
    Level.UNKNOWN: Severity.UNKNOWN,
    Level.FAIL: Severity.FAILURE,
}


def about(report: Report, names: Sequence[str]) -> Report:
    """The report of only what ``names`` mean: places (``services/backend``), checks' names, or how they begin.

    Raises ``WrongUse`` for a name that nothing of the report has.
    """
    if not names:
        return report
    wanted = [_meant(report, name) for name in names]
    chosen = tuple(f for f in report.findings if any(f in some for some in wanted))
    rest = tuple(f for f in report.findings if f not in chosen)
    return replace(report, findings=chosen, requested=tuple(names), elsewhere=rest)


def _meant(report: Report, name: str) -> list[Finding]:
    """Exact first, then by its last part, then by how it begins; a cause is found by what it explains too."""
    folder = f"{name.rstrip('/')}/"
    for fits in (
        lambda word: word == name,
        lambda word: word.startswith(folder),
        lambda word: word.endswith(f"/{name}"),
        lambda word: word.startswith(name),
    ):
        found = [finding for finding in report.findings if any(map(fits, _names(finding, report)))]
        if found:
            return found
    known = sorted({word for finding in report.findings for word in _names(finding, report)})
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3, cutoff=0.7)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Places and checks: omc check morning --all"
    raise WrongUse(f'Nothing that was checked in {report.environment.name} is called "{name}". {hint}')


def shown_name(place: str, environment: Environment) -> str:
    """Without what every name would begin with: ``alarms/x`` for ``alarms/ohmycoins-staging-x``, and ``logs/ecs/…`` for
    ``logs//ecs/…``."""
    return place.replace(f"{environment.prefix}-", "").replace("//", "/")


def _names(finding: Finding, report: Report) -> set[str]:
    """As they are, and as the screen shows them."""
    words = {word for each in (finding, *finding.explains) for word in (each.place, each.check) if word}
    return words | {shown_name(word, report.environment) for word in words}


def section(finding: Finding) -> str:
    """Its level's name, or that it was."""
    return PAST if finding.is_past else finding.level.value


def section_status(finding: Finding) -> Status:
    """``section`` with its colour; what is past has none."""
    return Status(section(finding), Severity.NONE if finding.is_past else SEVERITIES[finding.level])


def when(finding: Finding, report: Report) -> str:
    """Once, and relative first."""
    zone = report.environment.time_zone
    if finding.ended:
        return f"ended {ago(finding.ended, report.at, zone)}"
    return ago(finding.since, report.at, zone) if finding.since else ""
