"""TLS before PostgreSQL: a process of its own that speaks the start of PostgreSQL's protocol, then passes bytes on.

The PostgreSQL of the wheel is built without TLS. A client asks for TLS with a first message of eight bytes, which no
general TLS proxy answers; so this one does, and where TLS is forced it refuses plain connections with the words that
the server itself uses. The server sees each client's own address: connections to it are bound to it, which every
loopback address allows. Run as ``python -m localcloud.backends.postgres_tls CONFIGURATION``; SIGHUP reads the
configuration (JSON) again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
_CHUNK = 1 << 17
_START_SECONDS = 60  # PostgreSQL's authentication_timeout


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where it listens, where the server is, and whether a client may come without TLS."""

    address: str
    port: int
    server_port: int
    certificate: str
    key: str
    force_tls: bool


def read_configuration(path: Path) -> Configuration:
    return Configuration(**json.loads(path.read_text()))


def refusal(startup: bytes, client: str) -> bytes:
    """PostgreSQL's own error for a connection that no line of pg_hba.conf allows."""
    words = startup[8:].split(b"\0")
    request = {words[i]: words[i + 1].decode(errors="replace") for i in range(0, len(words) - 1, 2)}
    user = request.get(b"user", "")
    database = request.get(b"database", user)
    message = f'no pg_hba.conf entry for host "{client}", user "{user}", database "{database}", no encryption'
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", "28000"))
    )
    body = fields + b"M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


class Proxy:
    """Holds the configuration, so that it can be read again while connections stand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reload()

    def reload(self) -> None:
        self.configuration = read_configuration(self._path)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self.tls.load_cert_chain(self.configuration.certificate, self.configuration.key)

    async def serve(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)
        server = await asyncio.start_server(
            self.client, self.configuration.address, self.configuration.port, backlog=512
        )
        async with server:
            await server.serve_forever()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A client that hangs up, or speaks something else, is its own affair.
            with contextlib.suppress(OSError, EOFError, ssl.SSLError, TimeoutError, struct.error):
                await self._client(reader, writer)
        finally:
            writer.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        encrypted = False
        async with asyncio.timeout(_START_SECONDS):
            while True:
                length, code = struct.unpack("!ii", await reader.readexactly(8))
                if code == SSL_REQUEST and not encrypted:
                    writer.write(b"S")
                    await writer.start_tls(self.tls)
                    encrypted = True
                elif code == GSS_REQUEST:
                    writer.write(b"N")
                else:
                    break
            if not 8 <= length <= 10_000:
                return
            startup = struct.pack("!ii", length, code) + await reader.readexactly(length - 8)
        if self.configuration.force_tls and not encrypted and code != CANCEL_REQUEST:
            writer.write(refusal(startup, address))
            await writer.drain()
            return
        upstream, downstream = await asyncio.open_connection(
            self.configuration.address, self.configuration.server_port, local_addr=(address, 0)
        )
        try:
            downstream.write(startup)
            copies = [asyncio.create_task(copy(reader, downstream)), asyncio.create_task(copy(upstream, writer))]
            try:
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in copies:
                    task.cancel()
                await asyncio.gather(*copies, return_exceptions=True)
        finally:
            downstream.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Proxy(Path(sys.argv[1])).serve())
