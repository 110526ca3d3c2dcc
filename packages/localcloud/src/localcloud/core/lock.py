"""One live cloud per state folder: an flock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from localcloud.core.processes import read_entry

FILE = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a state folder."""

    pid: int
    started_at: int
    """The kernel's start time, so that a recycled process id is never taken for it."""

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still the one."""
        if started_at(self.pid) == self.started_at:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.started_at > 0 and started_at(self.pid) == self.started_at


def started_at(pid: int) -> int:
    """When a process started, in clock ticks since the boot; 0 where there is none, or only its zombie."""
    entry = read_entry(pid)
    return 0 if entry is None or entry.zombie else entry.started_at


class StateLock:
    """The lock of one state folder. A lock file without a living holder is simply taken: nothing is stale here."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._file: TextIOWrapper | None = None

    def take(self) -> Holder | None:
        """Take it for this process; gives the holder where there is one already."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return self._written()
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "started_at": started_at(os.getpid())}))
        file.flush()
        self._file = file
        return None

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> Holder | None:
        """Who holds it now, if anyone."""
        try:
            with self._path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return self._written()
        return None

    def _written(self) -> Holder:
        try:
            held = json.loads(self._path.read_text())
            return Holder(held["pid"], held["started_at"])
        except (ValueError, KeyError):  # it is just writing
            return Holder(0, -1)
