"""The facts of one environment at one moment: each is read when it is first asked for, and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import Calls, Readings, Unavailable, collect, collect_facts
from omc.facts.scope import Scope


class Facts:
    """What is handed to whoever judges facts: it knows how to read them, and what was read."""

    def __init__(self, gateway: Gateway, scope: Scope, more: Mapping[type, Any] | None = None) -> None:
        """``more``: what readers and checks are given beside environment and scope, by type."""
        self.environment = gateway.environment
        self.endpoint = gateway.endpoint
        self.scope = scope
        self.provided: Mapping[type, Any] = {Environment: gateway.environment, Scope: scope, **(more or {})}
        self.readings: Readings = {}
        self._gateway = gateway
        self._began = time.monotonic()

    def read(self, functions: Iterable[Callable[..., Any]]) -> Readings:
        """All that was read so far, with what these functions name by their parameters' types.

        Raises ``WrongUse`` for another account's credentials.
        """
        known = {**self.provided, **self.readings, Gateway: self._gateway}
        self.readings = {**self.readings, **collect(functions, known)}
        return self.readings

    def require(self, *facts: type) -> list[Any]:
        """These facts, read side by side. Raises the error of the first that can't be read."""
        known = {**self.provided, **self.readings, Gateway: self._gateway}
        self.readings = {**self.readings, **collect_facts(facts, known)}
        found = [self.readings[fact] for fact in facts]
        for fact in found:
            if isinstance(fact, Unavailable):
                raise fact.error
        return found

    @property
    def calls(self) -> Calls:
        """What was sent to AWS and elsewhere, in the order of time."""
        calls = {id(call): call for fact in self.readings.values() for call in fact.reading.calls}
        return tuple(sorted(calls.values(), key=lambda call: call.at))

    @property
    def seconds(self) -> float:
        """Since the first of it could be asked for."""
        return time.monotonic() - self._began
