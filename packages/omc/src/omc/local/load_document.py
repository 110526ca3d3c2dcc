"""What the users of ``omc local load`` saw, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from omc.errors import OmcError, Unknown
from omc.local.load_report import LoadReport, Part
from omc.local.traffic import Outcome, Sample, Shape
from omc.output.document import Document, Items, Row, Severity, Status, Table, Verdict
from omc.times import format_time

HEADER = ("requests", "per second", "well", "p50", "p95", "p99")


def exit_code(report: LoadReport, most_errors: float) -> int:
    """0: users were served well; 1: more of the requests failed than may; 3: not one was answered."""
    if not report.answered:
        return Unknown.exit_code
    return OmcError.exit_code if report.total.error_share > most_errors else 0


def load_document(report: LoadReport, zone: str, most_errors: float) -> Document:
    """Journeys, the time in slices, and what else there is to say. ``most_errors``: the share that may fail, 0 to 1."""
    return Document(
        _heading(report, zone),
        (
            _parts("journey", (*report.journeys, report.total)),
            _parts(_time_column(report), report.slices),
            Items(tuple(_facts(report))),
        ),
        verdict=_verdict(report, most_errors),
        data=_data(report, most_errors),
    )


def _data(report: LoadReport, most_errors: float) -> dict[str, Any]:
    """Times in seconds, shares from 0 to 1."""
    return {
        "url": report.url,
        "shape": report.shape.value,
        "began": datetime.fromtimestamp(report.began, UTC).isoformat(timespec="milliseconds"),
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
        "rate_wanted": report.rate_wanted,
        "rate_reached": round(report.total.rate, 2),
        "most_errors": most_errors,
        "exit_code": exit_code(report, most_errors),
        "sent": report.sent,
        **_part(report.total),
        "outcomes": {outcome.value: report.outcomes[outcome] for outcome in Outcome},
        "statuses": {str(status): count for status, count in sorted(report.statuses.items()) if status},
        "journeys": [{"journey": part.name, **_part(part)} for part in report.journeys],
        "slices": [{"time": part.name, **_part(part)} for part in report.slices],
        "slowest": [_sample(report, sample) for sample in report.slowest],
        "first_error": _sample(report, report.first_error) if report.first_error else None,
        "late_p95": round(report.late_p95, 5),
    }


def _heading(report: LoadReport, zone: str) -> str:
    shape = "a day compressed into it" if report.shape is Shape.DIURNAL else "steadily"
    began = format_time(datetime.fromtimestamp(report.began, UTC), zone)
    return f"Load on {report.url} from {began}, {report.seconds:.0f} s, {shape}" + (
        ", interrupted" if report.interrupted else ""
    )


def _verdict(report: LoadReport, most_errors: float) -> Verdict:
    share = report.total.error_share
    match exit_code(report, most_errors):
        case 0:
            message = f"users were served well; {share:.2%} of their requests failed (at most {most_errors:.2%} may)."
            return Verdict(Status("ok", Severity.OK), message)
        case 1:
            message = f"{share:.2%} of the users' requests failed (at most {most_errors:.2%} may)."
            return Verdict(Status("fail", Severity.FAILURE), message)
        case _:
            message = "not one request was answered, so this says nothing about how users are served."
            return Verdict(Status("unknown", Severity.UNKNOWN), message)


def _facts(report: LoadReport) -> list[str]:
    """What doesn't fit in the tables, a sentence each."""
    statuses = ", ".join(f"{count} answers {status}" for status, count in sorted(report.statuses.items()) if status)
    messages = [
        f"Wanted {report.rate_wanted:g} requests a second, reached {report.total.rate:.1f}; sent {report.sent}.",
        f"Statuses: {statuses or 'none'}.",
    ]
    errors = [f"{count} {outcome.value}" for outcome, count in report.outcomes.items() if outcome is not Outcome.OK]
    if errors:
        messages.append(f"Errors: {', '.join(sorted(errors))}.")
    if report.first_error:
        messages.append(f"First error: {_told(report.first_error)}.")
    if report.slowest:
        messages.append("Slowest: " + "; ".join(_told(sample) for sample in report.slowest) + ".")
    if report.late_p95 > max(0.01, report.total.p50 / 2):
        messages.append(
            f"This machine was too busy to send in time: {report.late_p95 * 1000:.0f} ms late (p95) before anything "
            "was sent, which is included in the times above."
        )
    return messages


def _told(sample: Sample) -> str:
    status = str(sample.status) if sample.status else sample.outcome.value
    message = f"{sample.method} {sample.path} after {sample.at:.1f} s: {status} in {_time(sample.seconds)}"
    if sample.outcome not in (Outcome.OK, Outcome.GAVE_UP) and sample.status:
        message += f", {sample.outcome.value}"
    return f"{message} ({sample.reason})" if sample.reason else message


def _time_column(report: LoadReport) -> str:
    return "time of day (Sydney)" if report.shape is Shape.DIURNAL else "time"


def _cells(each: Part) -> tuple[str, ...]:
    well = f"{each.good / each.requests:.2%}" if each.requests else "-"
    times = (_time(seconds) if each.requests else "-" for seconds in (each.p50, each.p95, each.p99))
    return (each.name, str(each.requests), f"{each.rate:.1f}", well, *times)


def _parts(title: str, parts: Sequence[Part]) -> Table:
    return Table((title, *HEADER), tuple(Row(_cells(each)) for each in parts))


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _part(each: Part) -> dict[str, Any]:
    return {
        "requests": each.requests,
        "good": each.good,
        "error_share": round(each.error_share, 6),
        "rate": round(each.rate, 2),
        "p50": round(each.p50, 5),
        "p95": round(each.p95, 5),
        "p99": round(each.p99, 5),
    }


def _sample(report: LoadReport, sample: Sample) -> dict[str, Any]:
    at = datetime.fromtimestamp(report.began + sample.at, UTC)
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "journey": sample.journey,
        "request": f"{sample.method} {sample.path}",
        "status": sample.status or None,
        "outcome": sample.outcome.value,
        "seconds": round(sample.seconds, 5),
        "reason": sample.reason or None,
    }
