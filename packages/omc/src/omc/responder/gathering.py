"""When many incidents begin within minutes, a person gets a few pages and then one that names all the others.

So many urgent pages may one person get within a time (``on_call.most_pages``). A page beyond that is written down as
gathered, in the transaction of its cause as any other; a minute later one page names what was gathered, each incident
with its own next step. Only pages of the same severity or a worse one count, so that what is worse always gets through.
A page that somebody asks for by hand is never gathered. The clocks of the chain go on as if each had been paged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from omc.incidents.events import AUTOMATIC
from omc.model.pages import SHORT, Message, Page
from omc.model.typed_json import from_json
from omc.notify.text import cut
from omc.responder.policy import Policy
from omc.store.deadlines import due_environments, set_deadline, set_deadline_unless_set, take_due
from omc.store.embedded import StoreUnreachable
from omc.store.eventlog import wait_turn
from omc.store.incidents import decide
from omc.store.opened import Store, Transaction
from omc.store.outbox import (
    GATHERED,
    SUMMARISED,
    WAITING,
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
        elif enqueue(transaction, page, state=GATHERED):
            wait = NEXT if any(row.key.startswith(f"{SUMMARY}:") for row in had) else FIRST
            set_deadline_unless_set(transaction, SUMMARY, page.environment, page.recipient, transaction.at + wait)


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
        rows = gathered(transaction, environment, deadline.subject)
        if len(rows) == 1:  # nothing to put together
            rows[0].state, rows[0].due_at = WAITING, transaction.at
            transaction.record("page.released", rows[0])
        elif rows:
            page = _summary(environment, deadline.subject, rows)
            enqueue(transaction, page)
            for row in rows:
                row.state, row.summary = SUMMARISED, page.key
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


def _had(transaction: Transaction, page: Page, policy: Policy) -> list[OutboxRow]:
    since = transaction.at - policy.most_pages_within
    found = urgent_since(transaction.session, page.recipient, since)
    return [row for row in found if _severity(row.page.get("severity")) <= _severity(page.severity)]


def _severity(number: int | None) -> int:
    return number or 3


def _summary(environment: str, recipient: str, rows: Sequence[OutboxRow]) -> Page:
    """One page for these: each incident in a line, the worst first. ``Misfit`` where another version wrote one."""
    pages = {page.incident: page for page in (from_json(Page, row.page) for row in rows)}
    ordered = sorted(pages.values(), key=lambda page: (_severity(page.severity), page.incident or 0))
    worst = _severity(ordered[0].severity)
    numbers = ", ".join(str(page.incident) for page in ordered)
    tail = f". omc incident list --env {environment}"
    what = "1 more incident" if len(ordered) == 1 else f"{len(ordered)} more incidents"  # two rungs may be one person
    head = f"{what} of {environment}, SEV-{worst} at worst: "
    short = f"{head}{cut(numbers, SHORT - len(head) - len(tail))}{tail}"
    digest = hashlib.sha256("\0".join(row.key for row in rows).encode()).hexdigest()[:16]
    return Page(
        key=f"{SUMMARY}:{environment}:{recipient}:{digest}",
        environment=environment,
        recipient=recipient,
        methods=from_json(Page, rows[-1].page).methods,
        message=Message(short, tuple(f"Incident {page.incident}: {page.message.short}" for page in ordered)),
        severity=worst,
    )
