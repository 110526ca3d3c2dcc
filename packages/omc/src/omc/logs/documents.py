"""What the commands of this chapter show, as documents. Pure: nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from omc.logs.insights import GIGABYTE
from omc.logs.model import Answer, Deployed, ErrorShape, LogEvent, Span, Statement, Talker
from omc.logs.queries import SavedQuery
from omc.logs.reading import Errors
from omc.output import line, to_json
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Field,
    Fields,
    Items,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
)
from omc.output.text import counted
from omc.redaction import mask
from omc.times import format_time, iso, zone_named

UNKNOWN = Status("unknown", Severity.UNKNOWN)
SHOWN = 50
"""Shapes, statements and talkers of a table; JSON has all of them."""
EXAMPLE = 400
"""Characters of an example in a table."""


def errors_document(found: Errors, name: str, zone: str, span: Span | None) -> Document:
    """The errors by shape, the most frequent first."""
    blocks: list[Block] = list(notices(found.answer))
    if found.unread:
        blocks.append(Notice(UNKNOWN, f"What was deployed last couldn't be read: {found.unread}"))
    elif found.deployed:
        blocks.append(Items(tuple(_deployment(each, zone) for each in found.deployed)))
    total = sum(each.count for each in found.shapes)
    if found.shapes:
        blocks.append(shapes_table(found.shapes, zone))
        blocks += _more(len(found.shapes), "shapes")
        sentence = f"{counted(total, 'error')} of {counted(len(found.shapes), 'shape')}."
    elif found.answer.scanned:
        sentence = "No error was logged."
    else:
        nothing = "Nothing could be read." if found.answer.gaps else "Nothing at all was logged in this time."
        blocks.append(Notice(UNKNOWN, nothing))
        sentence = ""
    blocks.append(Paragraph(f"{sentence} {scanned(found.answer)}".strip()))
    data = {
        "environment": name,
        "begin": iso(span.begin) if span else None,
        "end": iso(span.end) if span else None,
        "errors": total,
        "shapes": [shape_data(each) for each in found.shapes],
        "deployments": [_deployed_data(each) for each in found.deployed],
        **answer_data(found.answer),
    }
    period = f", {span_shown(span, zone)}" if span else ""
    return Document(f"Errors of {name}{period}", tuple(blocks), data=data)


def with_commands(document: Document, commands: Sequence[str]) -> Document:
    """With the aws commands that ask the same."""
    section = Section("The same by hand", (CodeBlock(tuple(commands), "bash"),))
    return replace(document, blocks=(*document.blocks, section), data={**document.data, "commands": list(commands)})


def shapes_table(shapes: Sequence[ErrorShape], zone: str) -> Table:
    """One row a shape, with its example below."""
    return Table(
        ("count", "last", "first", "from", "since the deployment", "shape", "example"),
        tuple(
            Row(
                (
                    f"{each.count:,}",
                    moment_shown(each.last, zone),
                    moment_shown(each.first, zone),
                    ", ".join(each.sources) + (f" ({each.streams} streams)" if each.streams > 1 else ""),
                    _new(each),
                    mask(each.shape),
                    shortened(each.example),
                )
            )
            for each in shapes[:SHOWN]
        ),
        below=2,
    )


def _new(shape: ErrorShape) -> Status | str:
    if shape.is_new:
        return Status("new", Severity.WARNING)
    return "unknown" if shape.is_new is None else "not new"


def shape_data(shape: ErrorShape) -> dict[str, Any]:
    """A shape for programs."""
    return {
        "shape": shape.shape,
        "count": shape.count,
        "first": iso(shape.first),
        "last": iso(shape.last),
        "sources": list(shape.sources),
        "streams": shape.streams,
        "example": shape.example,
        "new": shape.is_new,
        "deployment": _deployed_data(shape.since) if shape.since else None,
    }


def _deployment(deployed: Deployed, zone: str) -> str:
    revision = deployed.revision or "a revision that ECS has forgotten"
    return f"{deployed.service}: {revision} deployed {format_time(deployed.at, zone)}, {deployed.status}"


def _deployed_data(deployed: Deployed) -> dict[str, Any]:
    return {
        "service": deployed.service,
        "revision": deployed.revision,
        "at": iso(deployed.at),
        "status": deployed.status,
    }


def talkers_document(talkers: Sequence[Talker], answer: Answer, title: str, source: str) -> Document:
    """Who talks most, the most bytes first."""
    blocks: list[Block] = list(notices(answer))
    if talkers:
        columns = ("bytes", "packets", "records", "from", "to", "port", "protocol", "action")
        blocks.append(Table(columns, tuple(Row(_talker_cells(each)) for each in talkers)))
    elif not answer.gaps:
        blocks.append(Paragraph("No flow was recorded."))
    if text := scanned(answer):
        blocks.append(Paragraph(text))
    data = {
        "source": source,
        "talkers": [
            {
                "source": each.source,
                "source_name": each.names.get(each.source),
                "destination": each.destination,
                "destination_name": each.names.get(each.destination),
                "port": each.port,
                "protocol": each.protocol,
                "action": each.action,
                "bytes": each.bytes,
                "packets": each.packets,
                "records": each.records,
            }
            for each in talkers
        ],
        **answer_data(answer),
    }
    return Document(title, tuple(blocks), data=data)


def _talker_cells(talker: Talker) -> tuple[str | Status, ...]:
    def named(address: str) -> str:
        name = talker.names.get(address)
        return f"{address} ({name})" if name else address

    refused = talker.action == "REJECT"
    return (
        "unknown" if talker.bytes is None else bytes_shown(talker.bytes),
        "unknown" if talker.packets is None else f"{talker.packets:,}",
        f"{talker.records:,}",
        named(talker.source),
        named(talker.destination),
        "unknown" if talker.port is None else str(talker.port),
        talker.protocol or "unknown",
        Status("refused", Severity.WARNING) if refused else talker.action.lower() or "unknown",
    )


def statements_document(statements: Sequence[Statement], answer: Answer, title: str, zone: str) -> Document:
    """The slow statements, those that took most time altogether first."""
    blocks: list[Block] = list(notices(answer))
    if statements:
        columns = ("total", "times", "mean", "longest", "last", "user", "statement")
        rows = tuple(
            Row(
                (
                    _ms(each.total_ms),
                    f"{each.count:,}",
                    _ms(each.total_ms / each.count),
                    _ms(each.longest_ms),
                    moment_shown(each.last, zone),
                    ", ".join(each.users),
                    shortened(each.shape),
                )
            )
            for each in statements[:SHOWN]
        )
        blocks.append(Table(columns, rows, below=1))
        blocks += _more(len(statements), "statements")
        if explained := [each for each in statements[:SHOWN] if each.plan]:
            lines = tuple(explained[0].plan.splitlines()[:40])
            blocks.append(Section(f"Plan of {shortened(explained[0].shape)[:80]}", (CodeBlock(lines),)))
    elif not answer.gaps and not answer.missing:
        blocks.append(Paragraph(f"No statement was logged with its duration. {HOW_TO_LOG_STATEMENTS}"))
    data = {
        "statements": [
            {
                "statement": each.shape,
                "count": each.count,
                "total_ms": round(each.total_ms, 3),
                "mean_ms": round(each.total_ms / each.count, 3),
                "longest_ms": each.longest_ms,
                "first": iso(each.first),
                "last": iso(each.last),
                "users": list(each.users),
                "example": each.example,
                "plan": each.plan or None,
            }
            for each in statements
        ],
        **answer_data(answer),
    }
    return Document(title, tuple(blocks), data=data)


HOW_TO_LOG_STATEMENTS = (
    "PostgreSQL logs them once log_min_duration_statement is set in the parameter group (milliseconds; -1 is off)."
)


def _ms(milliseconds: float) -> str:
    return f"{milliseconds / 1000:,.1f} s" if milliseconds >= 1000 else f"{milliseconds:,.1f} ms"


def event_line(event: LogEvent, name: str, zone: str, output: str) -> str:
    """One event as it came, for a terminal or for programs."""
    if output == "json":
        values = {"at": iso(event.at), "source": event.source, "stream": event.stream, "message": event.message}
        return to_json(values, indent=None)
    clock = f"{event.at.astimezone(zone_named(zone)):%H:%M:%S}" if event.at else "unknown "
    return line(f"{clock} {name} {event.stream.rpartition('/')[2][:8]} {mask(event.message.rstrip())}")


def trace_document(
    request: str, events: Sequence[LogEvent], answer: Answer, services: Mapping[str, str], zone: str
) -> Document:
    """All that was logged of one request, in the order of time."""
    rows = tuple(
        Row(
            (
                moment_shown(each.at, zone),
                services.get(each.source, each.source),
                each.stream.rpartition("/")[2],
                shortened(each.message),
            )
        )
        for each in events
    )
    blocks: list[Block] = list(notices(answer))
    if rows:
        blocks.append(Table(("time", "from", "stream", "what it logged"), rows, below=1))
    else:
        blocks.append(Paragraph("Nothing that was read tells of this request."))
    data = {
        "request": request,
        "events": [
            {"at": iso(each.at), "source": each.source, "stream": each.stream, "message": each.message}
            for each in events
        ],
        **answer_data(answer),
    }
    return Document(f"Request {request}", tuple(blocks), data=data)


def rows_document(title: str, rows: Sequence[Mapping[str, Any]], gaps: Sequence[str], source: str) -> Document:
    """The rows of a query over files or on Athena."""
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    table = Table(columns, tuple(Row(tuple(mask(_cell(row.get(name))) for name in columns)) for row in rows))
    answer = Answer(gaps=tuple(gaps))
    blocks: list[Block] = [*notices(answer), table if rows else Paragraph("No row.")]
    data = {"source": source, "rows": [dict(row) for row in rows], "incomplete": list(gaps)}
    return Document(title, tuple(blocks), data=data)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def query_document(query: SavedQuery, answer: Answer, groups: Sequence[str], span: Span, zone: str) -> Document:
    """The rows of a query, with the columns that it gave."""
    columns = tuple(dict.fromkeys(name for row in answer.rows for name in row if name != "@ptr"))
    rows = tuple(Row(tuple(mask(row.get(name, "")) for name in columns)) for row in answer.rows)
    blocks: list[Block] = [*notices(answer)]
    blocks.append(Table(columns, rows) if rows else Paragraph("No row."))
    blocks.append(Paragraph(f"{len(rows):,} rows. {scanned(answer)}"))
    title = query.title or query.name or "Query"
    data = {
        "query": query.name,
        "text": query.text,
        "log_groups": list(groups),
        "begin": iso(span.begin),
        "end": iso(span.end),
        "rows": [{name: row.get(name) for name in columns} for row in answer.rows],
        **answer_data(answer),
    }
    return Document(f"{title}, {span_shown(span, zone)}", tuple(blocks), data=data)


def saved_document(queries: Sequence[SavedQuery]) -> Document:
    """The saved queries."""
    rows = tuple(
        Row((each.name, ", ".join(each.groups) or each.over, "omc.toml" if each.is_own else "omc", each.title))
        for each in queries
    )
    data = [
        {"name": each.name, "title": each.title, "over": each.over, "log_groups": list(each.groups), "query": each.text}
        for each in queries
    ]
    return Document("", (Table(("name", "reads", "from", "what it shows"), rows),), data={"queries": data})


def extent_document(size: int, price: str, groups: Sequence[str], missing: Sequence[str]) -> Document:
    """What a query would look at."""
    fields = [
        Field("would look at", f"about {bytes_shown(size)}"),
        Field("costs", price),
        Field("log groups", list(groups)),
    ]
    if missing:
        fields.append(Field("don't exist", list(missing)))
    data = {"bytes": size, "cost": price, "log_groups": list(groups), "missing": list(missing)}
    return Document("", (Fields(tuple(fields)),), data=data)


def notices(answer: Answer) -> list[Block]:
    """What an answer lacks."""
    found: list[Block] = [Notice(Status("incomplete", Severity.UNKNOWN), gap) for gap in answer.gaps]
    if answer.missing:
        found.append(Notice(UNKNOWN, f"These log groups don't exist: {', '.join(answer.missing)}."))
    return found


def answer_data(answer: Answer) -> dict[str, Any]:
    """For programs: how much was looked at, and what is lacking."""
    return {
        "matched": answer.matched,
        "scanned": answer.scanned,
        "bytes_scanned": answer.bytes_scanned,
        "missing": list(answer.missing),
        "incomplete": list(answer.gaps),
    }


def scanned(answer: Answer) -> str:
    """How much was looked at."""
    if not answer.scanned:
        return ""
    size = f", {bytes_shown(answer.bytes_scanned)}" if answer.bytes_scanned else ""
    return f"{counted(answer.scanned, 'event')} looked at{size}."


def _more(count: int, what: str) -> list[Block]:
    left = count - SHOWN
    return [Paragraph(f"{left:,} more {what}: --output json has them all.")] if left > 0 else []


def span_shown(span: Span, zone: str) -> str:
    """From when to when."""
    return f"{format_time(span.begin, zone)} to {format_time(span.end, zone)}"


def moment_shown(at: datetime | None, zone: str) -> str:
    """A time, where the line says one."""
    return format_time(at, zone) if at else "unknown"


def shortened(text: str) -> str:
    """An example in one line, masked as a whole before it is cut."""
    whole = " ".join(mask(text).split())
    return whole if len(whole) <= EXAMPLE else f"{whole[:EXAMPLE]} …"


def bytes_shown(size: float) -> str:
    """In the decimal units that AWS bills by."""
    for unit, value in (("GB", GIGABYTE), ("MB", 1_000_000), ("kB", 1_000)):
        if size >= value:
            return f"{size / value:,.1f} {unit}"
    return f"{size:,.0f} bytes"
