"""What a check found, for others than a screen: as JSON for programs, as Markdown for a ticket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from omc.checks.finding import Evidence, Finding, Level
from omc.cli.screen import SECTIONS, section, when
from omc.output import to_json
from omc.output.markdown_text import escape as markdown
from omc.output.markdown_text import fenced, table_row
from omc.reports import Report
from omc.reports.headline import headline
from omc.times import format_time, iso

MAX_LENGTH = 1_000
"""Characters of one text on a page; a job's summary may hold 1 MiB, and JSON has all of it."""

MOST_EVIDENCE = 20
"""Lines of one finding on a page."""


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
        "findings": [_finding(finding) for finding in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
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
        "explains": [_finding(each) for each in finding.explains],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    sources = dict.fromkeys(f"{call.service} {call.operation}" for call in evidence.reading.calls)
    return {
        "text": evidence.text,
        "at": evidence.reading.at.isoformat(timespec="milliseconds"),
        "sources": list(sources),
    }


def as_markdown(reports: Sequence[Report], commands: Sequence[str] | None = None) -> str:
    """For a ticket, a chat or a job's summary: the sentence, what isn't ok with its evidence, then what is."""
    lines: list[str] = []
    for report in reports:
        lines += [*([""] if lines else []), *_markdown(report)]
    if commands is not None:
        lines += ["", "### The same by hand", "", *fenced(commands, "bash")]
    return "\n".join(lines)


def _markdown(report: Report) -> list[str]:
    environment, zone = report.environment, report.environment.time_zone
    place = f"{environment.cluster} in {environment.region}" + (f", at {report.endpoint}" if report.endpoint else "")
    counts = Counter(section(finding) for finding in report.findings)
    message = ", ".join(f"{counts[name]} {name}" for name in (*SECTIONS, "ok") if counts[name])
    lines = [
        f"## {markdown(f'{report.title}, {environment.name} ({place})')}",
        "",
        f"**{markdown(headline(report))}**",
        "",
        markdown(f"{message}. {format_time(report.at, zone)}, {len(report.calls)} calls in {report.seconds:.2f} s."),
        "",
        "| level | check | place | | when |",
        "|---|---|---|---|---|",
    ]
    findings = sorted(report.findings, key=lambda finding: [*SECTIONS, "ok"].index(section(finding)))
    for finding in findings:
        subject = finding.place or finding.subject
        lines.append(
            table_row((section(finding), finding.check, subject, _short(finding.sentence), when(finding, report)))
        )
    for finding in findings:
        if finding.level is Level.OK:
            continue
        lines += ["", f"**{section(finding)}: {markdown(f'{finding.check}, {finding.place or finding.subject}')}**", ""]
        lines += [f"- {markdown(_short(evidence.text))}" for evidence in finding.evidence[:MOST_EVIDENCE]]
        if len(finding.evidence) > MOST_EVIDENCE:
            lines.append(f"- and {len(finding.evidence) - MOST_EVIDENCE} more (--output json has all)")
        lines += [f"- {markdown(_short(f'{each.place or each.check}: {each.sentence}'))}" for each in finding.explains]
        if finding.procedure:
            lines.append(f"- Answered by: [{finding.procedure.title}]({finding.procedure.document})")
    return lines


def _short(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
