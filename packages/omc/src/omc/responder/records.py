"""Alerts in the store: notifications are taken in, holds end, silences begin and end, each in one transaction with all
that follows from it.

Whoever dies before its commit has done nothing; the message is delivered again, and the deadline is due still. Those
who decide on the alerts of one environment wait for each other, so that two responders never open two incidents of one
group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from omc.errors import WrongUse
from omc.incidents import events as incident_events
from omc.incidents.events import (
    AUTOMATIC,
    Absorbed,
    AlertEnded,
    AlertJoined,
    AlertLeft,
    AlertReworded,
    Merged,
    Opened,
    Reopened,
    SeverityChanged,
)
from omc.incidents.incident import Incident
from omc.incidents.model import apply as apply_to_incident
from omc.incidents.model import from_first_event
from omc.model import silences
from omc.model.events import Stream
from omc.model.matchers import Matcher, all_match
from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.model.silences import Silence
from omc.responder import alerts
from omc.responder.alerts import Alert
from omc.responder.incident_channels import last_page
from omc.responder.model import Notification
from omc.responder.pipeline import Outcome, Situation, after, reword, run, run_again
from omc.responder.pipeline.age import with_end
from omc.responder.pipeline.deduplicate import order
from omc.responder.pipeline.passing import utc
from omc.responder.pipeline.repeat import REPEATING
from omc.responder.pipeline.situation import (
    End,
    EndSilence,
    Inform,
    Join,
    LookAgain,
    Merge,
    Open,
    Raise,
    Rename,
    Reopen,
    UseSilence,
)
from omc.responder.replay import Recorded
from omc.responder.rules import Rules
from omc.responder.situations import active_silences, read, remember, silence_of, to_row
from omc.store import alerts as table
from omc.store import eventlog, inbox
from omc.store import silences as silence_table
from omc.store.deadlines import Deadline, clear_deadline, due_environments, set_deadline, set_deadlines, take_due
from omc.store.eventlog import append, retry_on_conflict, wait_turn
from omc.store.incidents import CAPTURE, ESCALATION
from omc.store.opened import Store, Transaction
from omc.store.outbox import enqueue, withdraw
from omc.store.silences import SILENCE_END

LOOK_AGAIN = "alert"
"""The kind of the deadline at which an alert is looked at again, by its key."""
KINDS = (LOOK_AGAIN, SILENCE_END)
"""The deadlines that ``look_at_due`` takes."""
INBOX = "notification"
"""The inbox's source of all notifications: the same change that came by two ways has one effect."""
Once: TypeAlias = tuple[str, str]
"""A source and an id in it, of the inbox: what may take effect once."""
MOST_AT_ONCE = 50
REWORD_INTERVAL = timedelta(minutes=1)
"""Between two times that an alert gets other words."""
SHORTEST_KEY = 4
"""Characters of a key by which an alert may be named."""

Check: TypeAlias = Callable[[Silence], None]
"""Raises where a silence isn't any more as whoever changes it saw it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a notification."""

    notification: Notification
    outcomes: tuple[Outcome, ...]
    """Its own first, then those of alerts that it released. Empty: the same notification was taken in before."""


def take(
    store: Store, rules: Rules, notifications: Sequence[Notification], once: Once | None = None
) -> tuple[Taken, ...]:
    """Take in notifications of the rules' environment, in one transaction. When this returns, all that they lead to is
    written, and their messages may be deleted. Where a message doesn't tell its alarm's tags and they were read since,
    ``omc.responder.pipeline.enrich.with_tags`` adds them before. ``once``: the post that brought them; one that comes
    again has no effect, whatever is known since."""
    if any(each.environment != rules.environment for each in notifications):
        raise ValueError(f"a notification isn't of {rules.environment}")

    def decide(transaction: Transaction) -> tuple[Taken, ...]:
        wait_turn(transaction, (incident_events.TYPES.kind, rules.environment))
        if once is not None and not inbox.take(transaction, *once):
            return tuple(Taken(each, ()) for each in notifications)
        are_new = inbox.take_all(transaction, INBOX, [each.id for each in notifications])
        new = {each.id: each for each in notifications if each.id in are_new}
        again = {each.id: each for each in notifications if each.id not in are_new and each.source in REPEATING}
        writer = Writer(transaction, rules)
        coming = (*new.values(), *again.values())
        situation = read(transaction.session, rules, transaction.at, coming, known=writer.incidents)
        made: dict[str, tuple[Outcome, ...]] = {}
        for each in _with_their_ends(new.values()):
            situation, made[each.id] = run(situation, each, transaction.at, writer.keep)
        for each in again.values():
            outcome = reword(situation, each)
            if outcome is not None and not _was_reworded(transaction, situation.alerts[outcome.key]):
                situation, made[each.id] = writer.keep(situation, outcome, transaction.at), (outcome,)
        writers.append(writer)
        writer.finish(situation)
        return tuple(Taken(each, made.pop(each.id, ())) for each in notifications)

    writers: list[Writer] = []
    taken = retry_on_conflict(store, AUTOMATIC, (alerts.TYPES.kind, rules.environment), decide)
    if writers:
        writers[-1].remember()
    return taken


