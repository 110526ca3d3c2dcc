"""Action items as issues on GitHub: each becomes one, whoever dies in between, and is done when that is closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from omc import github_api
from omc.config import Stack
from omc.incidents.events import AUTOMATIC, ActionItem, ActionItemDone
from omc.incidents.incident import Incident
from omc.output import line, markdown
from omc.output.document import Document, Field, Fields, Paragraph
from omc.responder import reminders
from omc.responder.issues import Issue, Issues
from omc.responder.life import Doer
from omc.store.claims import exclusively
from omc.store.incidents import incident_of, incidents_of
from omc.store.opened import Store
from omc.times import format_time

PAUSE = 1.0
"""Seconds between two issues that are made: GitHub asks for that ("Best practices for using the REST API")."""
MAX_TITLE = 256
"""Characters that GitHub takes."""


@dataclass(frozen=True, slots=True)
class Published:
    """An action item and its issue."""

    item: str
    link: str
    is_new: bool
    """Made now; else it was there, and only its link was missing here."""


def publish(
    store: Store,
    stack: Stack,
    environment: str,
    number: int,
    doer: Doer,
    issues: Issues,
    pause: Callable[[float], None] = time.sleep,
) -> list[Published]:
    """An issue for each action item that has no link and isn't done. One that was made by a process which died before
    it wrote that down is found by its marker."""
    found: list[Published] = []
    with exclusively(store, f"issues of incident {number} of {environment}"):
        incident = incident_of(store, environment, number)
        waiting = [
            each
            for each in incident.action_items.values()
            if each.link is None and each.id not in incident.action_items_done
        ]
        if not waiting:
            return found
        since = min(_asked_at(incident, each) for each in waiting)
        there = {each.marker: each for each in issues.since(since) if each.marker}
        for item in waiting:
            marker = marker_of(stack.name, environment, number, item.id)
            known = there.get(marker)
            if known is None and any(each.is_new for each in found):
                pause(PAUSE)
            issue = known or _made(stack, incident, item, issues, marker)
            reminders.add_action_item(store, environment, number, doer, replace(item, link=issue.link))
            found.append(Published(item.id, issue.link, is_new=known is None))
    return found


def reconcile(
    store: Store, environment: str, numbers: Sequence[int], doer: Doer, issues: Issues
) -> list[tuple[int, str]]:
    """Action items whose issue is closed are done, or dropped; which those are, with their incident."""
    ended = []
    for number in numbers:
        incident = incident_of(store, environment, number)
        for item in incident.action_items.values():
            issue = None if item.id in incident.action_items_done else _issue_of(item, issues)
            if issue is None or not issue.is_closed:
                continue
            how = "its issue was closed as not planned" if issue.is_dropped else "its issue was closed"
            done = ActionItemDone(item.id, how, issue.is_dropped)
            reminders.end_action_item(store, environment, number, doer, done)
            ended.append((number, item.id))
    return ended


def reconcile_all(store: Store, environments: Sequence[str], issues: Issues) -> bool:
    """The same for all incidents, now and then; there is never more to do at once."""
    for environment in environments:
        waiting = [each.number for each in incidents_of(store, environment) if _has_open_issue(each, issues)]
        reconcile(store, environment, waiting, Doer(AUTOMATIC), issues)
    return False


def marker_of(stack: str, environment: str, number: int, item: str) -> str:
    return f"action item {stack}/{environment}/{number}/{item}"


def _has_open_issue(incident: Incident, issues: Issues) -> bool:
    return any(
        each.id not in incident.action_items_done and issues.number_of(each.link) is not None
        for each in incident.action_items.values()
    )


def _issue_of(item: ActionItem, issues: Issues) -> Issue | None:
    """None where it has none in this repository, or that was deleted: somebody has to say what became of it."""
    number = issues.number_of(item.link)
    if number is None:
        return None
    try:
        return issues.numbered(number)
    except (github_api.Gone, github_api.Missing):
        return None


def _asked_at(incident: Incident, item: ActionItem) -> datetime:
    """When the action item was first written down."""
    return next(
        each.at for each in incident.events if isinstance(each.payload, ActionItem) and each.payload.id == item.id
    )


def _made(stack: Stack, incident: Incident, item: ActionItem, issues: Issues, marker: str) -> Issue:
    person = stack.persons.get(item.owner)
    where = f"incident {incident.number} of {incident.environment}"
    link = stack.server.address
    fields = (
        Field("owner", person.name if person else item.owner),
        Field("due", format_time(item.due, stack.time_zone)),
        Field("after", f"{where}, {format_time(incident.opened_at, stack.time_zone)}"),
        *(
            (Field("see", f"{link}/v1/environments/{incident.environment}/incidents/{incident.number}"),)
            if link
            else (Field("see", f"omc incident postmortem {incident.number} --env {incident.environment}"),)
        ),
    )
    closing = Paragraph("When this issue is closed, the action item is done: omc looks each hour.")
    body = markdown.render(Document("", (Paragraph(item.text), Fields(fields), closing)))
    title = line(" ".join(item.text.split()))
    shown = title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
    return issues.make(shown, body, marker)
