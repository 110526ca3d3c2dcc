"""How an environment's incidents are dealt with: whom omc.toml names, after how long, within which hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import TypeAlias

from omc.config import Stack
from omc.config.contact_tables import ContactTable
from omc.config.tables import OMCS_RUNBOOK, RunbookTable
from omc.judgement.escalation import Clocks, Rung
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.configured import clocks_from

Resolve: TypeAlias = Callable[[Rung, datetime], Person | Sequence[Person] | str]
"""Who is on a rung at a time, one or several together; or why nobody is, in a sentence."""


@dataclass(frozen=True, slots=True)
class Policy(Clocks):
    """All that escalation needs to know beside the incident and the time."""

    acknowledgement: timedelta | None = timedelta(minutes=60)
    """So long after the last sign of work an acknowledgement lapses; None: never."""
    quiet: timedelta = timedelta(minutes=15)
    """So long after the last alert ended it is asked whether all is well again."""
    customers: timedelta = timedelta(minutes=30)
    """In a SEV-1 customers are told in each such time."""
    most_pages: int = 5
    """So many urgent pages one person gets within a time; one more page names all others. 0: no bound."""
    most_pages_within: timedelta = timedelta(minutes=10)
    persons: Mapping[str, Person] = field(default_factory=dict)
    """By id."""
    channel: ContactMethod | None = None
    """Where it is said that nobody can be reached."""
    incident_channels: bool = False
    """Whether an incident that is bad enough has a channel of its own in Slack."""
    contacts: Mapping[str, ContactTable] = field(default_factory=dict)
    """Those of ``[contacts]``: who outside can help."""
    runbook: RunbookTable = OMCS_RUNBOOK


def policy_of(stack: Stack, holidays: Mapping[date, str]) -> Policy:
    """What omc.toml says. ``holidays``: the days without business hours, with their names."""
    on_call = stack.on_call
    lapse = on_call.acknowledgement_minutes
    clocks = clocks_from(stack, holidays)
    return Policy(
        **{each.name: getattr(clocks, each.name) for each in fields(clocks)},
        acknowledgement=timedelta(minutes=lapse) if lapse else None,
        quiet=timedelta(minutes=on_call.quiet_minutes),
        customers=timedelta(minutes=on_call.customer_update_minutes),
        most_pages=on_call.most_pages,
        most_pages_within=timedelta(minutes=on_call.most_pages_minutes),
        persons=stack.persons,
        channel=ContactMethod(Channel.SLACK, stack.channels.incidents) if stack.channels.incidents else None,
        contacts=stack.contacts,
        runbook=stack.runbook,
    )
