"""Alerts, silences and replays as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omc.model.events import Event, UnknownEvent
from omc.model.silences import Silence
from omc.model.typed_json import to_json
from omc.output.document import (
    Document,
    Field,
    Fields,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Verdict,
)
from omc.responder.alerts import TYPES, Alert, CameLate, Ended, Fired, Held, Released, Reworded, Trace
from omc.responder.catalogue import catalogue
from omc.responder.replay import ReplayedIncident, Result
from omc.times import format_time, iso

SHORT_KEY = 8
"""Characters of an alert's key that are shown: enough to name it."""
HELD_BY = {
    "mute": "muted in CloudWatch by {of}",
    "flapping": "it comes and goes",
    "silence": "silence {of}",
    "inhibition": "explained by another",
}
HOLDS = {
    "mute": "muted in CloudWatch",
    "flapping": "flapping",
    "silence": "silenced",
    "inhibition": "explained by another",
}
"""What held alerts, in a replay's table."""


def state_of(alert: Alert, incident: int | None) -> Status:
    """In a word: whether it fires, and who knows."""
    if not alert.is_firing:
        return Status("ended", Severity.OK)
    if alert.hold is not None:
        return Status("held", Severity.WARNING)
    return Status("firing", Severity.FAILURE if incident is not None else Severity.UNKNOWN)


def where_it_is(alert: Alert, incident: int | None) -> str:
    """Which incident knows of it, or why none does."""
    if alert.hold is not None:
        return HELD_BY[alert.hold.by].format(of=alert.hold.of)
    if incident is not None:
        return f"incident {incident}"
    return "its incident was resolved" if alert.is_firing else ""


def alerts_document(
    found: Sequence[tuple[Alert, int | None]],
    environment: str,
    zone: str,
    *,
    everything: bool,
    matching: Sequence[str] = (),
) -> Document:
    """Alerts with the open incidents that know of them; ``everything``: also those that don't fire. ``matching``: the
    conditions by which they were chosen."""
    rows = tuple(
        Row(
            (
                Literal(alert.key[:SHORT_KEY]),
                state_of(alert, incident),
                f"SEV-{alert.facts.severity}" if alert.facts else "",
                _name(alert),
                format_time(alert.changed_at, zone) if alert.changed_at else "",
                where_it_is(alert, incident),
            )
        )
        for alert, incident in found
    )
    none = f"No alert was ever heard of in {environment}." if everything else f"No alert fires in {environment}."
    if matching:
        which = f"in {environment} {'meets' if everything else 'fires and meets'}"
        none = f"No alert {which} {' '.join(matching)}."
    table = Table(("alert", "state", "severity", "name", "since", "who knows"), rows)
    data = {"environment": environment, "alerts": [alert_data(alert, incident) for alert, incident in found]}
    return Document("", (table if rows else Paragraph(none),), data=data)


def alert_document(alert: Alert, incident: int | None, events: Sequence[Event[Any]], zone: str) -> Document:
    """One alert: what it means, what to do first, and what has happened to it."""
    known = catalogue().get(alert.facts.kind) if alert.facts else None
    facts = [Field("alert", Literal(alert.key)), Field("state", state_of(alert, incident))]
    if place := where_it_is(alert, incident):
        facts.append(Field("who knows", place))
    if alert.facts is not None:
        facts.append(Field("severity", f"SEV-{alert.facts.severity}"))
        facts.append(Field("service", alert.facts.service or "none"))
        facts.append(Field("group", alert.facts.group))
    if known is not None:
        facts += [Field("means", known.symptom), Field("first", known.action), Field("then", known.escalation)]
    runbook = (known.runbook if known else "") or (alert.facts.runbook if alert.facts else "")
    if runbook:
        facts.append(Field("runbook", runbook))
    if alert.notification is not None:
        facts.append(Field("says", alert.notification.title))
    history = tuple(Row((f"  {format_time(each.at, zone)}", in_words(each.payload))) for each in events)
    data = {
        **alert_data(alert, incident),
        "events": [
            {"at": iso(each.at), "kind": TYPES.name_of(each.payload), **_payload(each.payload)} for each in events
        ],
    }
    title = f"{_name(alert)}, {alert.environment}"
    return Document(title, (Fields(tuple(facts)), Table(("  at", "what happened"), history)), data=data)


