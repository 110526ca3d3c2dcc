"""Containers' output, line by line, to the log streams that their task definition names.

One thread reads the pipes of every container, so that two thousand tasks cost one thread. A pipe is read to its
end: the lines that a process wrote just before it died arrive too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

log = logging.getLogger(__name__)

LONGEST_EVENT: Final = 256 * 1024
"""Bytes of one log event; the awslogs driver cuts longer lines into several (Docker's documentation of awslogs)."""

Sink = Callable[[str, str, Sequence[tuple[int, str]]], None]


@dataclass(slots=True)
class Reader:
    """The read end of one container's output."""

    descriptor: int
    group: str
    """Log group; empty where the container has no awslogs configuration: its output is read and dropped."""
    stream: str
    rest: bytes = b""
    done: threading.Event = field(default_factory=threading.Event)


def destination(configuration: Mapping[str, Any], container: str, task: str) -> tuple[str, str]:
    """(group, stream) of a container's ``logConfiguration``; empty names where its driver isn't awslogs."""
    if configuration.get("logDriver") != "awslogs":
        return "", ""
    options = configuration.get("options", {})
    prefix = options.get("awslogs-stream-prefix", "")
    stream = f"{prefix}/{container}/{task}" if prefix else task
    return options.get("awslogs-group", ""), stream


class Output:
    """Reads all containers' pipes until ``close``."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._waiting: list[Reader] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ecs-output", daemon=True)
        self._thread.start()

    def open(self, group: str, stream: str) -> tuple[int, Reader]:
        """A pipe for one container: the end to write to, which the caller closes once the process has it."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        reader = Reader(read_end, group, stream)
        with self._lock:
            self._waiting.append(reader)
        os.write(self._wake_write, b"x")
        return write_end, reader

    def close(self, timeout: float = 2.0) -> None:
        """Read what is there, then stop."""
        self._closing = True
        os.write(self._wake_write, b"x")
        self._thread.join(timeout)

    def _run(self) -> None:
        deadline = float("inf")
        while True:
            for key, _events in self._selector.select(timeout=0.1 if self._closing else None):
                if key.data is None:
                    self._take_new()
                else:
                    self._read(key.data)
            if self._closing:
                deadline = min(deadline, time.monotonic() + 1.0)
                if len(self._selector.get_map()) == 1 or time.monotonic() > deadline:
                    return

    def _take_new(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        with self._lock:
            fresh, self._waiting = self._waiting, []
        for reader in fresh:
            self._selector.register(reader.descriptor, selectors.EVENT_READ, reader)

    def _read(self, reader: Reader) -> None:
        try:
            data = os.read(reader.descriptor, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        lines, reader.rest = split_lines(reader.rest + data, at_end=not data)
        self._put(reader, lines)
        if not data:
            self._selector.unregister(reader.descriptor)
            os.close(reader.descriptor)
            reader.done.set()

    def _put(self, reader: Reader, lines: Sequence[str]) -> None:
        if not lines or not reader.group:
            return
        now = int(time.time() * 1000)
        try:
            self._sink(reader.group, reader.stream, [(now, line) for line in lines])
        except Exception:
            log.exception("output of %s was lost", reader.stream)


def split_lines(data: bytes, *, at_end: bool) -> tuple[list[str], bytes]:
    """Whole lines and what is left of the last one. An overlong line is cut; empty lines aren't log events."""
    *whole, rest = data.split(b"\n")
    if at_end or len(rest) > LONGEST_EVENT:
        whole.append(rest)
        rest = b""
    lines: list[str] = []
    for line in whole:
        for start in range(0, len(line), LONGEST_EVENT):
            text = line[start : start + LONGEST_EVENT].decode("utf-8", errors="replace").rstrip("\r")
            if text:
                lines.append(text)
    return lines, rest
