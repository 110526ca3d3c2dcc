"""The board as programs read it: JSON in the form of Statuspage's API, Atom (RFC 4287) and RSS 2.0. Pure.

Each is made by a writer that escapes, so that no text begins an element. What XML can't hold even escaped is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as ET

from omc.responder.status.board import MAINTENANCE, OPERATIONAL, RANK, UNKNOWN, Board, Component, Entry, PublicUpdate

ATOM = "http://www.w3.org/2005/Atom"
INDICATORS: Mapping[str, tuple[str, str]] = {
    OPERATIONAL: ("none", "All components work"),
    MAINTENANCE: ("maintenance", "Some components are worked on, as was announced"),
    UNKNOWN: ("unknown", "It isn't known whether all components work"),
    "degraded_performance": ("minor", "Some components work badly"),
    "partial_outage": ("major", "Some components fail for some"),
    "major_outage": ("critical", "Some components are down"),
}
"""By the worst state of a component: Statuspage's indicator, with one of ours, and a sentence."""
MOST_ENTRIES = 100
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def summary(board: Board) -> dict[str, Any]:
    """Now: components, and incidents that last."""
    indicator, words = INDICATORS[board.state]
    return {
        "page": _page(board),
        "status": {"indicator": indicator, "description": words},
        "components": [_component(each) for each in board.components],
        "incidents": [entry_data(each, board) for each in board.entries if each.kind == "incident" and each.is_open],
        "scheduled_maintenances": [
            entry_data(each, board) for each in board.entries if each.kind == "maintenance" and each.is_open
        ],
    }


def history(board: Board) -> dict[str, Any]:
    """All incidents that are kept, the newest first."""
    entries = [each for each in board.entries if each.kind == "incident"][:MOST_ENTRIES]
    return {"page": _page(board), "incidents": [entry_data(each, board) for each in entries]}


def entry_data(entry: Entry, board: Board) -> dict[str, Any]:
    """One incident, or one maintenance."""
    planned = {}
    if entry.until is not None:
        planned = {"scheduled_for": _time(entry.began_at), "scheduled_until": _time(entry.until)}
    return {
        "id": entry.id,
        "name": entry.title,
        "status": entry.phase,
        "impact": _impact(entry),
        "started_at": _time(entry.began_at),
        "created_at": _time(entry.updates[-1].at),
        "updated_at": _time(entry.updated_at),
        "resolved_at": None if entry.ended_at is None else _time(entry.ended_at),
        "components": [
            {"id": each.id, "name": each.name, "status": entry.states[each.id]}
            for each in board.components
            if each.id in entry.states
        ],
        "incident_updates": [update_data(each, board) for each in entry.updates],
        **planned,
    }


def update_data(update: PublicUpdate, board: Board) -> dict[str, Any]:
    """One update of an incident."""
    names = {each.id: each.name for each in board.components}
    return {
        "id": update.id,
        "status": update.phase,
        "body": update.text,
        "display_at": _time(update.at),
        "affected_components": [
            {"code": name, "name": names[name], "new_status": state}
            for name, state in update.states.items()
            if name in names
        ],
    }


def atom(board: Board, address: str) -> bytes:
    """An entry for each incident, with all that was told of it; an update makes the same entry newer."""
    ET.register_namespace("", ATOM)
    feed = ET.Element(f"{{{ATOM}}}feed")

    def add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
        made = ET.SubElement(parent, f"{{{ATOM}}}{name}", {each: plain(value) for each, value in attributes.items()})
        made.text = plain(text) or None
        return made

    entries = sorted(board.entries, key=lambda each: each.updated_at, reverse=True)[:MOST_ENTRIES]
    add(feed, "id", f"{address}/history.atom")
    add(feed, "title", f"Status of {board.title}")
    add(feed, "updated", _time(entries[0].updated_at if entries else datetime(2000, 1, 1, tzinfo=UTC)))
    add(add(feed, "author"), "name", board.title)
    add(feed, "link", rel="self", href=f"{address}/history.atom", type="application/atom+xml")
    for each in entries:
        entry = add(feed, "entry")
        add(entry, "id", f"urn:uuid:{each.id}")
        add(entry, "title", each.title)
        add(entry, "published", _time(each.updates[-1].at))
        add(entry, "updated", _time(each.updated_at))
        add(entry, "category", term=each.phase)
        add(entry, "content", story(each), type="text")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode").encode()


def rss(board: Board, address: str) -> bytes:
    """The same as RSS 2.0."""
    root = ET.Element("rss", {"version": "2.0"})
    channel = ET.SubElement(root, "channel")

    def add(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
        ET.SubElement(parent, name, attributes).text = plain(text)

    entries = sorted(board.entries, key=lambda each: each.updated_at, reverse=True)[:MOST_ENTRIES]
    add(channel, "title", f"Status of {board.title}")
    add(channel, "link", f"{address}/api/v2/summary.json")
    add(channel, "description", f"What customers of {board.title} are told of incidents and maintenance")
    for each in entries:
        item = ET.SubElement(channel, "item")
        add(item, "title", f"{each.phase.capitalize()}: {each.title}")
        add(item, "guid", f"urn:uuid:{each.updates[0].id}", isPermaLink="false")
        add(item, "pubDate", format_datetime(each.updated_at.astimezone(UTC)))
        add(item, "description", story(each))
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode").encode()


def story(entry: Entry) -> str:
    """All that was told of it, the newest first."""
    return "\n\n".join(f"{_time(each.at)} {each.phase}: {each.text}" for each in entry.updates)


def plain(text: str) -> str:
    """Without what XML 1.0 can't hold: most control characters, and halves of characters."""
    return _NOT_XML.sub("", text)


def _impact(entry: Entry) -> str:
    """The worst that any update said of a component."""
    states = [state for each in entry.updates for state in each.states.values()]
    return INDICATORS[max(states, key=RANK.__getitem__, default=OPERATIONAL)][0]


def _page(board: Board) -> dict[str, Any]:
    newest = max((each.updated_at for each in board.entries), default=None)
    return {"id": board.environment, "name": board.title, "updated_at": None if newest is None else _time(newest)}


def _component(component: Component) -> dict[str, Any]:
    return {"id": component.id, "name": component.name, "status": component.state}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
