"""Whom to page next, and when to look again: decided from an incident's events and the time alone.

Two clocks. Until somebody has it: the first rung of the chain at once, each later one after its time, all of them again
after an hour and each hour from then on. Until it is mitigated: the next rung joins whoever has it. A rung on which
nobody can be reached is skipped at once, and that is said. The same incident at the same time gives the same decision;
what is decided is an event, so the next decision goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.config.contact_tables import ContactTable
from omc.errors import Refused
from omc.incidents.events import (
    AUTOMATIC,
    AcknowledgementExpired,
    ChannelPosted,
    Noted,
    Paged,
    Payload,
    Resolved,
    SnoozeEnded,
    StepSkipped,
    Unhealthy,
    UpdateReminded,
    UpdateSkipped,
)
from omc.incidents.incident import SEVERITIES, Incident
from omc.incidents.model import evolve
from omc.judgement.escalation import Rung, climb, on_the_clock, turns
from omc.model.events import Event
from omc.model.pages import Message, Page
from omc.model.people import Person
from omc.notify.slack_names import members_of
from omc.responder.incident_channels import channel_page, room_name
from omc.responder.messages import nobody_message, page_message, resolved_message, update_message
from omc.responder.policy import Policy, Resolve
from omc.times import format_duration

RETRY = timedelta(minutes=5)
"""Where nobody on the chain can be reached it is looked again after so long: somebody may have got a shift."""
RECHECK = timedelta(minutes=5)
"""Between two looks at the health of what has gone quiet and isn't well."""
HEALTH_LIMIT = timedelta(minutes=10)
"""So long after the quiet minutes pages wait for what is known of health."""
REMIND_BEFORE = timedelta(minutes=10)
"""Before customers are to be told, whoever does it is reminded."""
ACTIONS = ("acknowledge", "snooze", "resolve")


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows for an incident at a time."""

    events: tuple[Payload, ...]
    pages: tuple[Page, ...]
    next_look: datetime | None
    """None: nothing follows by itself."""
    wants_health: bool = False
    """Whether it is over depends on how the environment is: look, and decide again with that."""


def due(
    incident: Incident,
    policy: Policy,
    resolve: Resolve,
    now: datetime,
    *,
    health: Sequence[str] | None = None,
) -> Decision:
    """What is due by now.

    ``health``: what is wrong or unknown with the environment, a sentence each, empty where all is well; None where
    nobody has looked.
    """
    look = _Look(incident, policy, resolve, now)
    look.decide(health)
    return look.decision()


def page_next(incident: Incident, policy: Policy, resolve: Resolve, now: datetime) -> Decision:
    """The next rung now, since somebody asks for it. ``Refused`` where none is left."""
    look = _Look(incident, policy, resolve, now)
    if not look.page_next():
        raise Refused(
            f"Nobody is left to escalate incident {incident.number} to: everybody further up in the chain was paged or "
            f"can't be reached. To page one person: omc incident page {incident.number} PERSON"
        )
    return look.decision()


def page_person(
    incident: Incident, person: Person, why: str, now: datetime, contacts: Mapping[str, ContactTable] | None = None
) -> Decision:
    """One person now, whatever the chain says."""
    count = sum(1 for each in incident.events if isinstance(each.payload, Paged) and each.payload.step is None)
    key = f"page:{incident.environment}:{incident.number}:hand.{count}:{person.id}"
    page = _page(incident, key, person, page_message(incident, why, now, contacts))
    return Decision((Paged(person.id, None, incident.paging.next_round, key, why),), (page,), None)


def resolution_pages(incident: Incident, policy: Policy) -> tuple[Page, ...]:
    """Notices to all who were paged for it that it is over."""
    paged = dict.fromkeys(each.payload.person for each in incident.events if isinstance(each.payload, Paged))
    head = f"notice:{incident.environment}:{incident.number}:resolved.{incident.paging.next_round}"
    return tuple(
        _page(incident, f"{head}:{id_}", policy.persons[id_], resolved_message(incident), is_urgent=False)
        for id_ in paged
        if id_ in policy.persons and policy.persons[id_].contacts
    )


def _page(incident: Incident, key: str, person: Person, message: Message, *, is_urgent: bool = True) -> Page:
    return Page(
        key=key,
        environment=incident.environment,
        recipient=person.id,
        methods=person.contacts,
        message=message,
        incident=incident.number,
        severity=incident.severity,
        is_urgent=is_urgent,
        actions=ACTIONS if is_urgent else (),
    )


class _Look:
    """One look at an incident: what it was, what was decided so far, when to look again."""

    def __init__(self, incident: Incident, policy: Policy, resolve: Resolve, now: datetime) -> None:
        self.incident = incident
        self.policy = policy
        self.resolve = resolve
        paging = incident.paging
        starts = [at for at in (paging.since, paging.everybody_at, paging.unmitigated_since) if at is not None]
        self.now = (
            max(now, *starts) if starts else now
        )  # a clock that was put back must not hold back who is due at once
        self.events: list[Payload] = []
        self.pages: list[Page] = []
        self.looks: list[datetime] = []
        self.wants_health = False
        self._paged_now: dict[str, str] = {}
        """By person: as what."""

    def decision(self) -> Decision:
        looks = min(self.looks, default=None) if self.incident.is_open else None
        return Decision(tuple(self.events), tuple(self.pages), looks, self.wants_health)

    def decide(self, health: Sequence[str] | None) -> None:
        if not self.incident.is_open:
            return
        self._end_snooze()
        if not self._has_ended(health) and self.incident.snooze is None:
            if not self._is_held():
                self._let_lapse()
                self._note_failures()
                self._page_everybody()
                self._page_while_waiting()
                self._page_while_unmitigated()
            self._note_whom_a_raise_pages()
            self._remind_of_customers()
        self._tell_channel()

    # ── What time does to it ────────────────────────────────────────────────────────────────────────────────────

    def _end_snooze(self) -> None:
        snooze = self.incident.snooze
        if snooze is None:
            return
        if self.now < snooze.until:
            self.looks.append(snooze.until)
            return
        is_quiet = snooze.if_still_firing and self.incident.quiet_since is not None
        why = "its time has come" + (", and nothing fires any more" if is_quiet else "")
        self._emit(SnoozeEnded(why, is_quiet))

    def _has_ended(self, health: Sequence[str] | None) -> bool:
        """Resolve it where its alerts have ended long enough ago and all is well; whether it was."""
        quiet = self.incident.quiet_since
        if quiet is None:
            return False
        raised = self.incident.paging.raised_at
        ready = max(quiet, raised or quiet) + self.policy.quiet
        if self.incident.unhealthy_at is not None:
            ready = max(ready, self.incident.unhealthy_at + RECHECK)
        if self.now < ready:
            self.looks.append(ready)
        elif health is None:
            self.wants_health = True
            self.looks.append(self.now + RECHECK)
        elif health:
            if tuple(health) != self.incident.unhealthy:
                self._emit(Unhealthy(tuple(health)))
            self.looks.append(self.now + RECHECK)
        else:
            minutes = format_duration(self.policy.quiet)
            self._emit(Resolved(f"all of its alerts have ended, for {minutes} none fired, and health was verified"))
            self.pages.extend(resolution_pages(self.incident, self.policy))
            return True
        return False

    def _is_held(self) -> bool:
        """Its alerts have ended, and it isn't known yet that all isn't well: nobody is woken up for that. Somebody who
        says that it is worse than was thought knows more than the alerts do."""
        quiet, raised = self.incident.quiet_since, self.incident.paging.raised_at
        if quiet is None or self.incident.unhealthy_at is not None or (raised is not None and raised >= quiet):
            return False
        limit = quiet + self.policy.quiet + HEALTH_LIMIT
        if self.now < limit:
            self.looks.append(limit)
        return self.now < limit

    def _let_lapse(self) -> None:
        held = self.incident.acknowledgement
        if held is None or held.until is None or self.incident.mitigated_at is not None:
            return
        if self.now < held.until:
            self.looks.append(held.until)
        else:
            self._emit(AcknowledgementExpired())

    def _note_failures(self) -> None:
        """A rung on which no page reached anybody has had its turn."""
        paging = self.incident.paging
        for (number, step), people in paging.paged.items():
            reasons = [paging.failed.get(self._key(number, step, person)) for person in people]
            if (number, step) not in paging.skipped and None not in reasons:
                self._skip(number, step, " ".join(str(reason) for reason in reasons))

    # ── Whom it pages ───────────────────────────────────────────────────────────────────────────────────────────

    def _page_everybody(self) -> None:
        """It became a SEV-1 after somebody had taken it."""
        paging = self.incident.paging
        if paging.everybody_at is None or paging.since is not None:
            return
        if self.now < paging.everybody_at:
            self.looks.append(paging.everybody_at)
        else:
            self._wave(paging.everybody_round)

    def _note_whom_a_raise_pages(self) -> None:
        """It got worse, and whoever has it is all that its severity calls for: that is said, once."""
        held, raised = self.incident.acknowledgement, self.incident.paging.raised_at
        if held is None or raised is None or SEVERITIES[self.incident.severity].pages_everybody:
            return
        person = self.policy.persons.get(held.person)
        name = person.name if person is not None else held.person
        text = f"Nobody is paged for SEV-{self.incident.severity}: {name} has it already."
        if held.at <= raised and not any(
            each.at >= raised and each.payload == Noted(text) for each in self.incident.events
        ):
            self._emit(Noted(text))

    def _page_while_waiting(self) -> None:
        paging = self.incident.paging
        if paging.since is None:
            return
        start = self._starts(paging.since)
        if self.now < start:
            self.looks.append(start)
            return
        passes, again = self._turns(start, self.policy.again)
        self.looks.append(again)
        if passes or SEVERITIES[self.incident.severity].pages_everybody:
            self._wave(paging.first_round + passes)
        else:
            self._climb(paging.first_round, start)

    def _page_while_unmitigated(self) -> None:
        paging = self.incident.paging
        if paging.unmitigated_since is None:
            return
        number = paging.unmitigated_round
        turns, next_turn = self._turns(paging.unmitigated_since, self.policy.mitigation)
        steps = range(paging.unmitigated_from + 1, len(self.policy.chain))
        while self._reached(number) < turns and self._page_first(number, steps):
            pass
        if self._first_open(number, steps) is not None:
            self.looks.append(next_turn)

    def page_next(self) -> bool:
        """The next rung of whichever clock runs, before its time; whether one was paged."""
        paging, steps = self.incident.paging, range(len(self.policy.chain))
        if paging.unmitigated_since is not None:
            return self._page_first(paging.unmitigated_round, steps[paging.unmitigated_from + 1 :])
        if paging.since is None:
            return False
        passes, _ = self._turns(self._starts(paging.since), self.policy.again)
        return self._page_first(paging.first_round + passes, steps)

    def _wave(self, number: int) -> None:
        """All rungs at once, each person once."""
        for step in range(len(self.policy.chain)):
            if self._is_open(number, step):
                self._page_step(number, step)
        self._unless_reached(number, everybody=True)

    def _climb(self, number: int, start: datetime) -> None:
        """Each rung when its time has come."""

        def is_skipped(rung: Rung, _: datetime) -> bool:
            return (number, rung.step) in self.incident.paging.skipped

        for due_rung in climb(self.policy, self.incident.severity, start, is_skipped):
            step = due_rung.rung.step
            if self.now < due_rung.at:
                self.looks.append(due_rung.at)
                break
            if self._is_open(number, step):
                self._page_step(number, step)
        self._unless_reached(number, everybody=False)

    def _page_first(self, number: int, steps: Iterable[int]) -> bool:
        """The first of these rungs on which somebody can be paged; whether there was one."""
        return any(self._is_open(number, step) and self._page_step(number, step) for step in steps)

    def _unless_reached(self, number: int, *, everybody: bool) -> None:
        """Where a round has reached nobody: whoever can be reached by now, and soon another look."""
        paging = self.incident.paging
        is_taken = self.incident.acknowledgement is not None
        if is_taken or self._reached(number) or not any(each == number for each, _ in paging.skipped):
            return
        for rung in self.policy.chain:
            if (number, rung.step) in paging.paged or not self._people(rung)[0]:
                continue
            self._page_step(number, rung.step)
            if not everybody:
                break
        if self._reached(number):
            return
        self.looks.append(self.now + RETRY)
        if self.policy.channel is not None and any(isinstance(each, StepSkipped) for each in self.events):
            channel = Person(self.policy.channel.address, self.policy.channel.address, (self.policy.channel,))
            key = f"notice:{self.incident.environment}:{self.incident.number}:nobody:{number}"
            self.pages.append(_page(self.incident, key, channel, nobody_message(self.incident)))

    def _page_step(self, number: int, step: int) -> bool:
        """Page whoever is on a rung, or say why nobody was; whether somebody was."""
        rung = self.policy.chain[step]
        people, reasons = self._people(rung)
        for person in people:
            key = self._key(number, step, person.id)
            self._paged_now[person.id] = rung.role
            self._emit(Paged(person.id, step, number, key, rung.role))
            message = page_message(self.incident, rung.role, self.now, self.policy.contacts, self.policy.runbook)
            self.pages.append(_page(self.incident, key, person, message))
        if not people:
            self._skip(number, step, "; ".join(reasons))
        return bool(people)

    def _people(self, rung: Rung) -> tuple[list[Person], list[str]]:
        """Who is to be paged on a rung, and why others of it aren't."""
        reachable, reasons = self._reachable(rung)
        held = self.incident.acknowledgement
        people = []
        for person in reachable:
            if held is not None and held.person == person.id:
                reasons.append(f"{person.name} ({rung.role}) has it already")
            elif person.id in self._paged_now:
                reasons.append(f"{person.name} is paged already as {self._paged_now[person.id]}")
            else:
                people.append(person)
        return people, reasons

    def _reachable(self, rung: Rung) -> tuple[list[Person], list[str]]:
        """Who is on a rung and has a way to be reached, and why others of it haven't."""
        try:
            found = self.resolve(rung, self.now)
        except Exception as error:  # noqa: BLE001 - a mistake in a rota must not keep the next rung from being paged
            return [], [f"who is {rung.role} couldn't be read: {type(error).__name__}: {error}"]
        if isinstance(found, str):
            return [], [f"{rung.role}: {found}"]
        everybody = (found,) if isinstance(found, Person) else found
        reasons = [
            f"{each.name} ({rung.role}) has no way to be reached in omc.toml" for each in everybody if not each.contacts
        ]
        return [each for each in everybody if each.contacts], reasons if everybody else [f"{rung.role}: nobody"]

    # ── Customers ───────────────────────────────────────────────────────────────────────────────────────────────

    def _remind_of_customers(self) -> None:
        since = self.incident.customers_since
        if since is None:
            return
        missed, due_at = turns(since, self.policy.customers, self.now, on_the_clock)
        if missed:
            why = f"{missed} updates in a row" if missed > 1 else ""
            self._emit(UpdateSkipped(due_at - self.policy.customers, why))
        remind_at = max(due_at - REMIND_BEFORE, due_at - self.policy.customers)
        if self.now < remind_at:
            self.looks.append(remind_at)
            return
        self.looks.append(due_at)
        if self.incident.reminded_of == due_at:
            return
        person = self._who_tells_customers()
        if person is not None:
            minute = int(due_at.timestamp() // 60)
            key = f"notice:{self.incident.environment}:{self.incident.number}:update:{minute}"
            self._emit(UpdateReminded(due_at, person.id, key))
            message = update_message(self.incident, due_at, self.now)
            self.pages.append(_page(self.incident, key, person, message, is_urgent=False))

    def _who_tells_customers(self) -> Person | None:
        roles, held = self.incident.roles, self.incident.acknowledgement
        named = [roles.get("communications"), roles.get("lead"), held.person if held else None]
        for id_ in named:
            person = self.policy.persons.get(id_ or "")
            if person is not None and person.contacts:
                return person
        return next((people[0] for rung in self.policy.chain if (people := self._reachable(rung)[0])), None)

    # ── Its own channel ─────────────────────────────────────────────────────────────────────────────────────────

    def _tell_channel(self) -> None:
        """The alert, when the incident begins or turns out to be that bad, and again when more people are called."""
        incident, channel = self.incident, self.incident.channel
        if not incident.is_open or (channel is None and not self._wants_channel()):
            return
        members = self._to_invite()
        if channel is not None and not (
            incident.severity < channel.severity or incident.pages > channel.pages or members
        ):
            return
        page = channel_page(incident, self.policy, members, self.now)
        self._emit(ChannelPosted(room_name(incident), page.key, incident.severity, members))
        self.pages.append(page)

    def _wants_channel(self) -> bool:
        return self.policy.incident_channels and SEVERITIES[self.incident.severity].has_channel

    def _to_invite(self) -> tuple[str, ...]:
        """Whoever was paged, has it, or has a part in it, and isn't called into the channel yet."""
        incident = self.incident
        held = (incident.acknowledgement.person,) if incident.acknowledgement else ()
        paged = tuple(each.payload.person for each in incident.events if isinstance(each.payload, Paged))
        known = incident.channel.invited if incident.channel else frozenset()
        people = [
            self.policy.persons[each]
            for each in (*paged, *held, *incident.roles.values())
            if each in self.policy.persons
        ]
        return tuple(dict.fromkeys(each for person in people for each in members_of(person) if each not in known))

    # ── What all of that needs ──────────────────────────────────────────────────────────────────────────────────

    def _emit(self, payload: Payload) -> None:
        self.events.append(payload)
        self.incident = evolve(self.incident, Event(self.now, AUTOMATIC, payload))

    def _skip(self, number: int, step: int, why: str) -> None:
        self._emit(StepSkipped(step, number, why))

    def _key(self, number: int, step: int, person: str) -> str:
        return f"page:{self.incident.environment}:{self.incident.number}:{number}.{step}:{person}"

    def _is_open(self, number: int, step: int) -> bool:
        paging = self.incident.paging
        return (number, step) not in paging.paged and (number, step) not in paging.skipped

    def _first_open(self, number: int, steps: Iterable[int]) -> int | None:
        return next((step for step in steps if self._is_open(number, step)), None)

    def _reached(self, number: int) -> int:
        """How many a round has paged, as far as is known."""
        paging = self.incident.paging
        return sum(1 for each in paging.paged if each[0] == number and each not in paging.skipped)

    def _starts(self, since: datetime) -> datetime:
        return self.policy.starts(self.incident.severity, since)

    def _turns(self, start: datetime, length: timedelta) -> tuple[int, datetime]:
        return turns(start, length, self.now, self.policy.clock(self.incident.severity))