def _was_reworded(transaction: Transaction, alert: Alert) -> bool:
    """Whether an alert had other words just now already: one whose words change with each repeat must not fill the
    record. It gets the newest with the next repeat."""
    stream = alerts.stream_of(alert.environment, alert.key)
    last = eventlog.read_stream(transaction.session, alerts.TYPES, stream, after=alert.events - 1)
    return any(
        isinstance(each.payload, alerts.Reworded) and transaction.at - each.at < REWORD_INTERVAL for each in last
    )


def _with_their_ends(notifications: Iterable[Notification]) -> list[Notification]:
    """As it happened, as far as it came in together; what fires with the end that came in beside it."""
    ordered = sorted(notifications, key=order)
    ends = {each.alert_key: each.at for each in ordered if each.state == "ended"}  # the last of each
    return [
        with_end(each, ends[each.alert_key], f"that it ended, at {utc(ends[each.alert_key])}, came in with it")
        if each.state == "firing" and each.at <= ends.get(each.alert_key, datetime.min.replace(tzinfo=UTC))
        else each
        for each in ordered
    ]


def look_at_unmuted(store: Store, rules: Rules, keys: Sequence[str]) -> None:
    """Look at alerts that CloudWatch muted and no longer does: what else doesn't hold them is told now."""

    def decide(transaction: Transaction) -> None:
        wait_turn(transaction, (incident_events.TYPES.kind, rules.environment))
        writer = Writer(transaction, rules)
        found = read(transaction.session, rules, transaction.at, keys=keys, known=writer.incidents)
        situation = replace(found, unmuted=frozenset(keys))
        for key in keys:
            situation, _ = run_again(situation, situation.alerts[key], transaction.at, writer.keep)
        writer.finish(situation)

    retry_on_conflict(store, AUTOMATIC, (alerts.TYPES.kind, rules.environment), decide)


def look_at_due(store: Store, rules: Rules, most: int = MOST_AT_ONCE) -> int:
    """Look at the alerts and silences whose deadlines have come, each in its own transaction; how many that were."""

    def decide(transaction: Transaction) -> bool:
        wait_turn(transaction, (incident_events.TYPES.kind, rules.environment))
        found = take_due(transaction, KINDS, [rules.environment])
        if found is not None:
            _look_at(transaction, rules, found)
        return found is not None

    with store.reading() as session:
        if not due_environments(session, KINDS, [rules.environment], store.now()):
            return 0
    number = 0
    while number < most and retry_on_conflict(store, AUTOMATIC, (alerts.TYPES.kind, rules.environment), decide):
        number += 1
    return number


def _look_at(transaction: Transaction, rules: Rules, deadline: Deadline) -> None:
    if deadline.kind == SILENCE_END:
        silence = silence_of(transaction.session, rules.environment, int(deadline.subject))
        if silence is None or silence.ended_at is not None:
            return
        if transaction.at < silence.until:
            set_deadline(transaction, SILENCE_END, rules.environment, deadline.subject, silence.until)
            return
        _end_silence(transaction, rules, silence, "Its time is over.")
        return
    writer = Writer(transaction, rules)
    situation = read(transaction.session, rules, transaction.at, keys=[deadline.subject], known=writer.incidents)
    alert = situation.alerts.get(deadline.subject)
    if alert is not None:
        situation, _ = run_again(situation, alert, transaction.at, writer.keep)
    writer.finish(situation)


# ── Silences ────────────────────────────────────────────────────────────────────────────────────────────────────


