"""Incidents, shown: a list of them, and one with its events; as a table, as JSON for programs, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc.cli.table import Row, table
from omc.incidents.model import TYPES, Incident, IncidentEvent, Noted, Opened, SeverityChanged
from omc.model.events import UnknownEvent
from omc.model.typed_json import to_json as document_of
from omc.output import line, to_json
from omc.output.markdown import escape as markdown
from omc.output.markdown import table_row
from omc.stack import Environment
from omc.times import format_duration, format_time, iso

HEADER = ("incident", "severity", "state", "opened", "by", "summary")


def list_as_table(incidents: Sequence[Incident], environment: Environment, *, everything: bool, width: int) -> str:
    if not incidents:
        return _none(environment, everything=everything)
    return table([Row(_cells(each, environment.time_zone)) for each in incidents], header=HEADER, width=width)


def list_as_markdown(incidents: Sequence[Incident], environment: Environment, *, everything: bool) -> str:
    if not incidents:
        return _none(environment, everything=everything)
    rows = [HEADER, *(_cells(each, environment.time_zone) for each in incidents)]
    lines = [table_row(row) for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(HEADER), *lines[1:]])


def list_as_json(incidents: Sequence[Incident], environment: Environment) -> str:
    document = {"environment": environment.name, "incidents": [_document(each) for each in incidents]}
    return to_json(document)


def as_table(incident: Incident, zone: str, *, width: int) -> str:
    facts = table([Row((f"  {name}", message)) for name, message in _facts(incident, zone)], width=width)
    rows = [Row((f"  {format_time(event.at, zone)}", event.by, in_words(event))) for event in incident.events]
    return "\n\n".join([line(f"{_heading(incident)}: {incident.summary}"), facts, table(rows, width=width)])


def as_markdown(incident: Incident, zone: str) -> str:
    """For a ticket."""
    lines = [f"## {markdown(f'{_heading(incident)}: {incident.summary}')}", ""]
    lines += [f"- {name}: {markdown(message)}" for name, message in _facts(incident, zone)]
    lines += ["", "| at | by | |", "|---|---|---|"]
    for event in incident.events:
        lines.append(table_row((format_time(event.at, zone), event.by, in_words(event))))
    return "\n".join(lines)


def as_json(incident: Incident) -> str:
    """Keys are added, never renamed; times are ISO 8601 in UTC."""
    events = [
        {"at": iso(event.at), "by": event.by, "kind": TYPES.name_of(event.payload), **document_of(event.payload)}
        for event in incident.events
    ]
    return to_json({**_document(incident), "events": events})


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


def _none(environment: Environment, *, everything: bool) -> str:
    return (
        f"There was no incident in {environment.name} yet."
        if everything
        else f"No incident is open in {environment.name}."
    )


def _heading(incident: Incident) -> str:
    return f"Incident {incident.number}, {incident.environment}"


def _state(incident: Incident) -> str:
    return "open" if incident.is_open else "resolved"


def _cells(incident: Incident, zone: str) -> tuple[str, ...]:
    return (
        str(incident.number),
        f"SEV-{incident.severity}",
        _state(incident),
        format_time(incident.opened_at, zone),
        incident.opened_by,
        incident.summary,
    )


def _facts(incident: Incident, zone: str) -> list[tuple[str, str]]:
    facts = [
        ("severity", f"SEV-{incident.severity}"),
        ("state", _state(incident)),
        ("opened", f"{format_time(incident.opened_at, zone)} by {incident.opened_by}"),
    ]
    if incident.resolved_at is not None:
        lasted = format_duration(incident.resolved_at - incident.opened_at)
        facts.append(
            ("resolved", f"{format_time(incident.resolved_at, zone)} by {incident.resolved_by}, after {lasted}")
        )
    return facts


def _document(incident: Incident) -> dict[str, Any]:
    return {
        "number": incident.number,
        "environment": incident.environment,
        "severity": incident.severity,
        "summary": incident.summary,
        "state": _state(incident),
        "opened_by": incident.opened_by,
        "opened_at": iso(incident.opened_at),
        "resolved_by": incident.resolved_by,
        "resolved_at": iso(incident.resolved_at),
        "resolution": incident.resolution,
    }
