"""An incident's life in the store: what time brings (``look``), and what people and alerts do.

A look takes one deadline, decides, and writes the events, the pages and the next deadline in one transaction: all of
it, or nothing. What people do is an event after which a responder looks at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from omc.config.contact_tables import ContactTable
from omc.errors import OmcError, Refused, WrongUse
from omc.incidents.events import (
    AUTOMATIC,
    Absorbed,
    Acknowledged,
    AlertEnded,
    AlertJoined,
    AlertLeft,
    ChannelMade,
    Merged,
    Noted,
    Paged,
    PageFailed,
    Payload,
    Resolved,
    SeverityChanged,
    Snoozed,
    Unmerged,
)
from omc.incidents.incident import SEVERITIES, Incident
from omc.model.pages import Page
from omc.model.people import Channel, Person
from omc.model.typed_json import from_json
from omc.notify.followups import follow_up
from omc.notify.model import Delivered
from omc.notify.slack_names import CHANNEL_ID
from omc.output.text import line
from omc.responder import gathering
from omc.responder.escalation import Decision, due, page_next, page_person, resolution_pages
from omc.responder.incident_channels import last_page
from omc.responder.messages import acknowledged_message, resolved_message
from omc.responder.policy import Policy, Resolve
from omc.store.deadlines import clear_deadline, due_environments, set_deadline, take_due
from omc.store.embedded import StoreUnreachable
from omc.store.incidents import (
    ESCALATION,
    added,
    channel_key,
    decide,
    find,
    opened,
    recorded,
    recorded_with_key,
    required,
)
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue, withdraw
from omc.times import format_duration

HEALTH_LEASE = timedelta(minutes=2)
"""So long one process looks how an environment is; then another does."""
PUT_OFF = timedelta(seconds=30)
"""After which an incident with which something went wrong is looked at again."""
MAX_FINDINGS = 10
"""What is wrong with an environment, as far as an incident says it."""

Health = Callable[[], Sequence[str]]
"""What is wrong or unknown with an environment, a sentence each; empty: all is well. Asked outside of transactions."""


@dataclass(frozen=True, slots=True)
class OnCallContext:
    """What a look at an environment's incidents needs."""

    policy: Policy
    resolve: Resolve
    health: Health


# ── What time brings ────────────────────────────────────────────────────────────────────────────────────────────


def look(store: Store, environments: Sequence[str], context_of: Callable[[str], OnCallContext]) -> bool:
    """Take one deadline that is due, and do what follows from it; whether there was one.

    What goes wrong with one incident is raised, and keeps the others waiting no longer: it is tried again later.
    """
    with store.reading() as session:
        waiting = due_environments(session, [ESCALATION], environments, store.now())
    for environment in waiting:
        taken = _take(store, environment, context_of(environment))
        if taken is None:
            continue
        number, wants_health = taken
        if wants_health:
            verify(store, environment, number, context_of(environment))
        return True
    return False


def _take(store: Store, environment: str, context: OnCallContext) -> tuple[int, bool] | None:
    subjects: list[str] = []

    def attempt(transaction: Transaction) -> tuple[int, bool] | None:
        deadline = take_due(transaction, [ESCALATION], [environment])
        if deadline is None:
            return None
        subjects.append(deadline.subject)
        return _decided(transaction, environment, int(deadline.subject), context)

    try:
        return decide(store, environment, AUTOMATIC, attempt)
    except StoreUnreachable:
        raise
    except Exception:
        if subjects:
            with store.transaction(AUTOMATIC) as transaction:
                later = transaction.at + PUT_OFF
                set_deadline(transaction, ESCALATION, environment, subjects[-1], later)
        raise


def _decided(transaction: Transaction, environment: str, number: int, context: OnCallContext) -> tuple[int, bool]:
    """What follows for an incident is written; whether it is over if all is well."""
    incident = find(transaction.session, environment, number)
    if incident is None:
        return number, False
    decision = due(incident, context.policy, context.resolve, transaction.at)
    perform(transaction, incident, decision, context.policy)
    if decision.wants_health:
        # Whoever looks may die; the deadline stays, so that another does.
        set_deadline(transaction, ESCALATION, environment, str(number), transaction.at + HEALTH_LEASE)
    return number, decision.wants_health


