"""How an environment's incidents are dealt with: whom omc.toml names, after how long, within which hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from omc.config import Stack
from omc.model.people import Channel, ContactMethod, Person


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the on-call chain."""

    step: int
    """From 0."""
    role: str
    after: timedelta
    """Without an acknowledgement."""


Resolve: TypeAlias = Callable[[Rung, datetime], Person | Sequence[Person] | str]
"""Who is on a rung at a time, one or several together; or why nobody is, in a sentence."""
Later: TypeAlias = Callable[[datetime, timedelta], datetime]
"""The moment at which so much time has passed since another, of the time that counts."""


def on_the_clock(at: datetime, length: timedelta) -> datetime:
    """All time counts."""
    return at + length


@dataclass(frozen=True, slots=True)
class Policy:
    """All that escalation needs to know beside the incident and the time."""

    chain: tuple[Rung, ...]
    again: timedelta = timedelta(minutes=60)
    """Everybody is paged after so long without an acknowledgement, and after each further such time."""
    mitigation: timedelta = timedelta(minutes=30)
    """The next in the chain joins after so long without a mitigation."""
    acknowledgement: timedelta | None = timedelta(minutes=60)
    """So long after the last sign of work an acknowledgement lapses; None: never."""
    quiet: timedelta = timedelta(minutes=15)
    """So long after the last alert ended it is asked whether all is well again."""
    reopen: timedelta = timedelta(minutes=60)
    """An alert that fires again within so long after the end opens the same incident again."""
    customers: timedelta = timedelta(minutes=30)
    """In a SEV-1 customers are told in each such time."""
    in_business_hours: Later = on_the_clock
    """For what waits for business hours: only time within them counts."""
    persons: Mapping[str, Person] = field(default_factory=dict)
    """By id."""
    channel: ContactMethod | None = None
    """Where it is said that nobody can be reached."""
    zone: str = "UTC"


def policy_of(stack: Stack, is_holiday: Callable[[date], bool] = lambda _: False) -> Policy:
    """What omc.toml says."""
    on_call = stack.on_call
    begin, end = on_call.business_hours
    lapse = on_call.acknowledgement_minutes
    return Policy(
        chain=tuple(
            Rung(step, each.role, timedelta(minutes=each.after_minutes)) for step, each in enumerate(on_call.chain)
        ),
        again=timedelta(minutes=on_call.everyone_again_after_minutes),
        mitigation=timedelta(minutes=on_call.mitigation_minutes),
        acknowledgement=timedelta(minutes=lapse) if lapse else None,
        quiet=timedelta(minutes=on_call.quiet_minutes),
        reopen=timedelta(minutes=on_call.reopen_minutes),
        customers=timedelta(minutes=on_call.customer_update_minutes),
        in_business_hours=business_hours(begin, end, stack.time_zone, is_holiday),
        persons=stack.persons,
        channel=ContactMethod(Channel.SLACK, stack.channels.incidents),
        zone=stack.time_zone,
    )


def business_hours(begin: time, end: time, zone: str, is_holiday: Callable[[date], bool] = lambda _: False) -> Later:
    """Monday to Friday from ``begin`` to before ``end`` by the zone's clock, but for holidays."""
    place = ZoneInfo(zone)

    def hours_at(at: datetime) -> tuple[datetime, datetime]:
        """Those that are open then, or else the next ones."""
        day = at.astimezone(place).date()
        for _ in range(MAX_DAYS_OFF):
            opens, closes = (datetime.combine(day, each, place).astimezone(at.tzinfo) for each in (begin, end))
            if day.weekday() < SATURDAY and not is_holiday(day) and at < closes:
                return opens, closes
            day += timedelta(days=1)
        return at, at + timedelta(days=365)  # a calendar without a working day: rather now than never

    def later(at: datetime, length: timedelta) -> datetime:
        while True:
            opens, closes = hours_at(at)
            at = max(at, opens)
            if at + length < closes:
                return at + length
            at, length = closes, length - (closes - at)

    return later


SATURDAY = 5
MAX_DAYS_OFF = 60
"""So many days on end without business hours are a mistake in the calendar."""


def resolve_by_chain(stack: Stack) -> Resolve:
    """Who is on call where there is no rota: whom the chain itself names, reached as ``[people]`` says, else by the
    number and the address beside her name."""
    by_name = {person.name: person for person in stack.persons.values()}

    def resolve(rung: Rung, _: datetime) -> Person | str:
        named = stack.on_call.chain[rung.step]
        known = stack.persons.get(named.name) or by_name.get(named.name)
        if known is not None:
            return known
        contacts = []
        if named.phone:
            contacts.append(ContactMethod(Channel.SMS, named.phone.replace(" ", "")))
        if named.email:
            contacts.append(ContactMethod(Channel.EMAIL, named.email))
        return Person(f"rung-{rung.step + 1}", named.name, tuple(contacts))

    return resolve
