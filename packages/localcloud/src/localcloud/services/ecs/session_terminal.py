"""A command in a terminal of its own, started through the supervisor: what is behind a session. Knows no protocol."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from localcloud.core.processes import Process, Supervisor

READ_BYTES: Final = 1024
"""The most that one message carries (AWS's agent reads as much)."""
GRACE_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.05
"""How often is looked whether the command has ended."""

# The process leads a session when it gets here, so the first terminal that it opens becomes its controlling one.
_IN_TERMINAL: Final = 'exec 0<>"$0" 1>&0 2>&0; exec "$@"'


class Terminal:
    """The running command. Raises ``OSError`` where no terminal can be had or the process can't be started."""

    def __init__(
        self, supervisor: Supervisor, name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> None:
        self._supervisor = supervisor
        self._master, self._slave = os.openpty()
        self._wake, self._waker = os.pipe()
        self._lock = threading.Lock()
        self._typed = bytearray()
        self._closed = False
        try:
            os.set_blocking(self._master, False)
            os.set_blocking(self._waker, False)
            self.resize(80, 24)
            self.process: Process = supervisor.spawn(
                name,
                ["/bin/sh", "-c", _IN_TERMINAL, os.ttyname(self._slave), *argv],
                env=env,
                cwd=folder,
                output=Path(os.devnull),
                stop_signal=signal.SIGHUP,  # as when a terminal goes away; interactive shells ignore SIGTERM
            )
        except BaseException:
            self._release()
            raise

    def resize(self, columns: int, rows: int) -> None:
        """The window's new size; what runs in it is told by SIGWINCH."""
        with self._lock:
            if not self._closed:
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data: bytes) -> None:
        """What was typed; written as soon as the terminal takes it."""
        with self._lock:
            self._typed += data
            if not self._closed:
                with contextlib.suppress(BlockingIOError):  # it is woken already
                    os.write(self._waker, b"!")

    def read(self) -> bytes | None:
        """Some output, nothing if there was none for a moment, ``None`` when the command and its output have ended."""
        ended = self.process.poll() is not None  # looked at first: what was written before the end is still there
        writers = [self._master] if self._typed and not ended else []
        timeout = 0.0 if ended else PAUSE_SECONDS
        readable, writable, _ = select.select([self._master, self._wake], writers, [], timeout)
        if self._wake in readable:
            os.read(self._wake, 4096)
        if writable:
            self._write()
        if self._master in readable:
            return os.read(self._master, READ_BYTES)
        return None if ended else b""

    def _write(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            del self._typed[: os.write(self._master, self._typed)]

    def close(self) -> None:
        """End the command and everything that it started, and give the terminal back."""
        self._supervisor.end(self.process, GRACE_SECONDS)
        self._release()

    def _release(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                for descriptor in (self._master, self._slave, self._wake, self._waker):
                    os.close(descriptor)
