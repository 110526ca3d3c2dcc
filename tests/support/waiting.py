"""Waiting in tests: look again and again, with a bound, and say what didn't come. Never wait for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.01
GROWTH = 1.3


def eventually(
    what: str | Callable[[], str], look: Callable[[], T | None], within: float = 90, every: float = 0.3
) -> T:
    """The first true answer of ``look``; fails with what was waited for, and the last answer, after ``within`` seconds.

    It looks often at first and then every so many seconds, so that a long wait costs those beside it little. Give
    ``what`` as a function where it has to be read when the time is over (a log, an output).
    """
    deadline = time.monotonic() + within
    pause = min(FIRST_PAUSE, every)
    while not (found := look()):
        if time.monotonic() >= deadline:
            expected = what if isinstance(what, str) else what()
            raise AssertionError(f"not so within {within:g} s: {expected} (still {found!r})")
        time.sleep(pause)
        pause = min(pause * GROWTH, every)
    return found
