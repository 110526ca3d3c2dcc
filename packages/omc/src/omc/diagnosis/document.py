"""A diagnosis as a document: the likeliest cause with its path, then the others, what was ruled out and not seen."""

from __future__ import annotations

from typing import Any

from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Finding, Level
from omc.checks.issues import ISSUES
from omc.diagnosis.model import Confidence, Diagnosis, RankedCause
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Field,
    Fields,
    Items,
    Link,
    Literal,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Text,
    Verdict,
)
from omc.output.text import counted
from omc.reports.about import SEVERITIES
from omc.reports.report_json import finding_json
from omc.times import format_duration, format_time, iso

MAX_EVIDENCE = 6
"""Lines of evidence of one cause on a terminal or a page; JSON has all."""
_LOOKS = {
    Confidence.HIGH: Severity.FAILURE,
    Confidence.MEDIUM: Severity.WARNING,
    Confidence.LOW: Severity.UNKNOWN,
}


def diagnosis_document(diagnosis: Diagnosis, commands: tuple[str, ...] | None = None) -> Document:
    """``commands``: the same by hand."""
    environment = diagnosis.report.environment
    blocks: list[Block] = [_cause(number, each, diagnosis) for number, each in enumerate(diagnosis.causes, 1)]
    if diagnosis.unexplained:
        rows = tuple(_symptom(each) for each in diagnosis.unexplained)
        blocks.append(Section("No cause is known of", (Table(("level", "place", ""), rows),)))
    if diagnosis.under_way:
        going_on: tuple[Text, ...] = tuple(f"{place_of_finding(each)}: {each.sentence}" for each in diagnosis.under_way)
        blocks.append(Section("Under way", (Items(going_on),)))
    if issue := ISSUES.get(diagnosis.symptom):
        if issue.elsewhere:
            command = issue.elsewhere.format(env=environment.name)
            blocks.append(Paragraph((f"{issue.title} is answered by ", Literal(command), ".")))
        blocks.append(Paragraph(("Runbook: ", Link(issue.title, issue.document))))
    if diagnosis.others:
        items: tuple[Text, ...] = tuple(each.finding.sentence for each in diagnosis.others)
        blocks.append(Section("Also found, and not what was asked about", (Items(items),)))
    if diagnosis.ruled_out:
        titles = "; ".join(each.title for each in diagnosis.ruled_out)
        blocks.append(
            Section("Ruled out, since it was looked at and nothing of it is there", (Paragraph(f"  {titles}."),))
        )
    if diagnosis.not_seen:
        fields = tuple(Field(each.title, each.why) for each in diagnosis.not_seen)
        blocks.append(Section("Not seen", (Fields(fields),)))
    if commands:
        blocks.append(Section("The same by hand", (CodeBlock(commands, "bash"),)))
    report = diagnosis.report
    symptom = f" of {diagnosis.symptom}" if diagnosis.symptom else ""
    moment = f", as it was at {format_time(diagnosis.past, environment.time_zone)}" if diagnosis.past else ""
    return Document(
        f"Diagnosis{symptom}, {environment.name}{moment}",
        tuple(blocks),
        subtitle=f"{format_time(report.at, environment.time_zone)}, {format_duration(diagnosis.since)} looked back, "
        f"{counted(report.requests, 'call')}.",
        verdict=Verdict(Status(diagnosis.verdict.value, SEVERITIES[diagnosis.verdict]), sentence_of(diagnosis)),
        data=_data(diagnosis),
    )


def sentence_of(diagnosis: Diagnosis) -> str:
    """The answer in a sentence: the likeliest cause; that none is known; or that nothing is wrong."""
    present = [each for each in diagnosis.causes if not each.finding.is_past]
    if diagnosis.is_elsewhere and not present and not diagnosis.unexplained:
        return f"Of {diagnosis.symptom} nothing was looked at here: the commands above answer it."
    if present:
        more = f" (and {len(present) - 1} more)" if len(present) > 1 else ""
        return f"{present[0].finding.sentence.rstrip('.')}, with {present[0].confidence.value} confidence{more}."
    if diagnosis.unexplained:
        return f"The cause is not known: {diagnosis.unexplained[0].sentence}"
    if diagnosis.causes:
        return f"Nothing is wrong now. It was: {diagnosis.causes[0].finding.sentence}"
    if diagnosis.not_seen and diagnosis.past:
        return "Nothing that is kept of that time shows anything wrong."
    unread = [each for each in diagnosis.report.findings if each.unread]
    if unread:
        return f"Nothing that could be read is wrong; {len(unread)} things could not be read."
    if diagnosis.under_way:
        return f"Nothing is wrong. Under way: {diagnosis.under_way[0].sentence}"
    if diagnosis.symptom:
        elsewhere = [each.finding for each in diagnosis.others if not each.finding.is_past] or [
            each for each in diagnosis.report.findings if each.level is Level.FAIL and not each.is_past
        ]
        rest = f"; elsewhere something is: {elsewhere[0].sentence}" if elsewhere else "."
        return f"Nothing is wrong with {diagnosis.symptom}{rest}"
    return "Nothing is wrong."


