"""A post-mortem: what the record of an incident knows is filled in, what only people know is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.facts.traffic import Traffic
from omc.incidents.events import (
    Acknowledged,
    ActionItem,
    AlertJoined,
    Captured,
    Mitigated,
    Noted,
    Paged,
    PostmortemChanged,
    PostmortemMoved,
    Reopened,
    StepSkipped,
    UpdateSent,
    UpdateSkipped,
)
from omc.incidents.incident import SECTIONS, Incident
from omc.incidents.words import in_words
from omc.output.document import Block, Document, Field, Fields, Items, Link, Paragraph, Row, Section, Status, Table
from omc.output.document import Severity as Shown
from omc.output.text import counted
from omc.times import format_duration, format_time, iso

IMPACT = "impact"
"""``Captured.what`` of the requests that failed while it lasted."""
CHANGES = ("recent deployments", "terraform applies", "changes by omc", "api changes")
"""What was captured of what had changed, with at most so many lines of each."""
CHANGES_SHOWN = 5
ASKED = "To be written."
SILENT = (Captured, StepSkipped)
"""Events that the time line of a post-mortem leaves out: they are in the incident."""


@dataclass(frozen=True, slots=True)
class Milestones:
    """When what happened for the first time; None where it didn't."""

    began: datetime
    """When the first alert fired, or somebody opened it."""
    paged: datetime | None
    acknowledged: datetime | None
    mitigated: datetime | None
    resolved: datetime | None


def milestones(incident: Incident) -> Milestones:
    """As the events tell it; resolved and mitigated are the last ones, since what came back wasn't over."""

    def first(kind: type) -> datetime | None:
        return next((each.at for each in incident.events if isinstance(each.payload, kind)), None)

    return Milestones(
        began=incident.opened_at,
        paged=first(Paged),
        acknowledged=first(Acknowledged),
        mitigated=incident.mitigated_at,
        resolved=incident.resolved_at,
    )


def impact_lines(traffic: Traffic, begin: datetime, end: datetime, zone: str) -> tuple[str, ...]:
    """Requests that failed between two moments, as the load balancer counted them, minute by minute."""
    minutes = [each for each in traffic.minutes if begin - timedelta(minutes=1) < each.at <= end]
    total, failed = sum(each.total for each in minutes), sum(each.errors for each in minutes)
    bad = [each for each in minutes if each.errors]
    if not minutes:
        return ("The load balancer answered no request while it lasted.",)
    worst = max(minutes, key=lambda each: each.percent)
    share = f"{100 * failed / total:.1f} %" if total else "0 %"
    return (
        f"{failed:.0f} of {total:.0f} requests failed ({share}), in {len(bad)} of {len(minutes)} minutes.",
        f"At worst {worst.percent:.1f} % of {worst.total:.0f} requests in the minute of {format_time(worst.at, zone)}.",
    )


def drafted(incident: Incident, zone: str) -> Mapping[str, str]:
    """Each section's text as far as the record knows it."""
    reached = milestones(incident)
    found = {
        "summary": f"{incident.summary}. {_duration_sentence(incident, reached)}",
        "impact": _captured(incident, (IMPACT,), 10) or "Requests and minutes are unknown: they were not measured.",
        "detection": _detection(incident, zone),
        "response": _response(incident),
        "changes": _captured(incident, CHANGES, CHANGES_SHOWN) or "Nothing is known to have changed.",
    }
    return {section: found.get(section, ASKED) for section in SECTIONS}


def text_of(incident: Incident, section: str, zone: str) -> str:
    """What somebody wrote, else the draft."""
    return incident.postmortem.get(section) or drafted(incident, zone)[section]


def version_of(incident: Incident) -> int:
    """Counts what was written of its post-mortem, so that one of two who write at a time is told."""
    return sum(isinstance(each.payload, PostmortemChanged | PostmortemMoved) for each in incident.events)


