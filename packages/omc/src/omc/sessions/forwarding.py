"""A port of this machine's that leads through a task to a port elsewhere: listening, multiplexing, opening again.

One session carries all connections of one port, as agents newer than 3.0.196.0 have it. Where a session has ended (AWS
cuts those that are idle for 20 minutes, a task is replaced), the next connection opens another one. It listens on the
loopback only.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from omc.errors import OmcError, Refused
from omc.sessions.connection import DoorClosed, Session
from omc.sessions.smux import BadStream, Command, Item, Reader, data_items

LOOPBACK: Final = "127.0.0.1"
READ_BYTES: Final = 16_384
MULTIPLEXED_AFTER: Final = (3, 0, 196, 0)
"""Agents up to this version carry one connection at a time, without smux. Fargate's are all newer."""
HOLD_BYTES: Final = 4 << 20
"""What is held for connections that don't take it, before the session is held up (smux's MaxReceiveBuffer)."""

Open = Callable[[Callable[[bytes], None]], Session]
"""Opens a session whose bytes go to the function."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a local port leads."""

    local: int
    """0: any free one."""
    host: str
    """Empty for the task itself."""
    port: int
    name: str
    """What people call it: ``database``."""


class Tunnel:
    """One open session with its connections."""

    def __init__(self, open_: Open) -> None:
        self._reader = Reader()
        self._streams: dict[int, _Stream] = {}
        self._lock = threading.Lock()
        self._next = 1
        self.session = open_(self._take)
        if not is_multiplexed(self.session.agent_version):
            self.session.close()
            raise Refused(
                f"The task's agent is version {self.session.agent_version}, which carries one connection at a time; "
                "omc needs one newer than 3.0.196.0. New tasks have a newer one: omc restart"
            )

    @property
    def is_open(self) -> bool:
        return not self.session.ended.is_set()

    def carry(self, connection: socket.socket) -> bool:
        """Carry one connection to its end; False where the port can't be reached."""
        with self._lock:
            self._next += 2
            number = self._next
            stream = self._streams[number] = _Stream(connection)
        self.session.refused_connection.clear()
        self._send(Item(Command.OPEN, number))
        writer = threading.Thread(target=stream.write, name="forward-out", daemon=True)
        writer.start()
        try:
            while data := connection.recv(READ_BYTES):
                if not all(self._send(item) for item in data_items(number, data)):
                    break
        except OSError:
            pass  # it was closed on either side
        finally:
            if self._streams.pop(number, None) is not None:
                self._send(Item(Command.CLOSE, number))
            stream.end()
            writer.join(5)
            connection.close()
        return not self.session.refused_connection.is_set()

    def close(self) -> None:
        self.session.close()
        for stream in list(self._streams.values()):
            stream.end()

    def _send(self, item: Item) -> bool:
        with self._lock:
            return self.session.send(item.encode())

    def _take(self, data: bytes) -> None:
        try:
            items = self._reader.take(data)
        except BadStream as error:
            raise DoorClosed(f"The agent's side of the tunnel can't be read: {error}.") from error
        for item in items:
            stream = self._streams.get(item.stream)
            if stream is None:
                continue
            if item.command is Command.DATA:
                stream.put(item.data)
            elif item.command is Command.CLOSE:
                self._streams.pop(item.stream, None)
                stream.end()


class _Stream:
    """What is to be written to one local connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._held = 0
        self._is_over = False

    def put(self, data: bytes) -> None:
        with self._room:
            self._room.wait_for(lambda: self._held < HOLD_BYTES or self._is_over)
            self._held += len(data)
        self._waiting.put(data)

    def end(self) -> None:
        """Nothing comes any more; what came is still written."""
        self._waiting.put(None)

    def write(self) -> None:
        with contextlib.suppress(OSError):
            while (data := self._waiting.get()) is not None:
                self._connection.sendall(data)
                with self._room:
                    self._held -= len(data)
                    self._room.notify_all()
        with self._room:
            self._is_over = True
            self._room.notify_all()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def is_multiplexed(agent: str) -> bool:
    """Whether an agent of this version speaks smux. One whose version can't be read is taken for a new one."""
    try:
        return tuple(int(part) for part in agent.split(".")) > MULTIPLEXED_AFTER
    except ValueError:
        return True


class Forward:
    """A local port that leads somewhere. The first session is opened at once, so that a closed door is known; later
    ones when a connection wants one."""

    def __init__(self, lead: Lead, open_: Open, tell: Tell) -> None:
        self.lead = lead
        self._open, self._tell = open_, tell
        self._lock = threading.Lock()
        self._listener = _listen(lead)
        self.port = int(self._listener.getsockname()[1])
        try:
            self._tunnel = Tunnel(open_)
        except BaseException:
            self._listener.close()
            raise
        self._thread = threading.Thread(target=self._accept, name=f"forward-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._tunnel.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(connection,), name="forward-in", daemon=True).start()

    def _carry(self, connection: socket.socket) -> None:
        try:
            tunnel = self._opened()
        except OmcError as error:
            connection.close()
            self._tell(error.message)
            return
        if not tunnel.carry(connection):
            where = f"{self.lead.host}:{self.lead.port}" if self.lead.host else f"its own port {self.lead.port}"
            self._tell(f"The task can't reach {where} ({self.lead.name}).")

    def _opened(self) -> Tunnel:
        with self._lock:
            if not self._tunnel.is_open:
                reason = self._tunnel.session.reason or "it ended"
                self._tunnel.close()
                began = time.monotonic()
                self._tunnel = Tunnel(self._open)
                self._tell(
                    f"The session to {self.lead.name} was over ({reason}); opened again in "
                    f"{time.monotonic() - began:.1f} s."
                )
            return self._tunnel


def _listen(lead: Lead) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, lead.local))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused(f"Port {lead.local} of this machine can't be taken for {lead.name}: {reason}.") from error
