"""What was asked, when and how long it took: the evidence under every fact.

Calls are recorded where they are made; ``recording`` collects those of the code that runs inside of it, also when it
fans out to threads through ``side_by_side``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 16
"""Calls in flight at once for one fan-out: below every read quota of the services that we ask (ELB: 40 a second)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One question to AWS, or one HTTP GET (service ``http``, operation ``GET``)."""

    service: str
    """botocore's name: ``elbv2``."""
    operation: str
    """botocore's name: ``DescribeTargetHealth``."""
    parameters: Mapping[str, Any]
    at: datetime
    """When it was sent, UTC."""
    seconds: float
    requests: int
    """HTTP requests that it took, retries included."""
    error: str | None
    """AWS's error code, where it failed."""
    is_next_page: bool
    """It asks for a further page of the call before it, which the aws CLI asks for by itself."""


_calls: ContextVar[list[Call] | None] = ContextVar("calls", default=None)


@contextmanager
def recording() -> Iterator[list[Call]]:
    """Collect the calls made inside, in the order in which they ended."""
    calls: list[Call] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def record(call: Call) -> None:
    calls = _calls.get()
    if calls is not None:
        calls.append(call)


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``function`` of every item, in order, several at once. The first error is raised."""
    everything = list(items)
    if len(everything) < 2:
        return [function(item) for item in everything]
    with ThreadPoolExecutor(min(THREADS, len(everything)), "read") as pool:
        futures = [pool.submit(copy_context().run, function, item) for item in everything]
        return [future.result() for future in futures]
