"""Incidents as documents: a list of them, and one with its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc.incidents.model import TYPES, Incident, IncidentEvent, Noted, Opened, SeverityChanged
from omc.model.events import UnknownEvent
from omc.model.typed_json import to_json
from omc.output.document import Document, Field, Fields, Paragraph, Row, Severity, Status, Table
from omc.times import format_duration, format_time, iso


def incidents_document(incidents: Sequence[Incident], environment: str, zone: str, *, everything: bool) -> Document:
    """Those incidents of an environment; ``everything``: they are all that there were, not only the open ones."""
    none = f"There was no incident in {environment} yet." if everything else f"No incident is open in {environment}."
    rows = tuple(
        Row(
            (
                str(each.number),
                f"SEV-{each.severity}",
                _state(each),
                format_time(each.opened_at, zone),
                each.opened_by,
                each.summary,
            )
        )
        for each in incidents
    )
    table = Table(("incident", "severity", "state", "opened", "by", "summary"), rows)
    data = {"environment": environment, "incidents": [_data(each) for each in incidents]}
    return Document("", (table if rows else Paragraph(none),), data=data)


def incident_document(incident: Incident, zone: str) -> Document:
    """How it is now, and each of its events."""
    facts = [
        Field("severity", f"SEV-{incident.severity}"),
        Field("state", _state(incident)),
        Field("opened", f"{format_time(incident.opened_at, zone)} by {incident.opened_by}"),
    ]
    if incident.resolved_at is not None:
        lasted = format_duration(incident.resolved_at - incident.opened_at)
        at = format_time(incident.resolved_at, zone)
        facts.append(Field("resolved", f"{at} by {incident.resolved_by}, after {lasted}"))
    events = tuple(Row((f"  {format_time(each.at, zone)}", each.by, in_words(each))) for each in incident.events)
    history = [
        {"at": iso(each.at), "by": each.by, "kind": TYPES.name_of(each.payload), **to_json(each.payload)}
        for each in incident.events
    ]
    return Document(
        f"Incident {incident.number}, {incident.environment}: {incident.summary}",
        (Fields(tuple(facts)), Table(("  at", "by", "event"), events)),
        data={**_data(incident), "events": history},
    )


def in_words(event: IncidentEvent) -> str:
    """An event in a line."""
    what = event.payload
    if isinstance(what, UnknownEvent):
        return f'unknown: "{what.type}" is an event of a newer omc; update this one to read it'
    if isinstance(what, Opened):
        return f"opened as SEV-{what.severity}: {what.summary}"
    if isinstance(what, SeverityChanged):
        return f"is a SEV-{what.severity} now"
    if isinstance(what, Noted):
        return " ".join(what.text.split())
    return f"resolved: {' '.join(what.how.split())}"


def _state(incident: Incident) -> Status:
    return Status("open", Severity.WARNING) if incident.is_open else Status("resolved", Severity.OK)


def _data(incident: Incident) -> dict[str, Any]:
    return {
        "number": incident.number,
        "environment": incident.environment,
        "severity": incident.severity,
        "summary": incident.summary,
        "state": _state(incident).word,
        "opened_by": incident.opened_by,
        "opened_at": iso(incident.opened_at),
        "resolved_by": incident.resolved_by,
        "resolved_at": iso(incident.resolved_at),
        "resolution": incident.resolution,
    }
