"""What the commands of this chapter show, as documents. Pure: nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omc.logs.insights import GIGABYTE
from omc.logs.model import Answer, Deployed, ErrorShape, Span
from omc.logs.queries import SavedQuery
from omc.logs.reading import Errors
from omc.output.document import Block, Document, Field, Fields, Items, Notice, Paragraph, Row, Severity, Status, Table
from omc.redaction import mask
from omc.times import format_time, iso

UNKNOWN = Status("unknown", Severity.UNKNOWN)
SHOWN = 50
"""Shapes, statements and talkers of a table; JSON has all of them."""
EXAMPLE = 400
"""Characters of an example in a table."""


def errors_document(found: Errors, name: str, zone: str) -> Document:
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
        sentence = f"{total:,} errors of {len(found.shapes)} shapes."
    elif found.answer.scanned or found.answer.gaps:
        sentence = "No error was logged."
    else:
        blocks.append(Notice(UNKNOWN, "Nothing at all was logged in this time."))
        sentence = ""
    blocks.append(Paragraph(f"{sentence} {scanned(found.answer)}".strip()))
    data = {
        "environment": name,
        "begin": iso(found.span.begin),
        "end": iso(found.span.end),
        "errors": total,
        "shapes": [shape_data(each) for each in found.shapes],
        "deployments": [_deployed_data(each) for each in found.deployed],
        **answer_data(found.answer),
    }
    return Document(f"Errors of {name}, {span_shown(found.span, zone)}", tuple(blocks), data=data)


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
    return f"{answer.scanned:,} events looked at, {bytes_shown(answer.bytes_scanned)}."


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