def verify(store: Store, environment: str, number: int, context: OnCallContext) -> None:
    """Look how the environment is, and decide with that whether the incident is over."""
    try:
        findings = tuple(line(each) for each in context.health())[:MAX_FINDINGS]
    except OmcError as error:
        findings = (f"unknown: {line(error.message)}",)
    except Exception as error:  # noqa: BLE001 - a mistake in a check must end no responder; it is not known then
        findings = (f"unknown: {type(error).__name__}: {line(str(error))}",)

    def act(transaction: Transaction) -> None:
        incident = required(transaction.session, environment, number)
        decision = due(incident, context.policy, context.resolve, transaction.at, health=findings)
        perform(transaction, incident, decision, context.policy)

    decide(store, environment, AUTOMATIC, act)


def perform(transaction: Transaction, incident: Incident, decision: Decision, policy: Policy | None = None) -> Incident:
    """Write down what was decided: events, pages, and when to look again. ``policy``: how many pages one person gets
    within a time; without one there is no bound."""
    if any(isinstance(each, Resolved) for each in decision.events):
        withdraw(transaction, incident.environment, incident.number)
    incident = recorded(transaction, incident, *decision.events)
    _follow_up(transaction, incident, decision.events)
    gathering.ask(transaction, decision.pages, policy)
    subject = str(incident.number)
    if decision.next_look is not None:
        set_deadline(transaction, ESCALATION, incident.environment, subject, decision.next_look)
    elif not incident.is_open:
        clear_deadline(transaction, ESCALATION, incident.environment, subject)
    return incident


def note_undelivered(transaction: Transaction, page: Page, why: str) -> None:
    """Within the transaction that writes down that a page reached nobody: the next one has his turn at once. Of a
    summary: in each incident that it names."""
    for row in gathering.of_summary(transaction, page):
        note_undelivered(transaction, from_json(Page, row.page), why)
    if page.incident is None or not page.key.startswith("page:"):
        return
    transaction = replace(transaction, actor=AUTOMATIC)  # which of our processes sends is in the outbox
    incident = find(transaction.session, page.environment, page.incident)
    if incident is None or any(
        isinstance(each.payload, PageFailed) and each.payload.key == page.key for each in incident.events
    ):
        return
    added(transaction, incident, PageFailed(page.recipient, page.key, why))


def note_channel(transaction: Transaction, page: Page, delivered: Delivered) -> None:
    """Within the transaction that writes down that a message is in an incident's own channel: which one that is."""
    room, channel = page.room, delivered.reference.partition("/")[0]
    if room is None or page.incident is None or delivered.contact != f"{Channel.SLACK}:#{room.name}":
        return
    incident = find(transaction.session, page.environment, page.incident)
    if incident is None or incident.channel is None or incident.channel.id or not CHANNEL_ID.fullmatch(channel):
        return
    recorded_with_key(transaction, incident, ChannelMade(channel), channel_key(channel))


# ── What people do ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does something, as it is recorded."""

    name: str
    link: str | None = None
    person: str = ""
    """Her id in ``[people]``; empty where she isn't in it."""

    @property
    def id(self) -> str:
        return self.person or self.name


def act(store: Store, environment: str, number: int, doer: Doer, *payloads: Payload) -> Incident:
    """Events by a person; what the incident comes to then. ``Refused`` where one may not follow."""
    return decide(
        store, environment, doer.name, lambda transaction: _act(transaction, environment, number, doer, payloads)
    )


def _act(transaction: Transaction, environment: str, number: int, doer: Doer, payloads: Sequence[Payload]) -> Incident:
    incident = required(transaction.session, environment, number)
    payloads = [
        replace(each, key=alert_key_of(incident, each.key)) if isinstance(each, AlertLeft) else each
        for each in payloads
    ]
    for payload in payloads:
        # Before anything else is locked: whoever sends a page holds its row while it tells us that it failed.
        if isinstance(payload, Resolved | Merged):
            withdraw(transaction, environment, number)
        elif isinstance(payload, gathering.QUIETENING) and not SEVERITIES[incident.severity].pages_everybody:
            withdraw(transaction, environment, number, escalation_keys(incident))
    incident = added(transaction, incident, *payloads, link=doer.link)
    _follow_up(transaction, incident, payloads)
    return incident


def _follow_up(transaction: Transaction, incident: Incident, payloads: Sequence[Payload]) -> None:
    """Have what was paged show what became of it: PagerDuty's alert, the buttons in Slack."""
    if any(isinstance(each, Resolved | Merged) for each in payloads) and (last := last_page(incident)) is not None:
        enqueue(transaction, last)
    if any(isinstance(each, Resolved) for each in payloads):
        follow_up(transaction, incident.environment, incident.number, "resolve", resolved_message(incident))
    elif any(isinstance(each, Acknowledged) for each in payloads):
        follow_up(transaction, incident.environment, incident.number, "acknowledge", acknowledged_message(incident))