def explained_document(alert: Alert, events: Sequence[Event[Any]], zone: str) -> Document:
    """Why an alert was grouped, held or paged: what each stage did, for each of these events."""
    sections: list[Section] = []
    for each in events:
        trace: Trace = getattr(each.payload, "trace", ())
        rows = tuple(Row((step.stage, step.did, step.why)) for step in trace)
        title = f"{format_time(each.at, zone)}: {in_words(each.payload)}"
        sections.append(Section(title, (Table(("stage", "", "why"), rows),)))
    data = {
        "alert": alert.key,
        "name": _name(alert),
        "events": [
            {
                "at": iso(each.at),
                "kind": TYPES.name_of(each.payload),
                "trace": [to_json(step) for step in getattr(each.payload, "trace", ())],
            }
            for each in events
        ],
    }
    return Document(f"{_name(alert)}, {alert.environment}", tuple(sections), data=data)


def in_words(payload: Any) -> str:
    """An event in a line."""
    match payload:
        case UnknownEvent():
            return f'unknown: "{payload.type}" is an event of a newer omc; update this one to read it'
        case Fired():
            return f"fires: incident {payload.incident}"
        case Held():
            by = HELD_BY[payload.hold.by].format(of=payload.hold.of)
            return f"fires, and is held: {by}" if payload.notification else f"is held by something else: {by}"
        case Released():
            return f"is held no more, and fires still: incident {payload.incident}"
        case Ended():
            return "has ended" if payload.notification else "counts as ended, since nothing will ever say so"
        case CameLate() if payload.incident is not None:
            return f"fired and had ended before anybody heard of it: incident {payload.incident}"
        case CameLate():
            return f"a change of {payload.notification.at:%H:%M:%S} UTC came late: {payload.notification.state}"
        case Reworded():
            return f"is told again, in other words: {payload.notification.title}"
    return ""


def _name(alert: Alert) -> str:
    if alert.facts is not None:
        return alert.facts.name
    return alert.notification.name if alert.notification else alert.key


def _payload(payload: Any) -> dict[str, Any]:
    return {} if isinstance(payload, UnknownEvent) else dict(to_json(payload))


def alert_data(alert: Alert, incident: int | None) -> dict[str, Any]:
    facts, hold = alert.facts, alert.hold
    return {
        "alert": alert.key,
        "environment": alert.environment,
        "name": _name(alert),
        "state": state_of(alert, incident).word,
        "severity": facts.severity if facts else None,
        "service": facts.service if facts else None,
        "group": facts.group if facts else None,
        "since": iso(alert.changed_at),
        "incident": incident,
        "held_by": {"by": hold.by, "of": hold.of, "until": iso(hold.until)} if hold else None,
        "fired": [iso(each) for each in alert.fires],
    }


# ── Silences ────────────────────────────────────────────────────────────────────────────────────────────────────


def silences_document(
    found: Sequence[Silence], holds: Mapping[int, int], environment: str, zone: str, now: datetime, *, everything: bool
) -> Document:
    """Silences, with how many alerts each holds now. One that never held anything is worth a look."""
    rows = tuple(
        Row(
            (
                str(each.number),
                silence_state(each, now),
                " ".join(map(str, each.matchers)),
                format_time(each.until, zone),
                each.owner,
                str(holds.get(each.number, 0)),
                each.first_used or "nothing yet",
                each.reason,
            )
        )
        for each in found
    )
    none = f"There was no silence in {environment} yet." if everything else f"Nothing is silenced in {environment}."
    columns = ("silence", "state", "alerts", "until", "owner", "holds", "first held", "reason")
    unused = [str(each.number) for each in found if not each.first_used]
    blocks: tuple[Any, ...] = (Table(columns, rows, below=1) if rows else Paragraph(none),)
    if unused:
        noun = "silence" if len(unused) == 1 else "silences"
        sentence = f"Never held anything: {noun} {', '.join(unused)}. Is it still wanted, and are its conditions right?"
        blocks = (*blocks, Notice(Status("unused", Severity.WARNING), sentence))
    data = {
        "environment": environment,
        "silences": [silence_data(each, now) | {"holds": holds.get(each.number, 0)} for each in found],
    }
    return Document("", blocks, data=data)


def silence_state(silence: Silence, now: datetime) -> Status:
    return Status("active", Severity.WARNING) if silence.is_active(now) else Status("over", Severity.OK)


def silence_data(silence: Silence, now: datetime) -> dict[str, Any]:
    return {
        "silence": silence.number,
        "environment": silence.environment,
        "state": silence_state(silence, now).word,
        "matchers": [str(each) for each in silence.matchers],
        "reason": silence.reason,
        "owner": silence.owner,
        "created_at": iso(silence.created_at),
        "until": iso(silence.until),
        "ends_with_alert": silence.ends_with_alert,
        "first_used": silence.first_used or None,
        "ended_at": iso(silence.ended_at),
        "ended_why": silence.ended_why or None,
    }


