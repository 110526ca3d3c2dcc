"""An address that drops every SYN, as a security group does: a listening socket whose queue is full for good."""

from __future__ import annotations

import contextlib
import socket


class BlackHole:
    """Connecting to ``address``:``port`` gets no answer at all. Needs no privilege and no traffic of its own."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket()
        self._listener.bind((address, 0))
        self._listener.listen(0)
        self.address, self.port = self._listener.getsockname()
        self._fill: list[socket.socket] = []
        # Linux lets one connection more than the backlog into the queue; then SYNs are dropped.
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.address, self.port))
            self._fill.append(filler)

    def close(self) -> None:
        for each in (*self._fill, self._listener):
            each.close()
