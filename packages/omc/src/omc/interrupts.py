"""Ctrl-C where it must not strike in the middle of a statement.

Python raises ``KeyboardInterrupt`` between any two instructions. Inside the standard library that loses what was half
made: a program that was started and that nobody knows of, a lock that nobody gives back, an error about a temporary
file in place of the interrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Keep interrupts that come inside the block until its end, and do then what they would have done at once.

    Gives a function that says whether one came, for a block that can end early. Several come as one. Signals that this
    process ignores or dies of are left alone, and so is a block in another thread, where none strikes.
    """
    came: list[int] = []

    def keep(number: int, *_: object) -> None:
        came.append(number)

    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in HELD_SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    before[number] = handler
                    signal.signal(number, keep)
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(signal.Signals(came[0]))


@contextmanager
def reraise_interrupts() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` in place of an error that only came of one: a library failed at cleaning up."""
    try:
        yield
    except Exception as error:
        if _is_behind(error):
            raise KeyboardInterrupt from error
        raise


def _is_behind(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