def preview_document(matching: Sequence[tuple[Alert, int | None]], conditions: Sequence[str], zone: str) -> Document:
    """What a silence would match now, before it is made."""
    shown = alerts_document(matching, "", zone, everything=False)
    conditions_text = " ".join(conditions)
    if not matching:
        blocks: tuple[Any, ...] = (
            Paragraph(f"Nothing that fires now matches {conditions_text}. What fires later will be held."),
        )
    else:
        blocks = (Paragraph(f"{conditions_text} matches what fires now:"), *shown.blocks)
    known = sorted({number for _, number in matching if number is not None})
    if known:
        word = "incident" if len(known) == 1 else "incidents"
        sentence = (
            f"People know of {word} {', '.join(map(str, known))} already, and it goes on: a silence holds what fires "
            f"from now on. To be left in peace there: omc incident snooze {known[0]} WHY --for 2h"
        )
        blocks = (*blocks, Notice(Status("note", Severity.WARNING), sentence))
    return Document(
        "", blocks, data={"conditions": list(conditions), "matches": [alert_data(*each) for each in matching]}
    )


# ── Replays ─────────────────────────────────────────────────────────────────────────────────────────────────────


def replay_document(was: Result, would: Result, since: datetime, file: str, zone: str) -> Document:
    """What happened beside what another omc.toml would have made of it."""
    figures = Table(
        ("", "as it was", f"by {file}"),
        (
            Row(("notifications", str(was.notifications), str(would.notifications))),
            Row(("incidents", str(len(was.incidents)), str(len(would.incidents)))),
            Row(("pages at once", str(was.pages), str(would.pages))),
            *(
                Row((f"held: {words}", str(was.held.get(by, 0)), str(would.held.get(by, 0))))
                for by, words in HOLDS.items()
            ),
        ),
    )
    before, after = (
        {_likeness(each): each for each in was.incidents},
        {_likeness(each): each for each in would.incidents},
    )
    gone = [each for likeness, each in before.items() if likeness not in after]
    new = [each for likeness, each in after.items() if likeness not in before]
    blocks: list[Any] = [figures]
    if gone:
        blocks.append(Section("Incidents that there were, and wouldn't have been", (_incidents(gone, zone),)))
    if new:
        blocks.append(Section(f"Incidents that there would have been by {file}", (_incidents(new, zone),)))
    same = not gone and not new
    status = Status("the same", Severity.OK) if same else Status("different", Severity.WARNING)
    sentence = (
        "The same incidents, with the same alerts and severities."
        if same
        else f"{len(gone)} of {len(before)} incidents wouldn't have been; others that would: {len(new)}."
    )
    data = {
        "since": iso(since),
        "file": file,
        "was": _result_data(was),
        "would_be": _result_data(would),
        "gone": [_incident_data(each) for each in gone],
        "new": [_incident_data(each) for each in new],
    }
    title = f"What came in since {format_time(since, zone)}"
    return Document(title, tuple(blocks), verdict=Verdict(status, sentence), data=data)


def _likeness(incident: ReplayedIncident) -> tuple[Any, ...]:
    """Two incidents that are alike in this are one and the same."""
    return incident.opened_at, incident.severity, incident.pages, tuple(sorted(incident.alerts))


def _incidents(found: Sequence[ReplayedIncident], zone: str) -> Table:
    rows = tuple(
        Row(
            (
                format_time(each.opened_at, zone),
                f"SEV-{each.severity}",
                str(each.pages),
                ", ".join(sorted(each.alerts)),
                each.summary,
            )
        )
        for each in found
    )
    return Table(("opened", "severity", "pages", "alerts", "summary"), rows, below=1)


def _result_data(result: Result) -> dict[str, Any]:
    return {
        "notifications": result.notifications,
        "incidents": len(result.incidents),
        "pages": result.pages,
        "held": dict(result.held),
    }


def _incident_data(incident: ReplayedIncident) -> dict[str, Any]:
    return {
        "opened_at": iso(incident.opened_at),
        "severity": incident.severity,
        "pages": incident.pages,
        "summary": incident.summary,
        "alerts": sorted(incident.alerts),
    }


def rebuilt_document(environment: str, number: int, wrong: Sequence[str]) -> Document:
    """What came of making the table of alerts anew."""
    if wrong:
        status = Status("repaired", Severity.WARNING)
        sentence = (
            f"{len(wrong)} of {number} alerts weren't what their events say, and are now: {', '.join(wrong[:10])}."
        )
    else:
        status = Status("equal", Severity.OK)
        sentence = f"All {number} alerts of {environment} are what their events say."
    data = {"environment": environment, "alerts": number, "repaired": list(wrong)}
    return Document("", (), verdict=Verdict(status, sentence), data=data)
