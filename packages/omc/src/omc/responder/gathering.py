"""When many incidents begin within minutes, a person gets a few pages and then one that names all the others.

So many urgent pages may one person get within a time (``on_call.most_pages``). A page beyond that is written down as
gathered, in the transaction of its cause as any other; a minute later one page names what was gathered, each incident
with its own next step. Only pages of the same severity or a worse one count, so that what is worse always gets through.
A page that somebody asks for by hand is never gathered. The clocks of the chain go on as if each had been paged.

Several versions of omc may look at one store during an upgrade. A gathered page that this one can't read is left to
the sender, which says so, and its incident is named all the same. One whose incident an older version acknowledged or
ended, without knowing that a page may be gathered, is withdrawn here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from omc.incidents.events import AUTOMATIC, Acknowledged, Merged, Mitigated, Resolved, Snoozed
from omc.incidents.incident import SEVERITIES
from omc.model.pages import SHORT, Message, Page
from omc.model.typed_json import Misfit, from_json
from omc.notify.text import cut
from omc.responder.policy import Policy
from omc.store.deadlines import due_environments, set_deadline, set_deadline_unless_set, take_due
from omc.store.embedded import StoreUnreachable
from omc.store.eventlog import wait_turn
from omc.store.incidents import decide, find
from omc.store.opened import Store, Transaction
from omc.store.outbox import (
    GATHERED,
    SUMMARISED,
    WAITING,
    WITHDRAWN,
    OutboxRow,
    enqueue,
    gathered,
    summarised,
    urgent_since,
)

SUMMARY: Final = "summary"
"""The kind of the deadline at which a person's gathered pages are summarised, by her id; and the beginning of such a
page's key."""
PUT_OFF: Final = timedelta(seconds=30)
"""After which a summary with which something went wrong is tried again."""
FIRST, NEXT = timedelta(minutes=1), timedelta(minutes=5)
"""So long is gathered for a summary: for the first, and where the person had one within the time already."""
ENDING: Final = (Resolved, Merged)
"""After these nobody has to be told of it."""
QUIETENING: Final = (Acknowledged, Mitigated, Snoozed)
"""After these nobody else has to be woken up for it."""


def ask(transaction: Transaction, pages: Sequence[Page], policy: Policy | None) -> None:
    """Have these pages sent, or named in a summary."""
    bounded = [page for page in pages if policy is not None and policy.most_pages and _is_bounded(page)]
    for recipient in sorted({page.recipient for page in bounded}):
        wait_turn(transaction, ("pages", recipient))  # two environments may page one person at the same moment
    for page in pages:
        if policy is None or page not in bounded:
            enqueue(transaction, page)
            continue
        had = _had(transaction, page, policy)
        if len(had) < policy.most_pages:
            enqueue(transaction, page)
            continue
        due_at = transaction.at + (NEXT if any(row.key.startswith(f"{SUMMARY}:") for row in had) else FIRST)
        if enqueue(transaction, page, due_at, state=GATHERED):
            set_deadline_unless_set(transaction, SUMMARY, page.environment, page.recipient, due_at)


def summarise_due(store: Store, environments: Sequence[str]) -> bool:
    """Take one person whose time has come, and have one page name all that was gathered; whether there was one. What
    goes wrong with one is raised, and keeps the others waiting no longer: it is tried again later."""
    with store.reading() as session:
        waiting = due_environments(session, [SUMMARY], environments, store.now())
    return any(_summarise(store, environment) for environment in waiting)


def of_summary(transaction: Transaction, page: Page) -> list[OutboxRow]:
    """The pages in whose place a summary came; none where it isn't one."""
    return summarised(transaction.session, page.key) if page.key.startswith(f"{SUMMARY}:") else []


