"""Incidents as documents: a list of them, and one with its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc.incidents.contacts import Called
from omc.incidents.events import TYPES
from omc.incidents.incident import SEVERITIES, Alert, Incident
from omc.incidents.words import in_words
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
                each.acknowledgement.person if each.acknowledgement else "nobody" if each.is_open else "",
                each.summary,
            )
        )
        for each in incidents
    )
    table = Table(("incident", "severity", "state", "opened", "by", "who has it", "summary"), rows)
    data = {"environment": environment, "incidents": [incident_data(each) for each in incidents]}
    return Document("", (table if rows else Paragraph(none),), data=data)


def incident_document(incident: Incident, zone: str, outside: Sequence[Called] = ()) -> Document:
    """How it is now, who outside of the rotas can help (``contacts.called_for``), and each of its events."""
    facts = [
        Field("severity", f"SEV-{incident.severity}"),
        Field("state", _state(incident)),
        Field("opened", f"{format_time(incident.opened_at, zone)} by {incident.opened_by}"),
    ]
    facts.extend(_life(incident, zone))
    if incident.resolved_at is not None:
        lasted = format_duration(incident.resolved_at - incident.opened_at)
        at = format_time(incident.resolved_at, zone)
        facts.append(Field("resolved", f"{at} by {incident.resolved_by}, after {lasted}"))
    if incident.is_open and (outside or SEVERITIES[incident.severity].stops_deployments):
        ways = [f"{each.name}: {way}" for each in outside for way in each.ways]
        facts.append(Field("outside help", ways or "nobody is named for it: [contacts] of omc.toml"))
    names = {alert.key: alert.name for alert in incident.alerts.values()}
    events = tuple(
        Row((f"  {format_time(each.at, zone)}", each.by, in_words(each, zone, names))) for each in incident.events
    )
    history = [
        {"at": iso(each.at), "by": each.by, "kind": TYPES.name_of(each.payload), **to_json(each.payload)}
        for each in incident.events
    ]
    return Document(
        f"Incident {incident.number}, {incident.environment}: {incident.summary}",
        (Fields(tuple(facts)), Table(("  at", "by", "event"), events)),
        data={**incident_data(incident), "contacts": contacts_data(outside), "events": history},
    )


def contacts_data(outside: Sequence[Called]) -> list[dict[str, Any]]:
    """Who outside can help, for programs."""
    return [{"contact": each.id, "name": each.name, "ways": list(each.ways)} for each in outside]


def _life(incident: Incident, zone: str) -> list[Field]:
    """Who has it, and what fires."""
    facts = []
    if (held := incident.acknowledgement) is not None:
        until = f", until {format_time(held.until, zone)} if nothing follows" if held.until else ""
        facts.append(Field("acknowledged", f"{format_time(held.at, zone)} by {held.person}{until}"))
    if incident.mitigated_at is not None:
        at = format_time(incident.mitigated_at, zone)
        facts.append(Field("mitigated", f"{at} by {incident.mitigated_by}: {incident.mitigation}"))
    if incident.snooze is not None:
        facts.append(Field("snoozed", f"until {format_time(incident.snooze.until, zone)}: {incident.snooze.why}"))
    if incident.merged_into is not None:
        facts.append(Field("merged", f"into incident {incident.merged_into}"))
    facts.extend(Field(role, person) for role, person in incident.roles.items())
    if incident.alerts:
        facts.append(
            Field("alerts", [f"{each.name}: {'fires' if each.is_firing else 'ended'}" for each in _alerts(incident)])
        )
    if incident.unhealthy:
        facts.append(Field("health", list(incident.unhealthy)))
    return facts


def _alerts(incident: Incident) -> list[Alert]:
    return sorted(incident.alerts.values(), key=lambda each: (not each.is_firing, each.since, each.name))


def state_of(incident: Incident) -> str:
    """In a word: ``open``, ``acknowledged``, ``mitigated``, ``snoozed``, ``resolved`` or ``merged``."""
    if incident.resolved_at is not None:
        return "resolved"
    if incident.merged_into is not None:
        return "merged"
    if incident.snooze is not None:
        return "snoozed"
    if incident.mitigated_at is not None:
        return "mitigated"
    return "acknowledged" if incident.acknowledgement is not None else "open"


def _state(incident: Incident) -> Status:
    return Status(state_of(incident), Severity.WARNING if incident.is_open else Severity.OK)


def incident_data(incident: Incident) -> dict[str, Any]:
    """An incident without its events, for programs."""
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
        "is_open": incident.is_open,
        "acknowledged_by": incident.acknowledgement.person if incident.acknowledgement else None,
        "acknowledged_at": iso(incident.acknowledgement.at) if incident.acknowledgement else None,
        "mitigated_by": incident.mitigated_by,
        "mitigated_at": iso(incident.mitigated_at),
        "snoozed_until": iso(incident.snooze.until) if incident.snooze else None,
        "merged_into": incident.merged_into,
        "roles": dict(incident.roles),
        "alerts": [
            {"key": each.key, "name": each.name, "service": each.service, "is_firing": each.is_firing}
            for each in _alerts(incident)
        ],
    }
