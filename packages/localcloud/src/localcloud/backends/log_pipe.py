"""A pipe through which a process that never waits (HAProxy) tells each line of its log, and the end that reads it.

A Unix datagram socket holds 10 messages on Linux by default, so that a reader who is late by a moment loses the rest;
a pipe holds as many lines as fit into its bytes.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import suppress

LARGEST = 1 << 20
"""Bytes: what Linux allows everybody. Some 5,000 lines, 4 s of the most that the local cloud can serve."""


class LogPipe:
    """Both ends of the pipe. ``write`` is for processes to inherit; this process never writes to it."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        with suppress(PermissionError):  # a user's share of memory for pipes is used up: the usual 64 KiB then
            fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, LARGEST)
        self._rest = b""

    def lines(self, timeout: float) -> Iterator[str]:
        """The whole lines that came, after at most so many seconds; none where nothing came."""
        if not select.select([self._read], [], [], timeout)[0]:
            return
        *whole, self._rest = (self._rest + os.read(self._read, LARGEST)).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def close(self) -> None:
        for end in (self._read, self.write):
            with suppress(OSError):
                os.close(end)
