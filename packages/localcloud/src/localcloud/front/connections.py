"""Connections of the front's server: how many there may be, and how long each may take for what it has begun.

cheroot reads a request in the thread that will answer it. So that nobody takes the threads by being slow or silent, a
connection waits for its first byte where idle ones wait, and is cut off where a request doesn't come in time.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from cheroot import server as cheroot
from cheroot import wsgi

from localcloud.core.registry import AwsError

CONNECTIONS = 512
"""Open at a time; one more is closed at once. Silent ones take no thread."""
HEAD_BYTES = 64 << 10
HEAD_SECONDS = 20.0
"""From a request's first byte to the end of its headers."""
BODIES_BYTES = 256 << 20
"""Of all requests that are being answered at a time."""
ANSWER_SECONDS = 120.0
"""For a client to take what it asked for. Streams have no end, and pings of their own."""


CONNECTION = "localcloud.connection"
SILENT = "localcloud.silent"
"""In the environment of a request that gets no answer."""
AS_IT_COMES = "localcloud.as_it_comes"
"""Called by the application before it answers: nothing of this answer is held back."""


class Gateway(wsgi.Gateway_10):
    """Lets the application close its connection, which WSGI has no word for, and sends each answer in one piece.

    AWS's SDK for Go (smithy-go 1.22, in Terraform's provider) closes a request's body as soon as an answer's headers
    are there. If Go's writer, on a busy machine, hasn't looked for the body's end by then, it takes "closed" for a
    failed write and closes the connection under the reader: "use of closed network connection". cheroot alone sends
    headers and body apart. In one piece a short answer is whole in the client's buffer (4 KiB) before anything is
    closed; a longer one can still be hit where it comes within about a millisecond.
    """

    def respond(self) -> None:
        connection = self.req.conn
        wire, held = connection.wfile, io.BytesIO()
        connection.wfile = held

        def as_it_comes() -> None:
            connection.wfile = wire

        self.env[AS_IT_COMES] = as_it_comes
        try:
            super().respond()
        finally:
            connection.wfile = wire
        if SILENT not in self.env:
            with self.req.server.deadlines.within(ANSWER_SECONDS, connection.socket):
                wire.write(held.getvalue())

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ[CONNECTION] = self.req
        return environ


class Deadlines:
    """Connections that must have done something by a time; who hasn't is cut off, however slowly it goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[float, socket.socket]] = {}

    @contextlib.contextmanager
    def within(self, seconds: float, connection: socket.socket) -> Iterator[None]:
        key = threading.get_ident()  # a thread has one connection at a time
        with self._lock:
            self._held[key] = (time.monotonic() + seconds, connection)
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(key, None)

    def cut_off_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            for deadline, connection in self._held.values():
                if now > deadline:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)


class _Request(cheroot.HTTPRequest):
    def parse_request(self) -> None:
        with self.server.deadlines.within(HEAD_SECONDS, self.conn.socket):
            super().parse_request()


class _Connection(cheroot.HTTPConnection):
    RequestHandlerClass = _Request
    heard = False
    """Whether anything ever came over it."""

    def __init__(self, server: Any, *more: Any) -> None:
        super().__init__(server, *more)
        server.opened(self)

    def close(self) -> None:
        self.server.closed(self)
        super().close()


class HttpServer(wsgi.Server):
    """cheroot's, with bounds."""

    ConnectionClass = _Connection
    max_request_header_size = HEAD_BYTES
    keep_alive_conn_limit = CONNECTIONS

    def __init__(self, *provided: Any, **more: Any) -> None:
        super().__init__(*provided, **more)
        self.deadlines = Deadlines()
        self._open: set[int] = set()
        self._open_lock = threading.Lock()

    def opened(self, connection: _Connection) -> None:
        with self._open_lock:
            self._open.add(id(connection))

    def closed(self, connection: _Connection) -> None:
        with self._open_lock:
            self._open.discard(id(connection))

    def process_conn(self, conn: Any) -> None:
        if conn.heard:
            super().process_conn(conn)
            return
        conn.heard = True
        if len(self._open) > CONNECTIONS:
            conn.close()
        else:
            self._connections.put(conn)  # type: ignore[attr-defined]


class Bodies:
    """How many bytes of bodies are in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    @contextlib.contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Raises ``AwsError``, which clients try again, where there is no room for so many more."""
        with self._lock:
            if self._held + count > BODIES_BYTES:
                raise AwsError("TooManyRequestsException", "Too many large requests at a time.", 429)
            self._held += count
        try:
            yield
        finally:
            with self._lock:
                self._held -= count