def postmortem_document(incident: Incident, zone: str, now: datetime) -> Document:
    """The whole of it. In JSON the drafted sections are told apart from those that somebody has written."""
    reached, draft = milestones(incident), drafted(incident, zone)
    state = incident.postmortem_state or "draft"
    sections = {name: incident.postmortem.get(name) or draft[name] for name in SECTIONS}
    blocks: list[Block] = [
        Fields(
            (
                Field("severity", f"SEV-{incident.severity}"),
                Field("state", (Status(state, Shown.OK if state == "done" else Shown.WARNING), _moved(incident, zone))),
                *_times(reached, zone),
            )
        ),
        *(Section(SECTIONS[name], _paragraphs(text)) for name, text in sections.items()),
        Section("Action items", (_action_items(incident, zone, now),)),
        Section("Time line", (_time_line(incident, zone),)),
    ]
    data = {
        "incident": incident.number,
        "environment": incident.environment,
        "state": state,
        "moved_by": incident.postmortem_moved_by,
        "moved_at": iso(incident.postmortem_moved_at),
        "severity": incident.severity,
        "sections": sections,
        "written": sorted(incident.postmortem),
        "began_at": iso(reached.began),
        "acknowledged_at": iso(reached.acknowledged),
        "mitigated_at": iso(reached.mitigated),
        "resolved_at": iso(reached.resolved),
        "action_items": [_item_data(incident, each, now) for each in incident.action_items.values()],
    }
    title = f"Post-mortem of incident {incident.number}, {incident.environment}: {incident.summary}"
    return Document(title, tuple(blocks), data=data)


def action_items_document(
    incidents: Sequence[Incident], environment: str, zone: str, now: datetime, everything: bool, page: tuple[int, int]
) -> tuple[Document, int | None]:
    """The action items of all incidents that aren't done, or all; what is due first at the top. A page of them, from
    which one on and how many, and where the next page begins."""
    found = sorted(
        (
            (incident, item)
            for incident in incidents
            for item in incident.action_items.values()
            if everything or _item_state(incident, item, now) in ("open", "overdue")
        ),
        key=lambda each: (each[1].due, each[0].number, each[1].id),
    )
    first, most = page
    shown = found[first : first + most]
    rows = tuple(Row((str(incident.number), *_item_cells(incident, item, zone, now))) for incident, item in shown)
    table = Table(("incident", "item", "state", "owner", "due", "what", "see"), rows)
    data = {
        "environment": environment,
        "action_items": [{"incident": incident.number, **_item_data(incident, item, now)} for incident, item in shown],
    }
    none = f"There is no action item in {environment}."
    document = Document("", (table if rows else Paragraph(none),), data=data)
    return document, first + most if len(found) > first + most else None


def _item_data(incident: Incident, item: ActionItem, now: datetime) -> dict[str, str | None]:
    return {
        "id": item.id,
        "text": item.text,
        "owner": item.owner,
        "due": iso(item.due),
        "link": item.link,
        "done_at": iso(incident.action_items_done.get(item.id)),
        "state": _item_state(incident, item, now),
    }


def _moved(incident: Incident, zone: str) -> str:
    if incident.postmortem_moved_at is None:
        return ""
    return f", by {incident.postmortem_moved_by} at {format_time(incident.postmortem_moved_at, zone)}"


def _times(reached: Milestones, zone: str) -> list[Field]:
    found = [Field("began", format_time(reached.began, zone))]
    for name, at in (
        ("paged", reached.paged),
        ("acknowledged", reached.acknowledged),
        ("mitigated", reached.mitigated),
        ("resolved", reached.resolved),
    ):
        late = f"{format_time(at, zone)}, {format_duration(at - reached.began)} later" if at else "not recorded"
        found.append(Field(name, late))
    return found


