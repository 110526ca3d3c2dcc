"""A review as a document: by part the verdict, what is new, still there, accepted, fixed or not seen, and charts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from omc.config import Environment
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Field,
    Link,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Text,
    Verdict,
)
from omc.output.figures import figure
from omc.reports.about import SEVERITIES
from omc.reports.report_json import finding_json
from omc.review.model import Judged, Review, ReviewedPart, ReviewStatus
from omc.times import format_time

ORDER = (ReviewStatus.NEW, ReviewStatus.STILL, ReviewStatus.UNSEEN, ReviewStatus.ACCEPTED, ReviewStatus.FIXED)
_QUIET = (ReviewStatus.ACCEPTED, ReviewStatus.FIXED)


def review_document(review: Review, environment: Environment, commands: tuple[str, ...] | None = None) -> Document:
    """``commands``: the same by hand."""
    blocks: list[Block] = [_part(part, environment) for part in review.parts]
    if commands:
        blocks.append(Section("The same by hand", (CodeBlock(commands, "bash"),)))
    calls = sum(part.report.requests for part in review.parts)
    return Document(
        f"Weekly review, {environment.name}",
        tuple(blocks),
        subtitle=f"{format_time(review.at, environment.time_zone)}, {calls} calls.",
        verdict=Verdict(Status(review.verdict.value, SEVERITIES[review.verdict]), _sentence(review)),
        data=_data(review, environment),
    )


def _sentence(review: Review) -> str:
    counts = Counter(each.status for part in review.parts for each in part.findings)
    counted = [f"{counts[status]} {status.value}" for status in ORDER if counts[status]]
    return f"{', '.join(counted)}." if counted else "Nothing to look at."


def _part(part: ReviewedPart, environment: Environment) -> Section:
    order = sorted(part.findings, key=lambda each: ORDER.index(each.status))
    blocks: list[Block] = []
    if part.before is None:
        blocks.append(
            Paragraph("No review of this is recorded yet, so all of it is new. To record this one: add --record.")
        )
    rows = tuple(_row(each, environment) for each in order)
    if rows:
        blocks.append(Table(("", "level", "finding", "", "key"), rows, below=2))
    elif not part.report.findings:
        blocks.append(Notice(Status("unknown", Severity.UNKNOWN), "No check of this part was run."))
    else:
        blocks.append(Paragraph(f"All {len(part.report.findings)} findings are ok."))
    blocks += part.charts
    return Section(f"{part.part.checks.title}: {part.verdict.value}", tuple(blocks))


def _row(judged: Judged, environment: Environment) -> Row:
    finding = judged.finding
    word = finding.level.value
    level: Text = word if judged.status in _QUIET else Status(word, SEVERITIES[finding.level])
    is_fixed = judged.status is ReviewStatus.FIXED
    rests = () if is_fixed else finding.evidence
    evidence = [Field("", each.text) for each in rests if each.text != finding.sentence]
    if finding.procedure and judged.status not in _QUIET:
        evidence.append(Field("answered by", (Link(finding.procedure.title, finding.procedure.document),)))
    return Row((judged.status.value, level, finding.sentence, _since(judged, environment), judged.key), tuple(evidence))


def _since(judged: Judged, environment: Environment) -> str:
    if judged.acceptance:
        until = format_time(judged.acceptance.until, environment.time_zone)
        return f"accepted by {judged.acceptance.owner} until {until}: {judged.acceptance.reason}"
    if judged.status is ReviewStatus.NEW:
        return ""
    return f"first seen {format_time(judged.since, environment.time_zone)}"


def _data(review: Review, environment: Environment) -> dict[str, Any]:
    return {
        "environment": environment.name,
        "at": review.at.isoformat(),
        "verdict": review.verdict.value,
        "exit_code": review.exit_code,
        "parts": [
            {
                "part": part.part.name,
                "verdict": part.verdict.value,
                "last_recorded": part.before.isoformat() if part.before else None,
                "findings": [
                    {
                        "key": each.key,
                        "status": each.status.value,
                        "first_seen": each.since.isoformat(),
                        "accepted": each.acceptance
                        and {
                            "owner": each.acceptance.owner,
                            "reason": each.acceptance.reason,
                            "until": each.acceptance.until.isoformat(),
                        },
                        **finding_json(each.finding),
                    }
                    for each in part.findings
                ],
                "ok": [finding_json(each) for each in part.report.findings if each.level.value == "ok"],
                "charts": [
                    {
                        "title": chart.title,
                        "unit": chart.unit,
                        "labels": list(chart.labels),
                        "series": {series.name: list(series.values) for series in chart.series},
                        "last": {series.name: figure(series.values[-1]) for series in chart.series if series.values},
                    }
                    for chart in part.charts
                ],
            }
            for part in review.parts
        ],
    }
