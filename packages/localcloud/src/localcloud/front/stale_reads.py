"""Reads that don't show yet what was just written, where AWS says that its API is eventually consistent.

In force only while the fault ``stale-reads`` is. A read within so many seconds of a write gets what the same read was
answered before that write, and what was just made isn't found yet under its name. Nothing is ever older than that, and
what was never asked before shows the state of now: AWS promises neither.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError, Call
from localcloud.front import moto_calls
from localcloud.front.call_log import is_read

if TYPE_CHECKING:
    from localcloud.front.protocol import HttpAnswer, Wire

SERVICES = ("ecs", "ec2", "iam", "kms")
"""Each one's reference has a passage on eventual consistency. S3 has been strongly consistent since 2020; Elastic Load
Balancing, RDS and CloudWatch say nothing."""
MAKES = ("Create", "Register", "Run", "Start", "Allocate")
ENDINGS = ("Arn", "ARN", "Id", "Name")
MOST_KEPT = 512
NOT_YET = "-not-there-yet"

Question = tuple[str, str, str]
Ask = Callable[[Call, bool], "HttpAnswer"]
"""The true answer to a call; True where its parameters aren't those of the request as it came."""


class StaleReads:
    """What was answered before, and what was written since. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._services: tuple[str, ...] = ()
        self._seconds = 0.0
        self._answers: OrderedDict[Question, tuple[HttpAnswer, float]] = OrderedDict()
        self._writes: dict[str, list[float]] = {}
        self._made: dict[str, float] = {}

    @property
    def in_force(self) -> bool:
        return bool(self._services)

    def begin(self, services: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            self._services, self._seconds = services, seconds
            self._answers.clear()
            self._writes.clear()
            self._made.clear()

    def end(self) -> None:
        self.begin((), 0.0)

    def answer(self, wire: Wire, call: Call, ask: Ask) -> HttpAnswer:
        if call.service not in self._services:
            return ask(call, False)
        if not is_read(call.operation):
            result = ask(call, False)
            self._written(wire, call, result)
            return result
        question = (call.service, call.operation, json.dumps(call.params, sort_keys=True, default=str))
        with self._lock:
            old = self._old(question)
            hidden = self._hidden()
        if old is not None:
            return old
        unknown = _without(call.params, hidden)
        if unknown != call.params:
            return _unnamed(ask, replace(call, params=unknown))
        began = self._clock()
        result = ask(call, False)
        with self._lock:
            self._answers[question] = (result, began)
            self._answers.move_to_end(question)
            while len(self._answers) > MOST_KEPT:
                self._answers.popitem(last=False)
        return result

    def _old(self, question: Question) -> HttpAnswer | None:
        """The answer of before the first write that nobody may have to see yet."""
        known = self._answers.get(question)
        if known is None or known[0].stream is not None:
            return None
        since = next((at for at in self._writes.get(question[0], ()) if at >= known[1]), None)
        return known[0] if since is not None and self._clock() - since < self._seconds else None

    def _hidden(self) -> frozenset[str]:
        now = self._clock()
        self._made = {name: at for name, at in self._made.items() if now - at < self._seconds}
        return frozenset(self._made)

    def _written(self, wire: Wire, call: Call, result: HttpAnswer) -> None:
        if result.status >= 300:
            return
        made = _names_made(call, moto_calls.parsed(wire, result)) if call.operation.startswith(MAKES) else set()
        now = self._clock()
        with self._lock:
            recent = [at for at in self._writes.get(call.service, ()) if now - at < 10 * self._seconds]
            self._writes[call.service] = [*recent, now]
            self._made |= dict.fromkeys(made, now)


def _names_made(call: Call, answered: Mapping[str, Any]) -> set[str]:
    """The names of what the operation made: ``serviceArn`` and ``serviceName`` of CreateService's answer."""
    verb = next(verb for verb in MAKES if call.operation.startswith(verb))
    noun = call.operation.removeprefix(verb).lower().removesuffix("s")

    def is_name(key: str) -> bool:
        ending = next((ending for ending in ENDINGS if key.endswith(ending)), "")
        stem = key.removesuffix(ending).lower()
        return bool(ending) and len(stem) > 2 and noun.endswith(stem)

    return {value for key, value in _strings(answered) if is_name(key)}


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            yield from _strings(held, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, key)
    elif isinstance(value, str) and value:
        yield key, value


def _without(value: Any, hidden: frozenset[str]) -> Any:
    """The parameters with names that are of nothing, in place of those that aren't to be seen yet."""
    if not hidden:
        return value
    if isinstance(value, Mapping):
        return {name: _without(held, hidden) for name, held in value.items()}
    if isinstance(value, list):
        return [_without(each, hidden) for each in value]
    named = isinstance(value, str) and (value in hidden or value.rpartition("/")[2] in hidden)
    return _never(value) if named else value


def _never(name: str) -> str:
    """A name like it that nothing has. ``family:7`` stays a family and a number, an id keeps its form."""
    family, colon, number = name.rpartition(":")
    return f"{family}{NOT_YET}{colon}{number}" if number.isdigit() else f"{name}{NOT_YET}"


def _unnamed(ask: Ask, call: Call) -> HttpAnswer:
    try:
        result = ask(call, True)
    except AwsError as error:
        raise AwsError(error.code, error.message.replace(NOT_YET, ""), error.status) from error
    return replace(result, body=result.body.replace(NOT_YET.encode(), b""))