def lines_of(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The same in a few lines, for an incident's record."""
    lines = [sentence_of(diagnosis)]
    for each in diagnosis.causes[:3]:
        lines.append(f"{each.confidence.value} confidence ({each.score:.2f}): {each.finding.sentence}")
        lines.append("path: " + " → ".join(station.place for station in each.path))
        lines.append(f"next: {each.action.sentence} {each.action.command}".rstrip())
    if diagnosis.ruled_out:
        lines.append("ruled out: " + "; ".join(each.title for each in diagnosis.ruled_out))
    if diagnosis.not_seen:
        lines.append("not seen: " + "; ".join(f"{each.title} ({each.why})" for each in diagnosis.not_seen))
    return tuple(lines)


def _cause(number: int, ranked: RankedCause, diagnosis: Diagnosis) -> Section:
    finding = ranked.finding
    zone = diagnosis.report.environment.time_zone
    fields: list[Field] = [
        Field("confidence", (Status(ranked.confidence.value, _LOOKS[ranked.confidence]), _why(ranked))),
        Field("place", finding.place),
    ]
    if finding.since:
        fields.append(Field("since", format_time(finding.since, zone)))
    if finding.ended:
        fields.append(Field("over since", format_time(finding.ended, zone)))
    fields.append(Field("next", ranked.action.sentence))
    if ranked.action.command:
        fields.append(Field("", Literal(ranked.action.command)))
    if finding.procedure:
        fields.append(Field("runbook", Link(finding.procedure.title, finding.procedure.document)))
    blocks: list[Block] = [Fields(tuple(fields))]
    steps = tuple(
        Row(
            (
                "→" if at else "",
                station.place,
                station.sentence if station.is_seen else f"{station.sentence} (not read)",
            )
        )
        for at, station in enumerate(ranked.path)
    )
    if len(steps) > 1:
        blocks.append(Section("The path", (Table(("", "", ""), steps),)))
    evidence: list[Text] = [each.text for each in finding.evidence[:MAX_EVIDENCE]]
    if len(finding.evidence) > MAX_EVIDENCE:
        evidence.append(f"and {len(finding.evidence) - MAX_EVIDENCE} more (--output json has all)")
    if evidence:
        blocks.append(Section("Evidence", (Items(tuple(evidence)),)))
    if ranked.against:
        blocks.append(Section("Against it", (Items(ranked.against),)))
    if ranked.settled_by:
        blocks.append(Paragraph(f"It would be settled by {ranked.settled_by}."))
    return Section(f"{number}. {finding.sentence}", tuple(blocks))


def _why(ranked: RankedCause) -> str:
    return f" ({ranked.score:.2f}): {', '.join(ranked.reasons)}"


def _symptom(finding: Finding) -> Row:
    return Row((Status(finding.level.value, SEVERITIES[finding.level]), place_of_finding(finding), finding.sentence))


def _data(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "environment": diagnosis.report.environment.name,
        "asked": diagnosis.symptom or None,
        "at": iso(diagnosis.past or diagnosis.report.at),
        "verdict": diagnosis.verdict.value,
        "sentence": sentence_of(diagnosis),
        "causes": [_cause_data(each) for each in diagnosis.causes],
        "others": [_cause_data(each) for each in diagnosis.others],
        "unexplained": [finding_json(each) for each in diagnosis.unexplained],
        "under_way": [finding_json(each) for each in diagnosis.under_way],
        "ruled_out": [{"title": each.title, "evidence": each.evidence.text} for each in diagnosis.ruled_out],
        "not_seen": [{"title": each.title, "why": each.why} for each in diagnosis.not_seen],
        "requests": diagnosis.report.requests,
        "seconds": round(diagnosis.report.seconds, 3),
    }


def _cause_data(ranked: RankedCause) -> dict[str, Any]:
    return {
        "cause": ranked.explained.cause.name,
        "confidence": ranked.confidence.value,
        "score": ranked.score,
        "reasons": list(ranked.reasons),
        "path": [{"place": each.place, "sentence": each.sentence, "seen": each.is_seen} for each in ranked.path],
        "against": list(ranked.against),
        "settled_by": ranked.settled_by or None,
        "action": {"sentence": ranked.action.sentence, "command": ranked.action.command or None},
        **finding_json(ranked.finding),
    }