def create_silence(
    store: Store, rules: Rules, created: silences.Created, actor: str, link: str | None = None
) -> Silence:
    """Silence alerts from now on. What an incident knows already stays its own."""

    def decide(transaction: Transaction) -> Silence:
        return silence_table.create(transaction, rules.environment, created, link)

    return retry_on_conflict(store, actor, (alerts.TYPES.kind, rules.environment), decide)


def extend_silence(
    store: Store,
    rules: Rules,
    number: int,
    until: datetime,
    actor: str,
    link: str | None = None,
    check: Check | None = None,
) -> Silence:
    """Have a silence end at another time, earlier or later."""

    def decide(transaction: Transaction) -> Silence:
        silence = _required(transaction, rules, number, check)
        stream = silences.stream_of(rules.environment, number)
        event = append(transaction, silences.TYPES, stream, silences.Extended(until), seen=silence.events, link=link)
        extended = silences.apply(silence, event)
        set_deadline(transaction, SILENCE_END, rules.environment, str(number), until)
        for key in _held_by(transaction, rules, number):
            set_deadline(transaction, LOOK_AGAIN, rules.environment, key, until)
        return extended

    return retry_on_conflict(store, actor, (alerts.TYPES.kind, rules.environment), decide)


def end_silence(
    store: Store,
    rules: Rules,
    number: int,
    why: str,
    actor: str,
    link: str | None = None,
    check: Check | None = None,
) -> Silence:
    """End a silence now: what it holds and fires still is told at once."""

    def decide(transaction: Transaction) -> Silence:
        wait_turn(transaction, (incident_events.TYPES.kind, rules.environment))
        return _end_silence(transaction, rules, _required(transaction, rules, number, check), why, link)

    return retry_on_conflict(store, actor, (alerts.TYPES.kind, rules.environment), decide)


def silences_of(store: Store, environment: str) -> tuple[Silence, ...]:
    """All that there ever were, newest first."""
    with store.reading() as session:
        streams = eventlog.read_streams(session, silences.TYPES, environment)
    found = [silences.replay(environment, int(stream.id), events) for stream, events in streams.items()]
    return tuple(sorted(found, key=lambda silence: -silence.number))


def _required(transaction: Transaction, rules: Rules, number: int, check: Check | None = None) -> Silence:
    silence = silence_of(transaction.session, rules.environment, number)
    if silence is None:
        raise WrongUse(
            f"{rules.environment} has no silence {number}. See: omc alerts silences --env {rules.environment} --all"
        )
    if check is not None:
        check(silence)
    return silence


def _end_silence(
    transaction: Transaction, rules: Rules, silence: Silence, why: str, link: str | None = None
) -> Silence:
    stream = silences.stream_of(rules.environment, silence.number)
    event = append(transaction, silences.TYPES, stream, silences.Ended(why), seen=silence.events, link=link)
    ended = silences.apply(silence, event)
    clear_deadline(transaction, SILENCE_END, rules.environment, str(silence.number))
    keys = _held_by(transaction, rules, silence.number)
    if not keys:
        return ended
    writer = Writer(transaction, rules)
    situation = read(transaction.session, rules, transaction.at, keys=keys, known=writer.incidents)
    for key in keys:
        situation, _ = run_again(situation, situation.alerts[key], transaction.at, writer.keep)
    writer.finish(situation)
    return ended


def _held_by(transaction: Transaction, rules: Rules, number: int) -> list[str]:
    held = table.held(transaction.session, rules.environment, "silence", str(number))
    return sorted(held)


# ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Writer:
    """Writes down, within one transaction, what outcomes want."""

    transaction: Transaction
    rules: Rules
    incidents: dict[int, Incident] = field(default_factory=dict)
    """Those that were read, as they are after what was written."""
    known_silences: dict[int, Silence] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    """The keys of alerts of which an event was written."""
    rows: list[tuple[Alert, dict[str, Any]]] = field(default_factory=list)
    """The alerts of which a row was written."""
    touched: set[int] = field(default_factory=set)
    """Incidents whose own life has to look at them."""

    def keep(self, situation: Situation, outcome: Outcome, at: datetime) -> Situation:
        """Write an outcome down; the situation as it is then."""
        event = None
        if outcome.event is not None:
            before = situation.alerts.get(outcome.key) or Alert(self.rules.environment, outcome.key, 0)
            stream = alerts.stream_of(self.rules.environment, outcome.key)
            event = append(self.transaction, alerts.TYPES, stream, outcome.event, seen=before.events)
            self.changed.add(outcome.key)
        for effect in outcome.effects:
            match effect:
                case LookAgain():
                    self._look_again(effect)
                case Inform():
                    self._inform(effect)
                case UseSilence():
                    self._silence(situation, effect.number, silences.Used(effect.key, effect.name))
                case EndSilence():
                    self._silence(situation, effect.number, silences.Ended(effect.why))
                    clear_deadline(self.transaction, SILENCE_END, self.rules.environment, str(effect.number))
                case _:
                    self._tell_incident(effect)
        return after(situation, outcome, at, event)

    def finish(self, situation: Situation) -> None:
        """Write the rows of the alerts that have changed, and wake up whoever cares for their incidents."""
        self.rows = [(situation.alerts[key], to_row(situation.alerts[key])) for key in sorted(self.changed)]
        table.put(self.transaction.session, [row for _, row in self.rows])
        touched = [str(number) for number in self.touched]
        set_deadlines(self.transaction, ESCALATION, self.rules.environment, touched, self.transaction.at)

    def remember(self) -> None:
        """Once it is committed: keep in mind what was written, so that it needn't be read."""
        remember(self.transaction.session, self.rows, self.incidents.values())

    def _tell_incident(self, effect: Open | Reopen | Join | End | Raise | Rename | Merge) -> None:
        match effect:
            case Open():
                stream = incident_events.stream_of(self.rules.environment, effect.incident)
                opened = Opened(effect.severity, effect.summary)
                event = append(self.transaction, incident_events.TYPES, stream, opened, seen=0)
                self.incidents[effect.incident] = from_first_event(self.rules.environment, effect.incident, event)
                self.touched.add(effect.incident)
                set_deadline(
                    self.transaction, CAPTURE, self.rules.environment, str(effect.incident), self.transaction.at
                )
            case Reopen():
                self._add(effect.incident, Reopened(effect.why))
            case Join():
                # What a person called it stays.
                is_ours = self.incidents[effect.incident].opened_by == incident_events.AUTOMATIC
                summary = effect.summary if is_ours else None
                joined = AlertJoined(effect.key, effect.name, effect.severity, effect.service, summary)
                self._add(effect.incident, joined)
            case End():
                self._add(effect.incident, AlertEnded(effect.key))
            case Raise():
                self._add(effect.incident, SeverityChanged(effect.severity))
            case Rename():
                self._add(effect.incident, AlertReworded(effect.key, effect.before, effect.title))
            case Merge():
                self._merge(effect)

    def _merge(self, effect: Merge) -> None:
        moved = [self.incidents[effect.incident].alerts[key] for key in effect.keys]
        withdraw(self.transaction, self.rules.environment, effect.incident)
        for alert in moved:
            self._add(effect.incident, AlertLeft(alert.key, effect.into))
        self._add(effect.incident, Merged(effect.into))
        if (last := last_page(self.incidents[effect.incident])) is not None:
            enqueue(self.transaction, last)
        self._add(effect.into, Absorbed(effect.incident, effect.keys))
        for alert in moved:
            self._add(effect.into, AlertJoined(alert.key, alert.name, alert.severity, alert.service))

    def _add(self, number: int, payload: incident_events.Payload) -> None:
        before = self.incidents[number]
        stream = incident_events.stream_of(self.rules.environment, number)
        event = append(self.transaction, incident_events.TYPES, stream, payload, seen=len(before.events))
        self.incidents[number] = apply_to_incident(before, event)
        self.touched.add(number)

    def _look_again(self, effect: LookAgain) -> None:
        if effect.at is None:
            clear_deadline(self.transaction, LOOK_AGAIN, self.rules.environment, effect.key)
        else:
            set_deadline(self.transaction, LOOK_AGAIN, self.rules.environment, effect.key, effect.at)

    def _silence(self, situation: Situation, number: int, payload: silences.Used | silences.Ended) -> None:
        before = self.known_silences.get(number) or situation.silences[number]
        stream: Stream = silences.stream_of(self.rules.environment, number)
        event = append(self.transaction, silences.TYPES, stream, payload, seen=before.events)
        self.known_silences[number] = silences.apply(before, event)

    def _inform(self, effect: Inform) -> None:
        channel = self.rules.channel
        if not channel:
            return
        page = Page(
            key=effect.key,
            environment=self.rules.environment,
            recipient=channel,
            methods=(ContactMethod(Channel.SLACK, channel),),
            message=Message(effect.short, effect.lines),
            is_urgent=False,
        )
        enqueue(self.transaction, page)


# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def matching(store: Store, rules: Rules, matchers: Sequence[Matcher]) -> tuple[tuple[Alert, int | None], ...]:
    """The alerts that fire now and would match, each with the open incident that knows of it."""
    with store.reading() as session:
        firing = table.firing(session, rules.environment)
        situation = read(session, rules, store.now(), keys=firing)
    found = []
    for key in firing:
        alert = situation.alerts[key]
        if meets(alert, matchers):
            view = situation.holder(alert)
            found.append((alert, view.number if view else None))
    return tuple(found)


def meets(alert: Alert, matchers: Sequence[Matcher]) -> bool:
    """Whether each of these conditions holds for it; none does for one whose labels aren't known."""
    return (
        alert.facts is not None
        and alert.notification is not None
        and all_match(matchers, alerts.labels_of(alert.facts, alert.notification))
    )


def named(found: Sequence[tuple[Alert, int | None]], text: str) -> tuple[tuple[Alert, int | None], ...]:
    """Those of this name; where there are none, those whose key begins so."""
    by_name = tuple(each for each in found if each[0].facts is not None and each[0].facts.name == text)
    return by_name or tuple(each for each in found if len(text) >= SHORTEST_KEY and each[0].key.startswith(text))


def listed(
    store: Store, rules: Rules, *, everything: bool = False, matchers: Sequence[Matcher] = ()
) -> tuple[tuple[Alert, int | None], ...]:
    """The alerts that fire, or all, each with the open incident that knows of it: those that fire first, the worst
    first. ``matchers``: only those that meet each of them."""
    with store.reading() as session:
        keys = table.keys(session, rules.environment) if everything else table.firing(session, rules.environment)
        situation = read(session, rules, store.now(), keys=keys)
    found = []
    for key in keys:
        alert = situation.alerts[key]
        if matchers and not meets(alert, matchers):
            continue
        view = situation.holder(alert)
        found.append((alert, view.number if view else None))
    return tuple(sorted(found, key=_urgency))


def _urgency(found: tuple[Alert, int | None]) -> tuple[bool, bool, int, str]:
    alert, _ = found
    facts = alert.facts
    return not alert.is_firing, alert.hold is not None, facts.severity if facts else 9, facts.name if facts else ""


def events_of(store: Store, alert: Alert) -> list[alerts.AlertEvent]:
    """All that has happened to an alert, oldest first."""
    with store.reading() as session:
        return eventlog.read_stream(session, alerts.TYPES, alerts.stream_of(alert.environment, alert.key))


def held_by_silences(store: Store, environment: str) -> Mapping[int, int]:
    """How many alerts each silence holds now, by its number."""
    with store.reading() as session:
        return {int(of): number for of, number in table.counts_held(session, environment, "silence").items()}


def active(store: Store, environment: str) -> tuple[Silence, ...]:
    """The silences that hold now."""
    with store.reading() as session:
        return tuple(each for each in active_silences(session, environment) if each.is_active(store.now()))


def rebuild(store: Store, environment: str) -> tuple[int, tuple[str, ...]]:
    """Make the table of alerts anew from their events: how many there are, and the names of those whose row was
    another one."""

    def decide(transaction: Transaction) -> tuple[int, tuple[str, ...]]:
        session = transaction.session
        streams = eventlog.read_streams(session, alerts.TYPES, environment)
        wanted = {
            stream.id: to_row(alerts.replay(environment, stream.id, events)) for stream, events in streams.items()
        }
        there = {row["key"]: row for row in table.rows(session, environment)}
        wrong = [key for key in sorted({*wanted, *there}) if wanted.get(key) != there.get(key)]
        table.put(session, [wanted[key] for key in wrong if key in wanted])
        table.remove(session, environment, [key for key in wrong if key not in wanted])
        return len(wanted), tuple((wanted.get(key) or there[key])["name"] or key for key in wrong)

    return retry_on_conflict(store, AUTOMATIC, (alerts.TYPES.kind, environment), decide)


def history(store: Store, environment: str) -> list[Recorded]:
    """All events of alerts, silences and incidents of an environment, in the order in which they were written."""
    types, found, position = (alerts.TYPES, silences.TYPES, incident_events.TYPES), [], 0
    with store.reading() as session:
        while read_now := eventlog.read_after(session, position, types, limit=2000):
            position = read_now[-1].position
            found += [Recorded(each.stream, each.event) for each in read_now if each.stream.environment == environment]
    return found
