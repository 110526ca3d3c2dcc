"""A report of checks as a document, for a ticket, a page or a chat. A terminal's own is ``screen``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Items,
    Link,
    Row,
    Section,
    Status,
    Table,
    Text,
    Verdict,
)
from omc.output.text import counted
from omc.reports.about import SECTIONS, SEVERITIES, section, section_status, when
from omc.reports.headline import headline
from omc.times import format_time

MAX_LENGTH = 1_000
"""Characters of one text on a page; a job's summary may hold 1 MiB, and JSON has all of it."""
MOST_EVIDENCE = 20
"""Lines of one finding on a page."""


def report_document(report: Report, commands: Sequence[str] | None = None) -> Document:
    """The verdict, every finding in a table, and a section for each that isn't ok. ``commands``: the same by hand."""
    environment = report.environment
    place = f"{environment.cluster} in {environment.region}" + (f", at {report.endpoint}" if report.endpoint else "")
    order = [*SECTIONS, "ok"]
    findings = sorted(report.findings, key=lambda finding: order.index(section(finding)))
    rows = tuple(_row(finding, report) for finding in findings)
    blocks: list[Block] = [Table(("level", "check", "place", "", "when"), rows)]
    blocks += [_details(finding) for finding in findings if finding.level is not Level.OK]
    if commands is not None:
        blocks.append(Section("The same by hand", (CodeBlock(tuple(commands), "bash"),)))
    counts = Counter(map(section, findings))
    numbers = ", ".join(f"{counts[name]} {name}" for name in order if counts[name])
    reading = (
        f"{format_time(report.at, environment.time_zone)}, {counted(len(report.calls), 'call')} in "
        f"{report.seconds:.2f} s."
    )
    if report.left_out:
        reading += f" Left out: {', '.join(report.left_out)}."
    word = report.verdict.value
    return Document(
        f"{report.title}, {environment.name} ({place})",
        tuple(blocks),
        subtitle=f"{numbers}. {reading}",
        verdict=Verdict(Status(word, SEVERITIES[report.verdict]), headline(report).removeprefix(f"{word.upper()} ")),
    )


def _row(finding: Finding, report: Report) -> Row:
    place = finding.place or finding.subject
    return Row((section_status(finding), finding.check, place, _short(finding.sentence), when(finding, report)))


def _details(finding: Finding) -> Section:
    """What a finding rests on, what it explains, and what answers it."""
    items: list[Text] = [_short(evidence.text) for evidence in finding.evidence[:MOST_EVIDENCE]]
    if len(finding.evidence) > MOST_EVIDENCE:
        items.append(f"and {len(finding.evidence) - MOST_EVIDENCE} more (--output json has all)")
    items += [_short(f"{each.place or each.check}: {each.sentence}") for each in finding.explains]
    if finding.procedure:
        items.append(("Answered by: ", Link(finding.procedure.title, finding.procedure.document)))
    title = f"{section(finding)}: {finding.check}, {finding.place or finding.subject}"
    return Section(title, (Items(tuple(items)),) if items else ())


def _short(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
