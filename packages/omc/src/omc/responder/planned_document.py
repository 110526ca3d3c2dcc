"""Planned work and messages that couldn't be read, as a document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omc.model.planned import Planned
from omc.model.typed_json import to_json
from omc.output.document import Block, Document, Paragraph, Row, Section, Table
from omc.responder.unreadable import NotUnderstood
from omc.times import format_time, iso

MAX_SHOWN = 20
"""Messages that couldn't be read, the newest."""


def planned_document(
    coming: Sequence[Planned],
    unreadable: Sequence[tuple[datetime, NotUnderstood]],
    environment: str,
    zone: str,
) -> Document:
    """What others will do, the next first; and what nobody could read, the newest first."""
    rows = tuple(Row((_when(each, zone), each.what, each.subject, each.source, each.description)) for each in coming)
    table = Table(("begins", "what", "on", "announced by", "in its words"), rows, below=1)
    blocks: list[Block] = [table if rows else Paragraph(f"Nothing is announced for {environment}.")]
    if unreadable:
        shown = tuple(
            Row((format_time(at, zone), each.why, f"{each.length} characters")) for at, each in unreadable[:MAX_SHOWN]
        )
        title = f"Messages that could not be read: {len(unreadable)}"
        blocks.append(Section(title, (Table(("came", "why", "length"), shown),)))
    data = {
        "environment": environment,
        "planned": [to_json(each) for each in coming],
        "unreadable": [{"at": iso(at), **to_json(each)} for at, each in unreadable],
    }
    return Document("", tuple(blocks), data=data)


def _when(planned: Planned, zone: str) -> str:
    if planned.start is None:
        return "not said"
    end = f" to {format_time(planned.end, zone)}" if planned.end else ""
    return f"{format_time(planned.start, zone)}{end}"
