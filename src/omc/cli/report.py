"""What a check found, shown: as a terse table, as JSON for programs, as Markdown for a ticket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omc.checks.finding import Evidence, Finding, Level
from omc.cli.table import Row, table
from omc.output import fenced, line, markdown, table_row, to_json
from omc.reports.report import Report
from omc.times import iso, moment

EVIDENCE_SHOWN = 4
"""Lines of evidence below a finding of the table; JSON and Markdown have all of it."""

Known = Mapping[tuple[str, str], Finding]


def by_subject(report: Report) -> Known:
    return {(finding.check, finding.subject): finding for finding in report.findings}


def as_table(report: Report, *, width: int, colour: bool, before: Known | None = None) -> str:
    """The table; with ``before``, what changed since then is marked."""
    rows = [_row(finding, report, before) for finding in _merged(report.findings)]
    gone = [] if before is None else [finding for key, finding in before.items() if key not in by_subject(report)]
    rows += [
        Row(("gone", finding.check, finding.subject, f"(was {finding.level}: {finding.sentence})"))
        for finding in gone
        if finding.level is not Level.OK
    ]
    return "\n".join([line(heading(report)), "", table(rows, width=width, colour=colour), "", summary(report)])


def heading(report: Report) -> str:
    environment = report.environment
    place = f"{environment.cluster} in {environment.region}"
    if report.endpoint:
        place += f", at {report.endpoint}"
    return f"{report.title}, {environment.name} ({place})"


def summary(report: Report) -> str:
    counts = Counter(finding.level for finding in report.findings)
    told = ", ".join(f"{counts[level]} {level}" for level in reversed(Level) if counts[level])
    return (
        f"{report.verdict.upper()}: {told}. {moment(report.at, report.environment.time_zone)}, "
        f"{len(report.calls)} calls in {report.seconds:.2f} s."
    )


def _row(finding: Finding, report: Report, before: Known | None) -> Row:
    mark = _change(finding, before)
    subject = finding.subject.removeprefix(f"{report.environment.prefix}-")  # every name would begin with it
    sentence = f"{mark}{finding.sentence}"
    below: list[str] = []
    if finding.level is not Level.OK:
        texts = (evidence.text for evidence in finding.evidence if evidence.text != finding.sentence)
        shown = [] if finding.unread else list(texts)
        below += [f"- {text}" for text in shown[:EVIDENCE_SHOWN]]
        if len(shown) > EVIDENCE_SHOWN:
            below.append(f"- and {len(shown) - EVIDENCE_SHOWN} more (--output json shows all)")
        if finding.procedure:
            below.append(f"→ {finding.procedure.title}: {finding.procedure.command or finding.procedure.document}")
    return Row((finding.level.value, finding.check, subject, sentence), tuple(below))


def _change(finding: Finding, before: Known | None) -> str:
    if before is None:
        return ""
    old = before.get((finding.check, finding.subject))
    if old is None:
        return "[new] "
    return f"[was {old.level}] " if old.level is not finding.level else ""


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that are unknown for one and the same reason as one line: the reason is said once."""
    merged: list[Finding] = []
    places: dict[str, int] = {}
    for finding in findings:
        if finding.unread:
            if finding.sentence in places:
                first = merged[places[finding.sentence]]
                merged[places[finding.sentence]] = _joined(first, finding)
                continue
            places[finding.sentence] = len(merged)
        merged.append(finding)
    return merged


def _joined(first: Finding, second: Finding) -> Finding:
    number = int(first.subject.split()[0]) + 1 if first.check == "several" else 2
    return Finding(
        "several",
        first.level,
        f"{number} checks",
        first.sentence,
        first.evidence + second.evidence,
        first.procedure,
        unread=True,
    )


def as_json(report: Report, commands: Sequence[str] | None = None, *, indent: int | None = 2) -> str:
    """One JSON object. Keys are added, never renamed; times are ISO 8601 in UTC."""
    environment = report.environment
    document: dict[str, Any] = {
        "check": report.title.lower(),
        "environment": environment.name,
        "region": environment.region,
        "cluster": environment.cluster,
        "endpoint": report.endpoint,
        "at": report.at.isoformat(timespec="milliseconds"),
        "verdict": report.verdict.value,
        "exit_code": report.exit_code,
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "findings": [_finding(finding) for finding in report.findings],
    }
    if commands is not None:
        document["commands"] = list(commands)
    return to_json(document, indent=indent)


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


def as_markdown(report: Report, commands: Sequence[str] | None = None) -> str:
    """For a ticket or a chat: the table, then the evidence of all that isn't ok."""
    lines = [
        f"## {markdown(heading(report))}",
        "",
        f"**{markdown(summary(report))}**",
        "",
        "| level | check | subject | |",
        "|---|---|---|---|",
    ]
    for finding in report.findings:
        cells = (finding.level.value, finding.check, finding.subject, finding.sentence)
        lines.append(table_row(cells))
    for finding in report.findings:
        if finding.level is Level.OK:
            continue
        lines += ["", f"**{finding.level.value}: {markdown(f'{finding.check}, {finding.subject}')}**", ""]
        lines += [f"- {markdown(evidence.text)}" for evidence in finding.evidence]
        if finding.procedure:
            lines.append(f"- Answered by: [{finding.procedure.title}]({finding.procedure.document})")
    if commands is not None:
        lines += ["", "### The same by hand", "", *fenced(commands, "bash")]
    return "\n".join(lines)
