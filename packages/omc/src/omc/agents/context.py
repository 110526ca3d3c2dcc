"""What a tool works with: the environments that were named at the start, a gateway that only reads, and the record as
it is, which the database lets nobody write here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment, Stack
from omc.errors import WrongUse
from omc.store.database import open_store
from omc.store.location import StoreLocation, locate_store
from omc.store.opened import Store

STOP = "StopQuery"
"""What is sent because nobody waits any more."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(slots=True)
class ReadingGateway(Gateway):
    """Reads only, as every gateway that wasn't made for writing, and nothing more once nobody waits for it."""

    abandoned: Event = field(default_factory=Event)

    def _call(self, service: str, operation: str, parameters: dict[str, Any], send: Any) -> Any:
        if self.abandoned.is_set() and operation != STOP:
            raise Abandoned
        return Gateway._call(self, service, operation, parameters, send)


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call's: ``abandoned`` is set once its caller has cancelled it."""

    stack: Stack
    names: tuple[str, ...]
    """Of the environments that may be asked about."""
    abandoned: Event

    def environment(self, name: str) -> Environment:
        """``WrongUse`` for one that wasn't named at the start, whether omc.toml has it or not."""
        if name not in self.names:
            raise WrongUse(f'"{name}" is not one of the environments that this server was started for: {listed(self)}.')
        return self.stack.environments[name]

    def gateway(self, environment: Environment) -> Gateway:
        """Reads only. What isn't a read is refused before it is sent."""
        return ReadingGateway(environment, access_to(environment), abandoned=self.abandoned)

    def place(self, environment: Environment) -> StoreLocation:
        """Where the record is, to be read."""
        return replace(locate_store(self.stack, environment), is_read_only=True)

    @contextmanager
    def store(self, environment: Environment) -> Iterator[Store | None]:
        """The record; None where nothing was ever kept."""
        place = self.place(environment)
        if not place.exists:
            yield None
            return
        with open_store(place) as store:
            yield store

    def report(self, _: str) -> None:
        """Called while something is waited for: raises ``Abandoned``, which ends a query in AWS too."""
        if self.abandoned.is_set():
            raise Abandoned


def listed(context: CallContext) -> str:
    return ", ".join(context.names)


def narrowed(environment: Environment, services: Sequence[str]) -> Environment:
    """The environment with only these of its services; none named: all."""
    there = {service.name: service for service in environment.services}
    for name in services:
        if name not in there:
            raise WrongUse(f'{environment.name} has no service "{name}"; it has {", ".join(there)}.')
    return replace(environment, services=tuple(there[name] for name in services)) if services else environment
