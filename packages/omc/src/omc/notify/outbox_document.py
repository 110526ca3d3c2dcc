"""The outbox and a test page as documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omc.model.pages import Page
from omc.model.typed_json import from_json
from omc.notify.model import SENT, Entry, current, in_vain, log_from
from omc.output.document import Document, Literal, Paragraph, Row, Severity, Status, Table, Verdict
from omc.store.outbox import FAILED, GATHERED, WAITING, OutboxRow
from omc.times import ago, format_time, iso

ORDER = (Severity.OK, Severity.UNKNOWN, Severity.FAILURE)
CODE_PAGE = "notice:verify:"
"""What the key of a page with a code begins with."""
SEVERITIES = {SENT: Severity.OK, WAITING: Severity.UNKNOWN, GATHERED: Severity.UNKNOWN, FAILED: Severity.FAILURE}


def outbox_document(rows: Sequence[OutboxRow], now: datetime, zone: str, *, only_failed: bool) -> Document:
    """Pages, the newest first."""
    none = "No page failed." if only_failed else "No page is waiting, and none failed."
    columns = ("state", "asked for", "to", "attempts", "page", "what it says, and what stands in its way")
    table = Table(columns, tuple(_row(row, now, zone) for row in rows), below=1)
    data = {"pages": [_data(row) for row in rows]}
    return Document("", (table if rows else Paragraph(none),), data=data)


def trial_document(recipient: str, rows: Sequence[OutboxRow], zone: str) -> Document:
    """Test pages: each hop with the time that it took, and how it ended. With several, the worst of them is said."""
    hops = [hops_of(row, zone) for row in rows]
    table = Table(("hop", "outcome", "at", "time"), tuple(hop for some in hops for hop in some))
    worst = max((verdict_of(row) for row in rows), key=lambda verdict: ORDER.index(verdict.status.severity))
    data = {"pages": [_data(row) for row in rows]}
    return Document(f"Test page to {recipient}", (table,), verdict=worst, data=data)


def hops_of(row: OutboxRow, zone: str) -> list[Row]:
    """A page's way: when it was written, and each attempt with the time that it took."""
    hops = [Row(("outbox", "written", format_time(row.created_at, zone), ""))]
    previous = row.created_at
    for entry in current(log_from(row.log)):
        waited = max(0.0, (entry.at - previous).total_seconds() - entry.seconds)
        took = f"{waited:.2f} s until it was taken, {entry.seconds:.2f} s to send"
        hops.append(Row((entry.contact, _status(entry), format_time(entry.at, zone), took)))
        previous = entry.at
    return hops


def verdict_of(row: OutboxRow) -> Verdict:
    """How a page's way ended."""
    page, log = from_json(Page, row.page), current(log_from(row.log))
    tried = in_vain(page, log) if log else "Nobody has tried yet."
    if row.state == SENT:
        seconds = (log[-1].at - row.created_at).total_seconds()
        sentence = f"{log[-1].contact} took it over after {seconds:.2f} s. Ask {row.recipient} whether it arrived."
        return Verdict(Status("sent", Severity.OK), sentence)
    if row.state == FAILED:
        return Verdict(Status("failed", Severity.FAILURE), tried)
    return Verdict(Status("unknown", Severity.UNKNOWN), f"It is still on its way. {tried}")


def _status(entry: Entry) -> tuple[Status | str, ...] | Status:
    if entry.outcome == SENT:
        return Status("sent", Severity.OK)
    return Status(entry.outcome, Severity.WARNING), f": {entry.reason}"


def _row(row: OutboxRow, now: datetime, zone: str) -> Row:
    message = _message(row)
    log = current(log_from(row.log))
    trouble = f" ({log[-1].contact}: {log[-1].reason})" if log and log[-1].reason else ""
    return Row(
        (
            Status(row.state, SEVERITIES.get(row.state, Severity.NONE)),
            ago(row.created_at, now, zone),
            row.recipient,
            str(row.attempts),
            Literal(row.key),
            f"{message}{trouble}",
        )
    )


def _message(row: OutboxRow) -> str:
    """What it says. A code that proves whose a contact is isn't shown: whoever reads this could enter it."""
    if row.key.startswith(CODE_PAGE):
        return "a code, to confirm a contact"
    try:
        return str(row.page["message"]["short"])
    except (KeyError, TypeError):
        return "a page that this omc can't read"


def _data(row: OutboxRow) -> dict[str, Any]:
    return {
        "page": row.key,
        "environment": row.environment,
        "incident": row.incident,
        "recipient": row.recipient,
        "state": row.state,
        "asked_at": iso(row.created_at),
        "due_at": iso(row.due_at),
        "sent_at": iso(row.sent_at),
        "attempts": row.attempts,
        "message": _message(row),
        "log": row.log,
    }
