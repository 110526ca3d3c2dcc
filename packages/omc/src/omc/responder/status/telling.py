"""Telling customers: an update becomes an event of its incident, and after it pages to all who subscribed.

The event is written with a deadline at which whichever responder is alive begins to enqueue the pages, some at a time;
each has one key, so that beginning again makes no second one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from omc.config import Stack
from omc.errors import WrongUse, did_you_mean
from omc.incidents.events import AUTOMATIC, ComponentState, UpdateSent
from omc.incidents.incident import COMPONENT_STATES, PHASES, Incident
from omc.model.events import UnknownEvent
from omc.model.pages import SHORT, Message, Page
from omc.model.people import Channel, ContactMethod
from omc.notify.text import cut
from omc.responder.life import Doer
from omc.responder.status.board import OPERATIONAL, RESOLVED, components_of, spoken, templates_of, usual_title
from omc.store.deadlines import due_environments, set_deadline, take_due
from omc.store.incidents import added, decide, find, required
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue
from omc.store.subscribers import confirmed_after, lane_of
from omc.times import format_duration

TELL = "subscribers"
"""The deadline at which pages of an update are enqueued. Its subject is ``3.17``, and behind a slash the last
subscriber who has one."""
AT_A_TIME = 100
"""Pages that one transaction enqueues."""
UPDATE, CONFIRMATION = "update", "confirmation"
USUAL_STATE: Mapping[int, str] = {1: "major_outage", 2: "degraded_performance", 3: "degraded_performance"}
"""By severity: how a component of an incident is, where nobody says it."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What somebody tells customers."""

    text: str = ""
    """Empty: the template of the phase."""
    phase: str = ""
    """Empty: as before; the first is ``investigating``."""
    title: str = ""
    components: Mapping[str, str] = field(default_factory=dict)
    """How they are, by service."""


def tell_customers(store: Store, stack: Stack, environment: str, number: int, doer: Doer, telling: Telling) -> Incident:
    """Write down what customers are told, for the feed and all who subscribed."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        update = composed(stack, incident, telling)
        incident = added(transaction, incident, update, link=doer.link)
        if stack.status.subscriptions and environment in stack.status.environments:
            set_deadline(transaction, TELL, environment, f"{number}.{len(incident.events)}", transaction.at)
        return incident

    return decide(store, environment, doer.name, attempt)


def composed(stack: Stack, incident: Incident, telling: Telling) -> UpdateSent:
    """The update with all that wasn't said filled in. Pure. ``WrongUse`` for a component that there isn't."""
    names = components_of(stack, incident.environment)
    before = [each.payload for each in incident.events if isinstance(each.payload, UpdateSent) and each.payload.phase]
    known: dict[str, str] = {}
    for each in before:
        known.update({one.component: one.state for one in each.components})
    phase = telling.phase or (before[-1].phase if before else PHASES[0])
    if phase not in PHASES:
        raise WrongUse(f"There is no phase {phase!r}; there are {', '.join(PHASES)}.{did_you_mean(phase, PHASES)}")
    states = {**_usual(incident, names, known, phase), **_checked(telling.components, names)}
    title = telling.title.strip() or ("" if before else usual_title(states, names))
    replacements = {
        "{components}": spoken({**known, **states}, names),
        "{interval}": format_duration(timedelta(minutes=stack.on_call.customer_update_minutes)),
    }
    text = telling.text.strip() or _filled(templates_of(stack.status)[phase], replacements)
    return UpdateSent(text, phase, title, tuple(ComponentState(*each) for each in sorted(states.items())))


def _filled(template: str, replacements: Mapping[str, str]) -> str:
    """A template as a sentence: what is filled in may stand at its beginning."""
    places = re.compile("|".join(map(re.escape, replacements)))
    text = places.sub(lambda place: replacements[place[0]], template)
    return f"{text[:1].upper()}{text[1:]}"


def _usual(incident: Incident, names: Mapping[str, str], known: Mapping[str, str], phase: str) -> dict[str, str]:
    """What an update says of components where whoever sends it says nothing."""
    if phase == RESOLVED:
        return dict.fromkeys((each for each in known if each in names), OPERATIONAL)
    if known:
        return {}
    return dict.fromkeys((each for each in incident.services if each in names), USUAL_STATE[incident.severity])


def _checked(components: Mapping[str, str], names: Mapping[str, str]) -> Mapping[str, str]:
    for name, state in components.items():
        if name not in names:
            raise WrongUse(
                f"There is no component {name!r}; there are {', '.join(names)}.{did_you_mean(name, list(names))}"
            )
        if state not in COMPONENT_STATES:
            raise WrongUse(
                f"A component can't be {state!r}; it is {', '.join(COMPONENT_STATES)}."
                f"{did_you_mean(state, COMPONENT_STATES)}"
            )
    return components


# ── To whom ─────────────────────────────────────────────────────────────────────────────────────────────────────


def tell_subscribers(store: Store, environments: Sequence[str]) -> bool:
    """Enqueue the next pages of one update; whether there was one that is due."""
    with store.reading() as session:
        waiting = due_environments(session, [TELL], environments, store.now())
    for environment in waiting:
        with store.transaction(AUTOMATIC) as transaction:
            deadline = take_due(transaction, [TELL], [environment])
            if deadline is not None:
                _enqueue_some(transaction, environment, deadline.subject)
                return True
    return False


def _enqueue_some(transaction: Transaction, environment: str, subject: str) -> None:
    key, _, after = subject.partition("/")
    number, _, sequence = key.partition(".")
    incident = find(transaction.session, environment, int(number))
    if incident is None or int(sequence) > len(incident.events):
        return
    event = incident.events[int(sequence) - 1]
    if isinstance(event.payload, UnknownEvent) or not isinstance(event.payload, UpdateSent):
        return
    chosen = confirmed_after(transaction.session, environment, event.at, after, AT_A_TIME)
    for subscriber in chosen:
        what = f"Update of incident {number}, {event.payload.phase}: {event.payload.text}"
        enqueue(transaction, page_to(environment, subscriber, UPDATE, key, what))
    if len(chosen) == AT_A_TIME:
        set_deadline(transaction, TELL, environment, f"{key}/{chosen[-1]}", transaction.at)


def page_to(environment: str, subscriber: str, what: str, key: str, words: str) -> Page:
    """A page to a subscriber: what it says is looked up when it is sent, and so is her address."""
    return Page(
        key=f"status:{environment}:{key}:{subscriber}",
        environment=lane_of(environment),
        recipient=f"subscriber {subscriber}",
        methods=(ContactMethod(Channel.SUBSCRIBER, f"{subscriber}/{what}"),),
        message=Message(cut(" ".join(words.split()), SHORT)),
        is_urgent=False,
    )