def escalation_keys(incident: Incident) -> list[str]:
    """The pages that were sent since the chain gave them, and not since somebody asked for them."""
    pages = [each.payload for each in incident.events if isinstance(each.payload, Paged)]
    return [page.key for page in pages if page.step is not None]


def acknowledge(store: Store, environment: str, number: int, doer: Doer, policy: Policy) -> Incident:
    """Somebody takes it."""

    def attempt(transaction: Transaction) -> Incident:
        until = transaction.at + policy.acknowledgement if policy.acknowledgement is not None else None
        return _act(transaction, environment, number, doer, [Acknowledged(doer.id, until)])

    return decide(store, environment, doer.name, attempt)


def snooze(
    store: Store,
    environment: str,
    number: int,
    doer: Doer,
    until: datetime,
    why: str,
    *,
    if_still_firing: bool = False,
) -> Incident:
    """Nobody is paged until then."""
    return act(store, environment, number, doer, Snoozed(until, why, if_still_firing))


def until_business_hours(policy: Policy, now: datetime) -> datetime:
    """When the next business hours begin: those of the next day where they are open now."""
    opens = policy.in_business_hours(now, timedelta())
    if opens > now:
        return opens
    at = now
    while (opens := policy.in_business_hours(at, timedelta())) == at and at - now < timedelta(days=1):
        at += timedelta(minutes=15)
    return opens


def page(
    store: Store,
    environment: str,
    number: int,
    doer: Doer,
    people: Sequence[Person],
    why: str = "",
    contacts: Mapping[str, ContactTable] | None = None,
) -> Incident:
    """Page these people now, whatever the chain says. ``WrongUse`` where one has no way to be reached."""
    for person in people:
        if not person.contacts:
            raise WrongUse(f"{person.name} has no way to be reached: give her contacts in [people.{person.id}].")

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        _require_open(incident)
        for person in people:
            reason = f"asked for by {doer.id}" + (f": {why}" if why else "")
            incident = perform(transaction, incident, page_person(incident, person, reason, transaction.at, contacts))
        return incident

    return decide(store, environment, doer.name, attempt)


