"""What a page says: in 160 characters what is wrong and the one next step; below it a line of evidence, the last
change, and how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from omc.config.contact_tables import ContactTable
from omc.incidents.contacts import called_for
from omc.incidents.incident import Incident
from omc.model.pages import SHORT, Message
from omc.responder.catalogue import KnownAlert, find, groups_of
from omc.times import format_duration

LAST_CHANGES = ("recent deployments", "terraform applies", "api changes")
"""What was captured, in the order in which it explains trouble."""
RUNBOOK = "docs/runbook/incident-response.md"


def page_message(
    incident: Incident, why: str, now: datetime, contacts: Mapping[str, ContactTable] | None = None
) -> Message:
    """Of a page that wants somebody to take an incident. ``contacts``: those of omc.toml."""
    step = f"omc incident ack {incident.number} --env {incident.environment}"
    known = _known(incident)
    first = (f"First: {known.action}",) if known else ()
    section = known.runbook if known else RUNBOOK
    outside = (
        f"Outside help: {each.name}: {each.ways[0]}"
        for each in called_for(contacts or {}, incident, groups_of(incident))
    )
    lines = (*first, *_evidence(incident, now), f"You are paged as {why}.", f"Runbook: {section}", *outside)
    return Message(_short(incident, step), lines)


def _known(incident: Incident) -> KnownAlert | None:
    """What the catalogue has of the worst of its alerts that fire; the first of several."""
    for alert in sorted(incident.firing, key=lambda each: each.severity or 3):
        known, _ = find(alert.name)
        if known is not None:
            return known
    return None


def nobody_message(incident: Incident) -> Message:
    """For a channel: the chain has nobody who can be paged."""
    head = f"Nobody on call can be reached for incident {incident.number} of {incident.environment}"
    return Message(_fit(f"{head}: SEV-{incident.severity}, ", incident.summary, "Whoever reads this: take it."))


def acknowledged_message(incident: Incident) -> Message:
    """What a page shows once somebody has the incident."""
    who = incident.acknowledgement.person if incident.acknowledgement else "Somebody"
    return Message(_fit(f"{who} has incident {incident.number} of {incident.environment}: ", incident.summary, ""))


def resolved_message(incident: Incident) -> Message:
    """A notice that it is over."""
    lasted = ""
    if incident.resolved_at is not None:
        lasted = f" after {format_duration(incident.resolved_at - incident.opened_at)}"
    head = f"Incident {incident.number} of {incident.environment} is resolved{lasted}: "
    return Message(_fit(head, incident.summary, ""), (incident.resolution or "",))


def update_message(incident: Incident, due: datetime, now: datetime) -> Message:
    """A reminder to tell customers."""
    head = f"Tell customers within {format_duration(due - now)}: incident {incident.number}, "
    step = f"omc incident update {incident.number} TEXT --env {incident.environment}"
    return Message(_fit(head, incident.summary, step))


def action_item_message(incident: Incident, text: str, is_late: bool) -> Message:
    """A reminder of something that was to be done after an incident."""
    when = "is overdue" if is_late else "is due today"
    return Message(_fit(f"Action item of incident {incident.number} {when}: ", text, ""))


def _short(incident: Incident, step: str) -> str:
    where = "+".join(incident.services[:2])
    head = f"SEV-{incident.severity} {incident.environment}{' ' + where if where else ''}: "
    return _fit(head, incident.summary, step)


def _fit(head: str, text: str, tail: str) -> str:
    """As much of the text as leaves room for what stands around it."""
    text = " ".join(text.split())
    end = f". {tail}" if tail else ""
    room = SHORT - len(head) - len(end)
    shown = text if len(text) <= room else f"{text[: max(0, room - 1)].rstrip()}…"
    return f"{head}{shown}{end}"[:SHORT]


def _evidence(incident: Incident, now: datetime) -> tuple[str, ...]:
    firing = incident.firing
    lines = [f"Open for {format_duration(now - incident.opened_at)}."]
    if firing:
        more = f" and {len(firing) - 1} more" if len(firing) > 1 else ""
        lines.append(f"{firing[0].name} fires{more}.")
    for what in LAST_CHANGES:
        found = incident.captured.get(what)
        if found is not None and found.items:
            lines.append(f"Last change: {found.items[0]}")
            break
    return tuple(lines)
