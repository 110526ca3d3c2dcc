"""Incidents in the event log: opening one, adding to it, reading them. What events come to is ``omc.incidents``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from omc.errors import Missing
from omc.incidents.events import TYPES, AlertJoined, Opened, Payload, stream_of
from omc.incidents.model import Incident, apply, from_first_event, replay
from omc.store import eventlog
from omc.store.deadlines import set_deadline
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Result = TypeVar("Result")

ESCALATION = "escalation"
"""The deadline at which it is looked whom to page next, and whether the incident is over."""
CAPTURE = "capture"
"""The deadline at which what is lost later is written down."""


def incidents_of(store: Store, environment: str) -> tuple[Incident, ...]:
    """An environment's incidents, newest first."""
    with store.reading() as session:
        streams = eventlog.read_streams(session, TYPES, environment)
    found = [replay(environment, int(stream.id), events) for stream, events in streams.items()]
    return tuple(sorted(found, key=lambda incident: -incident.number))


def incident_of(store: Store, environment: str, number: int) -> Incident:
    """One incident. ``Missing`` where there is none of this number."""
    with store.reading() as session:
        return required(session, environment, number)


def open_incident(
    store: Store,
    environment: str,
    severity: int,
    summary: str,
    actor: str,
    link: str | None = None,
    key: str | None = None,
) -> Incident:
    """Open the environment's next incident. Whoever is on call is paged as soon as a responder looks at it. By the
    idempotency ``key`` it is found again: ``number_with_key``."""
    return decide(
        store,
        environment,
        actor,
        lambda transaction: opened(transaction, environment, severity, summary, link=link, key=key),
    )


def number_with_key(session: Session, environment: str, key: str) -> int | None:
    """The number of the incident that was opened with this idempotency key; None where none was."""
    found = incident_with_key(session, key)
    return found[1] if found is not None and found[0] == environment else None


def incident_with_key(session: Session, key: str) -> tuple[str, int] | None:
    """The environment and the number of the incident that has an event with this idempotency key."""
    found = eventlog.stream_with_key(session, key)
    return (found.environment, int(found.id)) if found is not None and found.kind == TYPES.kind else None


def channel_key(channel: str) -> str:
    """The idempotency key of the event that says which incident a channel of Slack's is of."""
    return f"slack channel {channel}"


def add(store: Store, environment: str, number: int, payload: Payload, actor: str, link: str | None = None) -> Incident:
    """Add an event to an incident; what it comes to then. ``Refused`` where the event may not follow on the others."""
    return decide(
        store,
        environment,
        actor,
        lambda transaction: added(transaction, required(transaction.session, environment, number), payload, link=link),
    )


def decide(store: Store, environment: str, actor: str, act: Callable[[Transaction], Result]) -> Result:
    """Have something decided about an environment's incidents, one after another; from the beginning where others were
    quicker. ``act`` must have no effect but what it writes in its transaction."""
    return eventlog.retry_on_conflict(store, actor, (TYPES.kind, environment), act)


def opened(
    transaction: Transaction,
    environment: str,
    severity: int,
    summary: str,
    alerts: Sequence[AlertJoined] = (),
    link: str | None = None,
    key: str | None = None,
) -> Incident:
    """Within a transaction (``decide``): the environment's next incident, with the alerts that made it."""
    number = eventlog.last_number(transaction.session, TYPES.kind, environment) + 1
    first = Opened(severity, " ".join(summary.split()))
    event = eventlog.append(transaction, TYPES, stream_of(environment, number), first, seen=0, key=key, link=link)
    incident = from_first_event(environment, number, event)
    for alert in alerts:
        incident = added(transaction, incident, alert)
    wake(transaction, environment, number)
    set_deadline(transaction, CAPTURE, environment, str(number), transaction.at)
    return incident


def added(transaction: Transaction, incident: Incident, *payloads: Payload, link: str | None = None) -> Incident:
    """Within a transaction (``decide``): the incident with these events, each of which must be allowed to follow. What
    is due then is looked at as soon as the transaction has ended."""
    incident = recorded(transaction, incident, *payloads, link=link)
    wake(transaction, incident.environment, incident.number)
    return incident


def recorded(transaction: Transaction, incident: Incident, *payloads: Payload, link: str | None = None) -> Incident:
    """As ``added``, of events after which nothing is due that wasn't before."""
    for payload in payloads:
        stream, seen = stream_of(incident.environment, incident.number), len(incident.events)
        incident = apply(incident, eventlog.append(transaction, TYPES, stream, payload, seen=seen, link=link))
    return incident


def recorded_with_key(transaction: Transaction, incident: Incident, payload: Payload, key: str) -> None:
    """As ``recorded``, of one event that has an idempotency key and isn't written twice."""
    stream, seen = stream_of(incident.environment, incident.number), len(incident.events)
    eventlog.append(transaction, TYPES, stream, payload, seen=seen, key=key)


def wake(transaction: Transaction, environment: str, number: int) -> None:
    """Have a responder look at an incident once this transaction is committed."""
    set_deadline(transaction, ESCALATION, environment, str(number), transaction.at)


def unchanged(transaction: Transaction, environment: str, number: int) -> Incident | None:
    """The incident, on which the transaction relies: it fails with a ``Conflict`` if anything happens to the incident
    before it ends. None where there is none of this number."""
    found = find(transaction.session, environment, number)
    if found is not None:
        eventlog.expect(transaction, stream_of(environment, number), len(found.events))
    return found


def find(session: Session, environment: str, number: int) -> Incident | None:
    """The incident as it is just now; None where there is none of this number."""
    events = eventlog.read_stream(session, TYPES, stream_of(environment, number))
    return replay(environment, number, events) if events else None


def required(session: Session, environment: str, number: int) -> Incident:
    """The incident as it is just now. ``Missing`` where there is none of this number."""
    found = find(session, environment, number)
    if found is None:
        raise missing(environment, number)
    return found


def missing(environment: str, number: int) -> Missing:
    return Missing(f"{environment} has no incident {number}. See: omc incident list --env {environment} --all")
