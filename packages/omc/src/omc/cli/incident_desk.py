"""Where the commands of ``omc incident`` do what they do: in the record itself, or through the server in OMC_SERVER."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from omc.api_client.http import configured
from omc.api_client.incidents import ServerDesk
from omc.cli.incident_options import MAX_SNOOZE, OpenRecord, opened_record
from omc.config import Environment, Stack, environment_of, load
from omc.errors import WrongUse
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.incidents.events import ActionItem, Payload
    from omc.incidents.incident import Incident
    from omc.model.people import Person


class Desk(Protocol):
    """What can be done with one environment's incidents; each gives what the incident comes to then."""

    def open(self, severity: int, summary: str) -> Incident: ...
    def act(self, number: int, payload: Payload) -> Incident: ...
    def acknowledge(self, number: int) -> Incident: ...
    def resolve(self, number: int, how: str, override: str | None) -> Incident: ...
    def snooze(
        self, number: int, why: str, length: timedelta | None, until: datetime | None, *, if_still_firing: bool
    ) -> Incident: ...
    def page(self, number: int, people: Sequence[Person], why: str) -> Incident: ...
    def escalate(self, number: int) -> Incident: ...
    def merge(self, number: int, into: int) -> Incident: ...
    def unmerge(self, number: int) -> Incident: ...
    def split(self, number: int, keys: Sequence[str], summary: str, severity: int | None) -> Incident: ...
    def add_action_item(self, number: int, item: ActionItem) -> Incident: ...
    def end_action_item(self, number: int, id_: str) -> Incident: ...
    def tell(self, number: int, text: str, phase: str, title: str, components: Mapping[str, str]) -> Incident: ...


@dataclass(frozen=True, slots=True)
class OpenDesk:
    """A desk, and the stack file that the command goes by."""

    stack: Stack
    environment: Environment
    desk: Desk


@contextmanager
def opened_desk(file: Path | None, env: str | None, number: int | None) -> Iterator[OpenDesk]:
    """To do something. ``number`` is an incident that must be there; None: one that is yet to be opened."""
    server = configured()
    if server is not None:
        stack = load(file)
        environment = environment_of(stack, env)
        yield OpenDesk(stack, environment, ServerDesk(server, environment.name))
        return
    with opened_record(file, env, number) as record:
        yield OpenDesk(record.stack, record.environment, RecordDesk(record))


def read_incident(file: Path | None, env: str | None, number: int) -> tuple[Incident, Stack]:
    """One incident, read only, and the stack file that the command goes by."""
    stack = load(file)
    environment = environment_of(stack, env)
    server = configured()
    if server is not None:
        return ServerDesk(server, environment.name).incident(number), stack
    from omc.store.database import open_store
    from omc.store.incidents import incident_of, missing

    place = locate_store(stack, environment)
    if not place.exists:
        raise missing(environment.name, number)
    with open_store(place) as store:
        return incident_of(store, environment.name, number), stack


def read_incidents(file: Path | None, env: str | None, *, everything: bool) -> tuple[list[Incident], Environment]:
    """The incidents that are open, or all that there were, newest first."""
    stack = load(file)
    environment = environment_of(stack, env)
    server = configured()
    if server is not None:
        return list(ServerDesk(server, environment.name).incidents(everything=everything)), environment
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    place = locate_store(stack, environment)
    if not place.exists:
        return [], environment
    with open_store(place) as store:
        found = incidents_of(store, environment.name)
    return [each for each in found if everything or each.is_open], environment


@dataclass(frozen=True, slots=True)
class RecordDesk:
    """In the record itself."""

    record: OpenRecord

    def open(self, severity: int, summary: str) -> Incident:
        from omc.store.incidents import open_incident

        doer = self.record.doer
        return open_incident(self.record.store, self._name, severity, summary, doer.name, doer.link)

    def act(self, number: int, payload: Payload) -> Incident:
        from omc.responder.life import act

        return act(self.record.store, self._name, number, self.record.doer, payload)

    def acknowledge(self, number: int) -> Incident:
        from omc.responder.life import acknowledge

        return acknowledge(self.record.store, self._name, number, self.record.doer, self.record.policy)

    def resolve(self, number: int, how: str, override: str | None) -> Incident:
        from omc.responder.life import resolve_by_hand

        def health() -> tuple[str, ...]:
            from omc.responder.health import read_health

            return read_health(self.record.environment, self.record.store)

        record = self.record
        return resolve_by_hand(record.store, self._name, number, record.doer, how, record.policy, health, override)

    def snooze(
        self, number: int, why: str, length: timedelta | None, until: datetime | None, *, if_still_firing: bool
    ) -> Incident:
        from omc.responder import life

        now = self.record.store.now()
        end = until if until is not None else now + length if length is not None else None
        if end is None:
            end = life.until_business_hours(self.record.policy, now)
        if end - now > MAX_SNOOZE:
            raise WrongUse(f"An incident is snoozed for {MAX_SNOOZE.days} days at most. Nothing was recorded.")
        doer = self.record.doer
        return life.snooze(self.record.store, self._name, number, doer, end, why, if_still_firing=if_still_firing)

    def page(self, number: int, people: Sequence[Person], why: str) -> Incident:
        from omc.responder import life

        record = self.record
        return life.page(record.store, self._name, number, record.doer, people, why, record.stack.contacts)

    def escalate(self, number: int) -> Incident:
        from omc.responder.duty import Duty
        from omc.responder.life import escalate

        duty = Duty(self.record.stack, self.record.store)
        return escalate(self.record.store, self._name, number, self.record.doer, duty.policy(), duty.resolve)

    def merge(self, number: int, into: int) -> Incident:
        from omc.responder import life

        return life.merge(self.record.store, self._name, number, into, self.record.doer)

    def unmerge(self, number: int) -> Incident:
        from omc.responder import life

        return life.unmerge(self.record.store, self._name, number, self.record.doer)

    def split(self, number: int, keys: Sequence[str], summary: str, severity: int | None) -> Incident:
        from omc.responder import life

        return life.split(self.record.store, self._name, number, keys, summary, self.record.doer, severity)

    def add_action_item(self, number: int, item: ActionItem) -> Incident:
        from omc.responder import reminders

        return reminders.add_action_item(self.record.store, self._name, number, self.record.doer, item)

    def end_action_item(self, number: int, id_: str) -> Incident:
        from omc.incidents.events import ActionItemDone
        from omc.responder import reminders

        return reminders.end_action_item(self.record.store, self._name, number, self.record.doer, ActionItemDone(id_))

    def tell(self, number: int, text: str, phase: str, title: str, components: Mapping[str, str]) -> Incident:
        from omc.responder.status.telling import Telling, tell_customers

        record = self.record
        telling = Telling(text, phase, title, components)
        return tell_customers(record.store, record.stack, self._name, number, record.doer, telling)

    @property
    def _name(self) -> str:
        return self.record.environment.name
