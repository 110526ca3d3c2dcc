"""The board, and who subscribed, as documents for whoever runs the stack."""

from __future__ import annotations

from collections.abc import Sequence

from omc.output.document import Block, Document, Paragraph, Row, Section, Severity, Status, Table
from omc.responder.status.board import OPERATIONAL, RESOLVED, UNKNOWN, Board, Entry
from omc.responder.status.feed import INDICATORS, history, summary
from omc.responder.status.proofs import masked
from omc.store.subscribers import Subscriber
from omc.times import format_time, iso

SHOWN = 10
"""Incidents."""


def board_document(board: Board, zone: str, *, is_public: bool) -> Document:
    """What customers see."""
    rows = tuple(Row((each.name, each.id, _state(each.state))) for each in board.components)
    blocks: list[Block] = [Paragraph(f"{INDICATORS[board.state][1]}.")]
    if not is_public:
        blocks.append(Paragraph(f"Nobody reads it: [status] environments of omc.toml has no {board.environment}."))
    blocks.append(Table(("component", "service", "state"), rows))
    blocks += [_entry(each, zone) for each in board.entries[:SHOWN]]
    if not board.entries:
        blocks.append(Paragraph("Customers were told of no incident."))
    data = {**summary(board), "history": history(board)["incidents"], "is_public": is_public}
    return Document(f"Status of {board.title}, {board.environment}, as customers see it", tuple(blocks), data=data)


def _entry(entry: Entry, zone: str) -> Section:
    rows = tuple(Row((format_time(each.at, zone), each.phase, each.text)) for each in entry.updates)
    end = f" to {format_time(entry.ended_at, zone)}" if entry.ended_at else ""
    phase = f"{entry.phase}, from {format_time(entry.began_at, zone)}{end}"
    blocks: list[Block] = [Paragraph(phase)]
    if entry.kind == "incident" and entry.ended_at is not None and entry.updates[0].phase != RESOLVED:
        blocks.append(Paragraph("It is over, and nobody has written so to customers."))
    return Section(entry.title, (*blocks, Table(("at", "phase", "what customers were told"), rows)))


def _state(state: str) -> Status:
    severity = {OPERATIONAL: Severity.OK, UNKNOWN: Severity.UNKNOWN}.get(state, Severity.WARNING)
    return Status(state.replace("_", " "), severity)


def subscribers_document(found: Sequence[Subscriber], environment: str, zone: str, *, whole: bool) -> Document:
    """Addresses are masked unless the ``whole`` of them is asked for."""

    def address(each: Subscriber) -> str:
        return each.address if whole else masked(each.kind, each.address)

    rows = tuple(
        Row(
            (
                each.id,
                each.kind,
                address(each),
                Status("confirmed", Severity.OK) if each.confirmed_at else Status("asked", Severity.UNKNOWN),
                format_time(each.confirmed_at or each.created_at, zone),
                str(each.failures),
            )
        )
        for each in found
    )
    columns = ("subscriber", "kind", "address", "state", "since", "failures in a row")
    data = {
        "environment": environment,
        "subscribers": [
            {
                "subscriber": each.id,
                "kind": each.kind,
                "address": address(each),
                "created_at": iso(each.created_at),
                "confirmed_at": iso(each.confirmed_at),
                "failures": each.failures,
            }
            for each in found
        ],
    }
    none = Paragraph(f"Nobody has subscribed to the status of {environment}.")
    return Document("", (Table(columns, rows) if rows else none,), data=data)
