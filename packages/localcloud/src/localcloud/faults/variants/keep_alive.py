"""A uvicorn application that ends idle connections sooner than whoever keeps them thinks.

It ends one just when the next request comes on it: the moment in which both cross, which with a network between is a
matter of milliseconds and chance. A load balancer of AWS answers that with 502. HAProxy ends its client's connection
without a word where a connection that it has used before is merely closed, so an octet that no answer begins with goes
before the end, and it says 502 too.
"""

import asyncio
import os
import time
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


def begin() -> None:
    _limit(AutoHTTPProtocol, float(os.environ["KEEP_ALIVE_SECONDS"]))


def _limit(protocol: Any, seconds: float) -> None:
    received, completed = protocol.data_received, protocol.on_response_complete

    def data_received(self: Any, data: bytes) -> None:
        idle_since = getattr(self, "_idle_since", None)
        self._idle_since = None
        if idle_since is not None and time.monotonic() - idle_since > seconds:
            transport: asyncio.Transport = self.transport
            transport.write(b"\x00\r\n\r\n")
            transport.close()
            return
        received(self, data)

    def on_response_complete(self: Any) -> None:
        completed(self)
        self._idle_since = time.monotonic()

    protocol.data_received = data_received
    protocol.on_response_complete = on_response_complete
