"""What a check found, as JSON for programs. ``report_document`` has it for pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from omc.checks.finding import Evidence, Finding, Level
from omc.output import to_json
from omc.reports import Report
from omc.reports.about import section
from omc.reports.headline import headline
from omc.times import iso


def worst_first(reports: Iterable[Report]) -> list[Report]:
    """By their verdicts, then by how much is wrong."""
    return sorted(
        reports,
        key=lambda report: (
            -list(Level).index(report.verdict),
            -sum(finding.level is Level.FAIL and not finding.is_past for finding in report.findings),
        ),
    )


def as_json(reports: Sequence[Report], commands: Sequence[str] | None = None, *, indent: int | None = 2) -> str:
    """One JSON object, of all that was found. Keys are added, never renamed; times are ISO 8601 in UTC.

    Of several environments it holds the worst verdict, and each one's own object below ``environments``."""
    documents = [_document(report) for report in reports]
    if len(reports) == 1:
        document = documents[0]
    else:
        worst = worst_first(reports)[0]
        document = {
            "check": worst.title.lower(),
            "at": reports[0].at.isoformat(timespec="milliseconds"),
            "verdict": worst.verdict.value,
            "headline": headline(worst),
            "exit_code": worst.exit_code,
            "environments": documents,
        }
    if commands is not None:
        document["commands"] = list(commands)
    return to_json(document, indent=indent)


def _document(report: Report) -> dict[str, Any]:
    environment = report.environment
    counts = Counter(section(finding) for finding in report.findings)
    return {
        "check": report.title.lower(),
        "environment": environment.name,
        "region": environment.region,
        "cluster": environment.cluster,
        "endpoint": report.endpoint,
        "at": report.at.isoformat(timespec="milliseconds"),
        "verdict": report.verdict.value,
        "headline": headline(report),
        "exit_code": report.exit_code,
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "counts": dict(counts),
        "findings": [finding_json(finding) for finding in report.findings],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding for programs."""
    procedure = finding.procedure
    return {
        "check": finding.check,
        "level": finding.level.value,
        "subject": finding.subject,
        "place": finding.place or None,
        "sentence": finding.sentence,
        "since": iso(finding.since),
        "ended": iso(finding.ended),
        "past": finding.is_past,
        "missing_permission": finding.action or None,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "procedure": procedure.document if procedure else None,
        "procedure_title": procedure.title if procedure else None,
        "command": (procedure.command or None) if procedure else None,
        "explains": [finding_json(each) for each in finding.explains],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    sources = dict.fromkeys(f"{call.service} {call.operation}" for call in evidence.reading.calls)
    return {
        "text": evidence.text,
        "at": evidence.reading.at.isoformat(timespec="milliseconds"),
        "sources": list(sources),
    }