def escalate(store: Store, environment: str, number: int, doer: Doer, policy: Policy, resolve: Resolve) -> Incident:
    """Page the next in the chain now."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        _require_open(incident)
        decision = page_next(incident, policy, resolve, transaction.at)
        incident = perform(transaction, incident, decision)  # without the bound: somebody waits for it
        return added(transaction, incident, Noted(f"escalated by {doer.id}"))

    return decide(store, environment, doer.name, attempt)


def resolve_by_hand(
    store: Store,
    environment: str,
    number: int,
    doer: Doer,
    how: str,
    policy: Policy,
    health: Health,
    override: str | None = None,
) -> Incident:
    """End it. One that came from alerts ends only when these have been quiet and all is well, or with a reason."""
    with store.reading() as session:
        incident = required(session, environment, number)
    findings: Sequence[str] = ()
    if incident.is_open and incident.alerts and not override:
        reason = not_quiet(incident, policy, store.now())
        if reason is None:
            try:
                findings = health()
            except OmcError as error:
                findings = (f"unknown: {error.message}",)
        if reason is None and findings:
            reason = "health couldn't be verified: " + "; ".join(line(each) for each in findings[:3])
        if reason is not None:
            raise Refused(
                f"Incident {number} of {environment} isn't over: {reason.rstrip('.')}. Nothing was recorded. "
                "To proceed anyway: --override REASON"
            )
    text = f"{how} (without verification: {override})" if override and incident.alerts else how

    def attempt(transaction: Transaction) -> Incident:
        now = required(transaction.session, environment, number)
        if not override and now.is_open and now.alerts and (reason := not_quiet(now, policy, transaction.at)):
            raise Refused(f"Incident {number} of {environment} isn't over: {reason}. Nothing was recorded.")
        withdraw(transaction, environment, number)
        resolved = Resolved(text)
        ended = added(transaction, now, resolved, link=doer.link)
        _follow_up(transaction, ended, [resolved])
        for notice in resolution_pages(ended, policy):
            if notice.recipient != doer.person:
                enqueue(transaction, notice)
        return ended

    return decide(store, environment, doer.name, attempt)


def not_quiet(incident: Incident, policy: Policy, now: datetime) -> str | None:
    """Why an incident with alerts may not be over yet, as the end of a sentence; None where it may."""
    if incident.firing:
        names = ", ".join(alert.name for alert in incident.firing[:3])
        return f"{len(incident.firing)} of its alerts fire: {names}"
    quiet = incident.quiet_since
    if quiet is not None and now < quiet + policy.quiet:
        return (
            f"its last alert ended {format_duration(now - quiet)} ago, and {format_duration(policy.quiet)} are needed"
        )
    return None


def _require_open(incident: Incident) -> None:
    if not incident.is_open:
        raise Refused(f"Incident {incident.number} of {incident.environment} isn't open; nobody was paged.")


# ── Merging and splitting ───────────────────────────────────────────────────────────────────────────────────────


def merge(store: Store, environment: str, number: int, into: int, doer: Doer) -> Incident:
    """Have an incident go on in another one, with the alerts that fire; the other one as it is then."""

    def attempt(transaction: Transaction) -> Incident:
        source = required(transaction.session, environment, number)
        target = required(transaction.session, environment, into)
        alerts = source.firing
        withdraw(transaction, environment, number)
        for alert in alerts:
            source = added(transaction, source, AlertLeft(alert.key, into))
        merged = Merged(into)
        _follow_up(transaction, added(transaction, source, merged, link=doer.link), [merged])
        target = added(transaction, target, Absorbed(number, tuple(alert.key for alert in alerts)), link=doer.link)
        for alert in alerts:
            target = added(transaction, target, AlertJoined(alert.key, alert.name, alert.severity, alert.service))
        if source.severity < target.severity:
            target = added(transaction, target, SeverityChanged(source.severity))
        return target

    return decide(store, environment, doer.name, attempt)


def unmerge(store: Store, environment: str, number: int, doer: Doer) -> Incident:
    """Undo a merging: the incident goes on by itself, with the alerts that it had brought and that fire still."""

    def attempt(transaction: Transaction) -> Incident:
        source = required(transaction.session, environment, number)
        if source.merged_into is None:
            raise Refused(f"Incident {number} of {environment} isn't merged into another one; nothing was recorded.")
        into = source.merged_into
        target = required(transaction.session, environment, into)
        brought = target.absorbed.get(number, ())
        alerts = [alert for alert in target.firing if alert.key in brought]
        for alert in alerts:
            target = added(transaction, target, AlertLeft(alert.key, number))
        added(transaction, target, Unmerged(number), link=doer.link)
        source = added(transaction, source, Unmerged(into), link=doer.link)
        for alert in alerts:
            source = added(transaction, source, AlertJoined(alert.key, alert.name, alert.severity, alert.service))
        return source

    return decide(store, environment, doer.name, attempt)


def alert_key_of(incident: Incident, text: str) -> str:
    """The key of an alert of the incident that is named by its key, by the beginning of it as lists show it, or by its
    name; what names none as it is. ``WrongUse`` where it names several."""
    if text in incident.alerts:
        return text
    found = [each.key for each in incident.alerts.values() if each.name == text or (text and each.key.startswith(text))]
    if len(found) > 1:
        raise WrongUse(f'"{text}" may be any of these alerts of incident {incident.number}: {", ".join(found)}.')
    return found[0] if found else text


def split(
    store: Store,
    environment: str,
    number: int,
    keys: Sequence[str],
    summary: str,
    doer: Doer,
    severity: int | None = None,
) -> Incident:
    """Have some of an incident's alerts be an incident of their own; that one."""

    def attempt(transaction: Transaction) -> Incident:
        source = required(transaction.session, environment, number)
        found = dict.fromkeys(alert_key_of(source, each) for each in keys)
        unknown = [key for key in found if key not in source.alerts]
        if unknown or not keys:
            known = ", ".join(f"{alert.key} ({alert.name})" for alert in source.alerts.values()) or "none"
            raise WrongUse(f"Incident {number} of {environment} has no alert {' '.join(unknown)}; it has {known}.")
        alerts = [source.alerts[key] for key in found]
        if len(alerts) == len(source.alerts):
            raise Refused(f"Nothing would be left of incident {number} of {environment}; nothing was recorded.")
        joined = [AlertJoined(each.key, each.name, each.severity, each.service) for each in alerts]
        made = opened(transaction, environment, severity or source.severity, summary, joined, link=doer.link)
        for alert in alerts:
            if not alert.is_firing:
                made = added(transaction, made, AlertEnded(alert.key))
            source = added(transaction, source, AlertLeft(alert.key, made.number), link=doer.link)
        return made

    return decide(store, environment, doer.name, attempt)
