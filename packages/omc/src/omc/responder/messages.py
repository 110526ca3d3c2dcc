"""What a page says: in 160 characters what is wrong and the one next step; below it a line of evidence, the last
change, and how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from omc.checks.runbook import section_of
from omc.config.contact_tables import ContactTable
from omc.config.tables import OMCS_RUNBOOK, RunbookTable
from omc.incidents.contacts import called_for
from omc.incidents.events import Paged
from omc.incidents.incident import Incident
from omc.model.pages import Message
from omc.notify.text import short_form
from omc.responder.catalogue import KnownAlert, find, groups_of
from omc.times import format_duration

LAST_CHANGES = ("recent deployments", "terraform applies", "api changes")
"""What was captured, in the order in which it explains trouble."""
MAX_PAGED = 8
"""People who are named in a message."""
RUNBOOK = "docs/runbook/incident-response.md"


def page_message(
    incident: Incident,
    why: str,
    now: datetime,
    contacts: Mapping[str, ContactTable] | None = None,
    runbook: RunbookTable = OMCS_RUNBOOK,
) -> Message:
    """Of a page that wants somebody to take an incident. ``contacts``: those of omc.toml."""
    step = f"omc incident ack {incident.number} --env {incident.environment}"
    known = _known(incident)
    first = (f"First: {known.action}",) if known else ()
    _, section = section_of(known.runbook if known else RUNBOOK, "", runbook)
    outside = (
        f"Outside help: {each.name}: {each.ways[0]}"
        for each in called_for(contacts or {}, incident, groups_of(incident))
    )
    lines = (*first, *_evidence(incident, now), f"You are paged as {why}.", f"Runbook: {section}", *outside)
    return Message(_short(incident, step), lines)


def _known(incident: Incident) -> KnownAlert | None:
    """What the catalogue has of the worst of its alerts that fire; the first of several."""
    for alert in sorted(incident.firing, key=lambda each: each.severity or 3):
        known, _ = find(alert.name, None)
        if known is not None:
            return known
    return None


def channel_message(incident: Incident, now: datetime) -> Message:
    """The alert in the incident's own channel, for whoever comes into it."""
    known = _known(incident)
    first = (f"First: {known.action}",) if known else ()
    held = incident.acknowledgement
    who = f"{held.person} has it." if held else f"Paged: {', '.join(_paged(incident)) or 'nobody yet'}."
    kept = "What is written here is kept with the incident."
    lines = (*first, *_evidence(incident, now), who, f"Runbook: {known.runbook if known else RUNBOOK}", kept)
    return Message(_short(incident, f"omc incident show {incident.number} --env {incident.environment}"), lines)


def channel_over_message(incident: Incident) -> Message:
    """The last word in the incident's own channel."""
    kept = "This channel is kept. Archive it in Slack when the post-mortem is done."
    if incident.merged_into is not None:
        head = f"Incident {incident.number} of {incident.environment} goes on in incident {incident.merged_into}: "
        return Message(short_form(f"{head}{incident.summary}"), (kept,))
    message = resolved_message(incident)
    return Message(message.short, (*filter(None, message.lines), kept))


def _paged(incident: Incident) -> list[str]:
    """Whom it was last paged to, the last first."""
    found = (each.payload.person for each in reversed(incident.events) if isinstance(each.payload, Paged))
    return list(dict.fromkeys(found))[:MAX_PAGED]


def nobody_message(incident: Incident) -> Message:
    """For a channel: the chain has nobody who can be paged."""
    head = f"Nobody on call can be reached for incident {incident.number} of {incident.environment}"
    return Message(short_form(f"{head}: SEV-{incident.severity}, {incident.summary}", "Whoever reads this: take it."))


def acknowledged_message(incident: Incident) -> Message:
    """What a page shows once somebody has the incident."""
    who = incident.acknowledgement.person if incident.acknowledgement else "Somebody"
    return Message(short_form(f"{who} has incident {incident.number} of {incident.environment}: {incident.summary}"))


def resolved_message(incident: Incident) -> Message:
    """A notice that it is over."""
    lasted = ""
    if incident.resolved_at is not None:
        lasted = f" after {format_duration(incident.resolved_at - incident.opened_at)}"
    head = f"Incident {incident.number} of {incident.environment} is resolved{lasted}: "
    return Message(short_form(f"{head}{incident.summary}"), (incident.resolution or "",))


def update_message(incident: Incident, due: datetime, now: datetime) -> Message:
    """A reminder to tell customers."""
    head = f"Tell customers within {format_duration(due - now)}: incident {incident.number}, "
    step = f"omc incident update {incident.number} TEXT --env {incident.environment}"
    return Message(short_form(f"{head}{incident.summary}", step))


def action_item_message(incident: Incident, text: str, is_late: bool) -> Message:
    """A reminder of something that was to be done after an incident."""
    when = "is overdue" if is_late else "is due today"
    return Message(short_form(f"Action item of incident {incident.number} {when}: {text}"))


def _short(incident: Incident, step: str) -> str:
    where = "+".join(incident.services[:2])
    head = f"SEV-{incident.severity} {incident.environment}{' ' + where if where else ''}: "
    return short_form(f"{head}{incident.summary}", step)


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
