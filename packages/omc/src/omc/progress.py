"""Progress of long work, on stderr: what is being done, what it waits for, how long it took.

On a terminal the waiting line is redrawn in place; elsewhere a line is printed when what it waits for changes, at most
every ten seconds, so that a log stays readable.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from omc.output import line, printable

QUIET_INTERVAL = 10.0


SILENT = 2.0
"""Seconds for which a wait stays silent."""


@contextmanager
def note_if_slow(
    what: str, stream: TextIO | None = None, *, unless: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Say what is waited for in the block, once it has taken longer than ``SILENT``, and again every ten seconds.

    For what blocks: a lock, a server that starts. A thread of its own says it, except while ``unless`` is true.
    """
    over = threading.Event()

    def speak() -> None:
        wait = SILENT
        while not over.wait(wait):
            if not unless():
                print(f"omc waits for {what} …", file=stream or sys.stderr, flush=True)
            wait = QUIET_INTERVAL

    thread = threading.Thread(target=speak, name="waits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


class Progress:
    """Where long work says what it does. One at a time; not for threads.

    Whoever read it may go away (``2>&1 | head``, a connection that ends): then it falls silent, and the work goes on. A
    change must not be left half done for want of a reader.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._drawn = False
        self._said_at = 0.0
        self._said = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the title now, and how long the block took when it ends well."""
        began = time.monotonic()
        self.note(f"{title} …")
        yield
        self.note(f"{title}: done in {time.monotonic() - began:.1f} s")

    def note(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._write(f"{printable(line(text))}\n")

    def waiting(self, what: str) -> None:
        """What the work waits for just now."""
        if self._live:
            self._clear()
            width = shutil.get_terminal_size().columns - 1
            self._write(f"  {line(what)}"[:width])
            self._drawn = True
        elif what != self._said and time.monotonic() - self._said_at >= QUIET_INTERVAL:
            self._said, self._said_at = what, time.monotonic()
            self._write(f"{printable(f'  {line(what)}')}\n")

    def done(self) -> None:
        """Nothing is waited for any more."""
        self._clear()
        self._write("")

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\033[K")
            self._drawn = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # What is still in the stream's buffer, and whatever else is written there, goes nowhere from now on.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
