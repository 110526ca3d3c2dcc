"""How an environment's incidents are dealt with: whom omc.toml names, after how long, within which hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeAlias

from omc.config import Stack
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.configured import policy_from


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
    most_pages: int = 5
    """So many urgent pages one person gets within a time; one more page names all others. 0: no bound."""
    most_pages_within: timedelta = timedelta(minutes=10)
    in_business_hours: Later = on_the_clock
    """For what waits for business hours: only time within them counts."""
    persons: Mapping[str, Person] = field(default_factory=dict)
    """By id."""
    channel: ContactMethod | None = None
    """Where it is said that nobody can be reached."""
    zone: str = "UTC"


def policy_of(stack: Stack, holidays: Mapping[date, str]) -> Policy:
    """What omc.toml says. ``holidays``: the days without business hours, with their names."""
    on_call = stack.on_call
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
        most_pages=on_call.most_pages,
        most_pages_within=timedelta(minutes=on_call.most_pages_minutes),
        in_business_hours=policy_from(stack, holidays).business.later,
        persons=stack.persons,
        channel=ContactMethod(Channel.SLACK, stack.channels.incidents),
        zone=stack.time_zone,
    )