def _summarise(store: Store, environment: str) -> bool:
    people: list[str] = []

    def attempt(transaction: Transaction) -> bool:
        deadline = take_due(transaction, [SUMMARY], [environment])
        if deadline is None:
            return False
        people.append(deadline.subject)
        pages: list[tuple[OutboxRow, Page]] = []
        left: list[OutboxRow] = []
        for row in gathered(transaction, environment, deadline.subject):
            if _is_over(transaction, row):
                row.state = WITHDRAWN
                transaction.record("page.withdrawn", row)
                continue
            try:
                pages.append((row, from_json(Page, row.page)))
            except Misfit:
                left.append(row)
        for row in [row for row, _ in pages] if len(pages) + len(left) == 1 else left:
            row.state, row.due_at = WAITING, transaction.at  # nothing to put together, or nothing that can be
            transaction.record("page.released", row)
        if pages and len(pages) + len(left) > 1:
            summary = _summary(environment, deadline.subject, pages, left)
            enqueue(transaction, summary)
            for row, _ in pages:
                row.state, row.summary = SUMMARISED, summary.key
                transaction.record("page.summarised", row)
        return True

    try:
        return decide(store, environment, AUTOMATIC, attempt)
    except StoreUnreachable:
        raise
    except Exception:
        if people:
            with store.transaction(AUTOMATIC) as transaction:
                set_deadline(transaction, SUMMARY, environment, people[-1], transaction.at + PUT_OFF)
        raise


def _is_bounded(page: Page) -> bool:
    """Whether it is one that the chain gave: ``page:ENVIRONMENT:INCIDENT:ROUND.STEP:PERSON``."""
    parts = page.key.split(":")
    return page.is_urgent and len(parts) == 5 and parts[0] == "page" and not parts[3].startswith("hand")


def _is_over(transaction: Transaction, row: OutboxRow) -> bool:
    """Whether something happened to its incident, after it was asked for, that withdraws a page."""
    incident = find(transaction.session, row.environment, row.incident) if row.incident is not None else None
    if incident is None:
        return False
    kinds = ENDING if SEVERITIES[incident.severity].pages_everybody else (*ENDING, *QUIETENING)
    return any(isinstance(each.payload, kinds) and each.at > row.created_at for each in incident.events)


def _had(transaction: Transaction, page: Page, policy: Policy) -> list[OutboxRow]:
    since = transaction.at - policy.most_pages_within
    found = urgent_since(transaction.session, page.recipient, since)
    return [row for row in found if _severity_of(row) <= _severity(page.severity)]


def _severity_of(row: OutboxRow) -> int:
    """Of a page that maybe only another version can read."""
    found = row.page.get("severity") if isinstance(row.page, dict) else None
    return _severity(found if isinstance(found, int) else None)


def _severity(number: int | None) -> int:
    return number or 3


def _summary(
    environment: str, recipient: str, found: Sequence[tuple[OutboxRow, Page]], unread: Sequence[OutboxRow]
) -> Page:
    """One page for these: each incident in a line, the worst first, and last those whose own page can't be read."""
    pages = {page.incident: page for _, page in found}
    ordered = sorted(pages.values(), key=lambda page: (_severity(page.severity), page.incident or 0))
    others = sorted({row.incident for row in unread if row.incident is not None} - {*pages})
    worst = _severity(ordered[0].severity)
    numbers = ", ".join([*(str(page.incident) for page in ordered), *map(str, others)])
    tail = f". omc incident list --env {environment}"
    count = len(ordered) + len(others)
    what = "1 more incident" if count == 1 else f"{count} more incidents"  # two rungs may be one person
    head = f"{what} of {environment}, SEV-{worst} at worst: "
    short = f"{head}{cut(numbers, SHORT - len(head) - len(tail))}{tail}"
    digest = hashlib.sha256("\0".join(row.key for row, _ in found).encode()).hexdigest()[:16]
    lines = [f"Incident {page.incident}: {page.message.short}" for page in ordered]
    show = "its page can't be read. omc incident show"
    lines += [f"Incident {number}: {show} {number} --env {environment}" for number in others]
    return Page(
        key=f"{SUMMARY}:{environment}:{recipient}:{digest}",
        environment=environment,
        recipient=recipient,
        methods=found[-1][1].methods,
        message=Message(short, tuple(lines)),
        severity=worst,
    )
