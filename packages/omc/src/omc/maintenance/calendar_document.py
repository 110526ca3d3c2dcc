"""The calendar as a document, and as iCalendar."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from omc.maintenance.calendar import Calendar, Entry, Kind, Proposal
from omc.output.document import Block, Document, Notice, Paragraph, Row, Section, Severity, Status, Table
from omc.output.ical import new_calendar, new_event
from omc.times import format_time, iso, zone_named

NOT_ASKED = "AWS wasn't asked: of its work only what it announced to omc is here. See: omc maintenance calendar"


def calendar_document(found: Calendar, zone: str) -> Document:
    """``zone``: where the people are."""
    blocks: list[Block] = [
        Notice(Status("unknown", Severity.UNKNOWN), f"{why} Something may be coming that isn't shown.")
        for why in found.unread
    ]
    if not found.is_aws_read and not found.unread:
        blocks.append(Paragraph(NOT_ASKED))
    rows = tuple(_row(entry, zone) for entry in found.entries)
    period = f"until {format_time(found.until, zone)}"
    columns: tuple[str, ...] = ("", "what", "in its own zone", zone, "UTC", "remark")
    blocks.append(Table(columns, rows, below=1) if rows else Paragraph(f"Nothing is planned {period}."))
    if found.proposals:
        columns = ("AWS's work", "on", "by", "our window for it", "why")
        table = Table(columns, tuple(_proposed(each, zone) for each in found.proposals), below=1)
        blocks.append(Section("AWS's work, and when we would have it", (table,)))
    return Document(f"Maintenance of {found.environment}, {period}", tuple(blocks), data=_data(found))


def ical(found: Calendar, now: datetime) -> bytes:
    """The windows, freezes and AWS's dated work, for calendar programs. ``Unknown`` without the library for it."""
    file = new_calendar("maintenance", f"Maintenance of {found.environment}")
    if not found.is_aws_read:
        file.add("x-wr-caldesc", NOT_ASKED)
    for entry in found.entries:
        if entry.begin is None:
            continue
        identity = f"{found.environment}/{entry.kind}/{entry.what}/{entry.begin.isoformat()}"
        summary = _summary(entry, found.environment)
        event = new_event(summary, entry.begin, entry.end or entry.begin, identity, now)
        if entry.remark:
            event.add("description", entry.remark)
        event.add("transp", "OPAQUE" if entry.kind is Kind.FREEZE else "TRANSPARENT")
        file.add_component(event)
    return bytes(file.to_ical())


def _summary(entry: Entry, environment: str) -> str:
    if entry.kind is Kind.WINDOW:
        return f"Maintenance window of {environment}: {entry.what}"
    if entry.kind is Kind.FREEZE:
        return f"{environment} is frozen: {entry.what}"
    return f"{environment}: {entry.what}"


def _row(entry: Entry, zone: str) -> Row:
    if entry.begin is None:
        return Row((str(entry.kind), entry.what, "no time is given", "", "", entry.remark))
    own, here, utc = (
        period(entry.begin, entry.end, found) for found in (zone_named(entry.zone), zone_named(zone), UTC)
    )
    return Row((str(entry.kind), entry.what, own, here, utc.removesuffix(" UTC"), entry.remark))


def period(begin: datetime, end: datetime | None, zone: tzinfo) -> str:
    """``Sun 06 Dec 02:00 to 04:00 UTC+10:00``; the end's day only where it is another."""
    first = begin.astimezone(zone)
    text = f"{first:%a %d %b %H:%M}"
    if end is not None:
        last = end.astimezone(zone)
        text += f" to {last:%H:%M}" if last.date() == first.date() else f" to {last:%a %d %b %H:%M}"
        if last.tzname() != first.tzname():
            return f"{text} ({first:%Z}, then {last:%Z})"
    return f"{text} {first:%Z}"


def _proposed(proposal: Proposal, zone: str) -> Row:
    by = format_time(proposal.by, zone) if proposal.by else "no date"
    window = proposal.window
    ours = period(window.begin, window.end, zone_named(zone)) if window else "none"
    return Row((proposal.what, proposal.subject, by, ours, proposal.reason))


def _data(found: Calendar) -> dict[str, object]:
    return {
        "environment": found.environment,
        "since": iso(found.since),
        "until": iso(found.until),
        "entries": [
            {
                "kind": str(each.kind),
                "what": each.what,
                "begin": each.begin and iso(each.begin),
                "end": each.end and iso(each.end),
                "zone": each.zone,
                "begin_in_zone": each.begin and each.begin.astimezone(zone_named(each.zone)).isoformat(),
                "end_in_zone": each.end and each.end.astimezone(zone_named(each.zone)).isoformat(),
                "remark": each.remark,
            }
            for each in found.entries
        ],
        "proposals": [
            {
                "what": each.what,
                "subject": each.subject,
                "by": each.by and iso(each.by),
                "window": each.window and {"begin": iso(each.window.begin), "end": iso(each.window.end)},
                "reason": each.reason,
            }
            for each in found.proposals
        ],
        "unread": list(found.unread),
        "is_aws_read": found.is_aws_read,
    }
