"""Port sessions: connections of the client, multiplexed in one stream by smux version 1, made from inside the task.

What AWS's agent does in a container (amazon-ssm-agent's plugin "Port"): for each stream that the client opens it
connects to the host and port that the session is for. The layout of smux is that of xtaci/smux.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

OPEN, CLOSE, DATA, NOTHING = range(4)
CONNECT_SECONDS: Final = 10.0
READ_BYTES: Final = 16_384
_HEADER: Final = struct.Struct("<BBHI")


@dataclass(frozen=True, slots=True)
class Port:
    """What a port session leads to."""

    host: str
    """Empty for the task itself."""
    number: int


class BadStream(Exception):
    """Bytes that aren't smux, version 1."""


class Ports:
    """The connections of one session. ``send`` takes bytes of the stream; ``failed`` hears of a port that can't be
    reached."""

    def __init__(
        self, port: Port, address: str, source: str, send: Callable[[bytes], None], failed: Callable[[], None]
    ):
        self.moved = time.monotonic()
        self._port, self._address, self._source = port, address, source
        self._send, self._failed = send, failed
        self._lock = threading.Lock()
        self._rest = bytearray()
        self._streams: dict[int, queue.SimpleQueue[bytes | None]] = {}

    def take(self, data: bytes) -> None:
        """Bytes of the client's. Raises ``BadStream``."""
        self.moved = time.monotonic()
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            version, command, length, stream = _HEADER.unpack_from(self._rest)
            if version != 1 or command > NOTHING:
                raise BadStream(f"smux version {version}, command {command}")
            if len(self._rest) < _HEADER.size + length:
                return
            body = bytes(self._rest[_HEADER.size : _HEADER.size + length])
            del self._rest[: _HEADER.size + length]
            self._act(command, stream, body)

    def _act(self, command: int, stream: int, body: bytes) -> None:
        if command == OPEN:
            waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
            self._streams[stream] = waiting
            threading.Thread(target=self._serve, args=(stream, waiting), name="ecs-port", daemon=True).start()
        elif stream in self._streams and command == DATA:
            self._streams[stream].put(body)
        elif stream in self._streams and command == CLOSE:
            self._streams.pop(stream).put(None)

    def close(self) -> None:
        """End every connection."""
        for waiting in list(self._streams.values()):
            waiting.put(None)
        self._streams.clear()

    def _serve(self, stream: int, waiting: queue.SimpleQueue[bytes | None]) -> None:
        """The life of one connection: from it to the client here, the other way in a second thread."""
        try:
            source = (self._source, 0) if self._source else None
            place = (self._port.host or self._address or "127.0.0.1", self._port.number)
            connection = socket.create_connection(place, CONNECT_SECONDS, source_address=source)
        except OSError:
            self._failed()
            self._put(CLOSE, stream)
            return
        with connection:
            connection.settimeout(None)
            threading.Thread(target=_write, args=(connection, waiting), name="ecs-port-in", daemon=True).start()
            with contextlib.suppress(OSError):
                while data := connection.recv(READ_BYTES):
                    self._put(DATA, stream, data)
            waiting.put(None)
            self._put(CLOSE, stream)
            self._streams.pop(stream, None)

    def _put(self, command: int, stream: int, data: bytes = b"") -> None:
        with self._lock, contextlib.suppress(Exception):  # the client may be gone: whoever reads from it notices
            self.moved = time.monotonic()
            self._send(_HEADER.pack(1, command, len(data), stream) + data)


def _write(connection: socket.socket, waiting: queue.SimpleQueue[bytes | None]) -> None:
    with contextlib.suppress(OSError):
        while (data := waiting.get()) is not None:
            connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)