def _duration_sentence(incident: Incident, reached: Milestones) -> str:
    if reached.resolved is None:
        return "It isn't over."
    again = sum(1 for each in incident.events if isinstance(each.payload, Reopened))
    times = "" if not again else " It came back once." if again == 1 else f" It came back {again} times."
    return f"It lasted {format_duration(reached.resolved - reached.began)}: {incident.resolution}.{times}"


def _detection(incident: Incident, zone: str) -> str:
    alerts = [each for each in incident.events if isinstance(each.payload, AlertJoined)]
    if not alerts:
        return f"{incident.opened_by} opened it; no alert told of it."
    names = dict.fromkeys(each.payload.name for each in alerts if isinstance(each.payload, AlertJoined))
    at = format_time(alerts[0].at, zone)
    if len(names) == 1:
        return f"By the alert {next(iter(names))}, at {at}."
    return f"By {counted(len(names), 'alert')}, the first at {at}: {', '.join(names)}."


def _response(incident: Incident) -> str:
    lines = [
        f"- {each.by}: {in_words(each)}" for each in incident.events if isinstance(each.payload, Noted | Mitigated)
    ]
    updates = sum(1 for each in incident.events if isinstance(each.payload, UpdateSent))
    skipped = sum(1 for each in incident.events if isinstance(each.payload, UpdateSkipped))
    if updates or skipped:
        often = "once" if updates == 1 else f"{updates} times"
        missed = "1 update was due and wasn't sent" if skipped == 1 else f"{skipped} updates were due and weren't sent"
        lines.append(f"- Customers were told {often}; {missed}.")
    return "\n".join(lines) or "Nothing was noted."


def _captured(incident: Incident, kinds: tuple[str, ...], most: int) -> str:
    lines = []
    for kind in kinds:
        found = incident.captured.get(kind)
        if found is None:
            continue
        head = f"{kind}: " if len(kinds) > 1 else ""  # the section says it else
        if found.unknown is not None:
            lines.append(f"- {head}unknown: {found.unknown}")
        lines += [f"- {head}{each}" for each in found.items[:most]]
    return "\n".join(lines)


def _paragraphs(text: str) -> tuple[Paragraph | Items, ...]:
    """Lines that begin with a hyphen are a list, all others paragraphs."""
    blocks: list[Paragraph | Items] = []
    items: list[str] = []
    for each in [*text.splitlines(), ""]:
        if each.startswith("- "):
            items.append(each[2:])
            continue
        if items:
            blocks.append(Items(tuple(items)))
            items = []
        if each.strip():
            blocks.append(Paragraph(each.strip()))
    return tuple(blocks)


def _action_items(incident: Incident, zone: str, now: datetime) -> Table | Paragraph:
    if not incident.action_items:
        return Paragraph("None yet.")
    rows = tuple(Row(_item_cells(incident, each, zone, now)) for each in incident.action_items.values())
    return Table(("item", "state", "owner", "due", "what", "see"), rows)


def _item_cells(incident: Incident, item: ActionItem, zone: str, now: datetime) -> tuple[str | Status | Link, ...]:
    state = _item_state(incident, item, now)
    status = Status(state, Shown.OK if state in ("done", "dropped") else Shown.WARNING)
    link = Link("issue", item.link) if item.link and item.link.startswith("https://") else item.link or ""
    return item.id, status, item.owner, format_time(item.due, zone), item.text, link


def _item_state(incident: Incident, item: ActionItem, now: datetime) -> str:
    if item.id in incident.action_items_dropped:
        return "dropped"
    if item.id in incident.action_items_done:
        return "done"
    return "overdue" if item.due < now else "open"


def _time_line(incident: Incident, zone: str) -> Table:
    names = {alert.key: alert.name for alert in incident.alerts.values()}
    rows = tuple(
        Row((format_time(each.at, zone), each.by, in_words(each, zone, names)))
        for each in incident.events
        if not isinstance(each.payload, SILENT)
    )
    return Table(("at", "by", "event"), rows)
