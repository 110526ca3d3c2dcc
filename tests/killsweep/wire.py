"""Where a responder can be stopped: at each commit and each send, seen from outside, on the wire; no hook in omc.

All that a responder does to anything outside of itself crosses a socket: to PostgreSQL, to the queue, to a channel.
Each instance has addresses of its own, all of which are here. A *point* is a ``COMMIT`` of a transaction that wrote
something, or a request by HTTP; it has two sides, before it takes effect and after it did and before its answer is
given. At each the sweep may kill the instance, end the connection, restart the database or answer something else. A
commit or a send that somebody adds to omc crosses here too: it is a point without anybody's doing.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from omc import procfs

Side = Literal["before", "after"]
KILL, CUT, RESTART, ERROR, SILENCE = "kill", "cut", "restart", "error 500", "no answer"
"""What may happen at a point. After ``CUT`` the connection is gone; ``RESTART`` is the database's, in the middle."""
WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)", re.IGNORECASE)
MAX_OCCURRENCE = 24
"""Of one kind of point in a run: later ones are like these."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A commit or a send of a run, and on which side of it something happens."""

    label: str
    """``commit: insert events, update outbox``, ``POST /v2/enqueue``, ``SQS DeleteMessageBatch``."""
    number: int
    """How often that was there before in this run, and once more."""
    side: Side

    def __str__(self) -> str:
        return f"{self.side} {self.label} ({self.number})"


Plan = Callable[[Point], str]
"""What happens at a point; empty: nothing."""


@dataclass(slots=True)
class Instance:
    """One responder as a process."""

    name: str
    pid: int = 0

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while self.lives():
            time.sleep(0.001)

    def lives(self) -> bool:
        try:
            return procfs.stat(self.pid)[0] not in "ZX"
        except OSError:
            return False


@dataclass(slots=True)
class Gate:
    """Counts the points of one run, and does at each what the plan says."""

    plan: Plan
    restart: Callable[[], None] = lambda: None
    """Restarts the database."""
    seen: list[Point] = field(default_factory=list)
    happened: list[tuple[Point, str]] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    """Writes outside of any transaction: the sweep can't stop before them."""
    _count: Counter[tuple[str, Side]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stand_down(self) -> None:
        """Nothing happens from now on; what is under way is over when this returns."""
        with self._lock:
            self.plan = lambda _: ""

    def at(self, instance: Instance, label: str, side: Side) -> str:
        """What happens there; the instance is dead where it was killed."""
        with self._lock:
            if not instance.lives():
                return KILL
            self._count[label, side] += 1
            point = Point(label, self._count[label, side], side)
            if point.number > MAX_OCCURRENCE:
                return ""
            self.seen.append(point)
            action = self.plan(point)
            if action:
                self.happened.append((point, action))
            if action == KILL:
                instance.kill()
            if action == RESTART:
                self.restart()
                return CUT
            return action


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Conversation:
    """One connection between a responder and the database: what it has asked, and what its transaction wrote."""

    statements: dict[bytes, str] = field(default_factory=dict)
    """Prepared ones, by name."""
    asked: deque[str] = field(default_factory=deque)
    """Those whose answer isn't there yet."""
    written: set[str] = field(default_factory=set)
    in_transaction: bool = False

    def takes(self, kind: bytes, body: bytes) -> str:
        """Note what is asked for; the statement, where it is performed by this message."""
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self.statements[name] = text.decode()
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            self.asked.append(self.statements.get(name, ""))
            return self.asked[-1]
        elif kind == b"Q":
            self.asked.append(body.rstrip(b"\0").decode())
            return self.asked[-1]
        return ""

    def answers(self, kind: bytes, body: bytes) -> str:
        """Note what is answered; a statement that wrote something."""
        if kind == b"Z":
            self.in_transaction = body != b"I"
            self.asked.clear()
            if not self.in_transaction:
                self.written.clear()
        elif kind == b"C":
            text, tag = self.asked.popleft() if self.asked else "", body.rstrip(b"\0").decode().split()
            found = WRITES.match(text)
            if found and tag[0] in ("INSERT", "UPDATE", "DELETE") and tag[-1] != "0":
                self.written.add(f"{found[1].split()[0].lower()} {found[2]}")
                return text
        return ""

    @property
    def label(self) -> str:
        """The record's own table is in each of them and says nothing."""
        return f"commit: {', '.join(sorted(self.written - {'insert audit_log'}))}"


def _is_commit(text: str) -> bool:
    return text.strip().rstrip(";").upper() == "COMMIT"


@dataclass(slots=True)
class DatabaseWire:
    """Takes the connections of one instance to the database in the middle."""

    instance: Instance
    gate: Gate
    socket_path: Path
    _listener: socket.socket = field(init=False)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self.socket_path))
            except OSError:  # it is being restarted
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [client, server]
            talk = _Conversation()
            for side in (self._forth, self._back):
                threading.Thread(target=self._guarded, args=[side, talk, client, server], daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._open):
            _close(each)

    def _guarded(
        self, side: Callable[..., None], talk: _Conversation, client: socket.socket, server: socket.socket
    ) -> None:
        try:
            side(talk, client, server)
        except OSError:
            pass
        finally:
            _close(client)
            _close(server)

    def _forth(self, talk: _Conversation, client: socket.socket, server: socket.socket) -> None:
        """The first message has no kind."""
        begun = _exactly(client, 4)
        server.sendall(begun + _exactly(client, struct.unpack("!I", begun)[0] - 4))
        for kind, whole in _messages(client):
            text = talk.takes(kind, whole[5:])
            if _is_commit(text) and talk.written and self.gate.at(self.instance, talk.label, "before"):
                return
            server.sendall(whole)

    def _back(self, talk: _Conversation, client: socket.socket, server: socket.socket) -> None:
        for kind, whole in _messages(server):
            if kind == b"C" and whole[5:] == b"COMMIT\0" and talk.written:
                label, talk.written = talk.label, set()
                if self.gate.at(self.instance, label, "after"):
                    return
            if (text := talk.answers(kind, whole[5:])) and not talk.in_transaction:
                self.gate.stray.append(text)
            client.sendall(whole)


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Kind and the whole of each message that comes."""
    held = bytearray()
    while True:
        while len(held) >= 5 and len(held) >= (size := 1 + struct.unpack_from("!I", held, 1)[0]):
            whole = bytes(held[:size])
            del held[:size]
            yield whole[:1], whole
        part = source.recv(1 << 16)
        if not part:
            return
        held += part


def _exactly(source: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = source.recv(size - len(read))
        if not part:
            raise ConnectionError
        read += part
    return read


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def database_wire(instance: Instance, gate: Gate, socket_path: Path) -> Iterator[DatabaseWire]:
    """In the middle between an instance and the database, for as long as it takes."""
    wire = DatabaseWire(instance, gate, socket_path)
    threading.Thread(target=wire.run, daemon=True).start()
    try:
        yield wire
    finally:
        wire.close()
