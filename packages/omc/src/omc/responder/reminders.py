"""Action items of post-mortems: their owners are reminded when one is due, and each week from then until it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from omc.errors import Missing, Refused
from omc.incidents.events import AUTOMATIC, ActionItem, ActionItemDone, ActionItemReminded
from omc.incidents.incident import Incident
from omc.model.pages import Page
from omc.responder.life import Doer
from omc.responder.messages import action_item_message
from omc.responder.policy import Policy
from omc.store.deadlines import clear_deadline, due_environments, set_deadline, take_due
from omc.store.incidents import decide, find, recorded, required
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue

ACTION_ITEM = "action item"
"""The deadline at which an owner is reminded."""
REMIND_INTERVAL = timedelta(days=7)


def add_action_item(store: Store, environment: str, number: int, doer: Doer, item: ActionItem) -> Incident:
    """Keep an action item; without an id it gets the incident's next one."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        known = replace(item, id=item.id or next_id(incident))
        return _kept(transaction, incident, doer, known)

    return decide(store, environment, doer.name, attempt)


def change_action_item(store: Store, environment: str, number: int, doer: Doer, item: ActionItem) -> Incident:
    """Have the one of this id say something else. ``Missing`` where there is none, ``Refused`` where it is done."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        if item.id not in incident.action_items:
            raise Missing(f"Incident {number} of {environment} has no action item {item.id}.")
        if item.id in incident.action_items_done:
            raise Refused(f"Action item {item.id} is done already; nothing was recorded.")
        return _kept(transaction, incident, doer, item)

    return decide(store, environment, doer.name, attempt)


def next_id(incident: Incident) -> str:
    """One more than the incident has, and none that it has."""
    number = len(incident.action_items) + 1
    while str(number) in incident.action_items:
        number += 1
    return str(number)


def _kept(transaction: Transaction, incident: Incident, doer: Doer, item: ActionItem) -> Incident:
    kept = recorded(transaction, incident, item, link=doer.link)
    subject = f"{incident.number}/{item.id}"
    set_deadline(transaction, ACTION_ITEM, incident.environment, subject, max(item.due, transaction.at))
    return kept


def end_action_item(store: Store, environment: str, number: int, doer: Doer, done: ActionItemDone) -> Incident:
    """It is done, or dropped."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        clear_deadline(transaction, ACTION_ITEM, environment, f"{number}/{done.id}")
        return recorded(transaction, incident, done, link=doer.link)

    return decide(store, environment, doer.name, attempt)


def remind(store: Store, environments: Sequence[str], policy_of: Callable[[str], Policy]) -> bool:
    """Remind the owner of one action item that is due; whether one was."""
    with store.reading() as session:
        waiting = due_environments(session, [ACTION_ITEM], environments, store.now())
    return any(
        decide(store, each, AUTOMATIC, lambda transaction: _remind(transaction, each, policy_of(each)))  # noqa: B023 - called at once
        for each in waiting
    )


def _remind(transaction: Transaction, environment: str, policy: Policy) -> bool:
    deadline = take_due(transaction, [ACTION_ITEM], [environment])
    if deadline is None:
        return False
    number, _, id_ = deadline.subject.partition("/")
    incident = find(transaction.session, environment, int(number))
    item = incident.action_items.get(id_) if incident is not None else None
    if incident is None or item is None or id_ in incident.action_items_done:
        return True
    set_deadline(transaction, ACTION_ITEM, environment, deadline.subject, transaction.at + REMIND_INTERVAL)
    person = policy.persons.get(item.owner)
    if person is None or not person.contacts:
        return True
    key = f"notice:{environment}:{number}:item.{id_}.{transaction.at:%Y%m%d}:{person.id}"
    message = action_item_message(incident, item.text, item.due < transaction.at - timedelta(days=1))
    page = Page(key, environment, person.id, person.contacts, message, int(number), is_urgent=False)
    if enqueue(transaction, page):
        recorded(transaction, incident, ActionItemReminded(id_, key))
    return True
