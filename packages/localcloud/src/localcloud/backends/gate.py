"""Gates before servers: a process that accepts connections, asks whether each may pass, then forwards or stays silent.

What a security group or a network ACL forbids is dropped without a word in AWS: the client hears nothing until its own
timeout. Here the kernel has accepted the connection before anybody can be asked who it comes from, so a client sees
its connection open and then silence. While it waits, the question is put again when TCP would send its next SYN, so a
rule that is opened meanwhile lets the connection through, as it would there. A client that binds its own address before
it connects can be known by its SYN already: those of ``drop`` are dropped by the kernel, so its connect times out.

Who decides is the cloud (``localcloud.services.vpc``), at the other end of a Unix socket, in JSON lines:

    to the gate     {"drop": {name: [address, …]}}  sources whose SYNs the kernel shall drop, for all gates at once
                    {"listen": [[name, address, port, forward_address, forward_port], …], "version": number}
                      all the gates that there shall be
                    {"verdict": id, "allow": bool, "from": address}  ``from``: the source for the forwarded connection
    from the gate   {"listening": [name, …], "failed": {name: reason}, "version": number}  the answer to ``listen``
                    {"ask": id, "gate": name, "peer": [address, port]}
                    {"flows": [[id, bytes_in, bytes_out, segments_in, segments_out, closed], …]}  totals so far

Run as ``python gate.py SOCKET``; it imports nothing of the project, and ends when the socket does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Any

FIRST_RETRY = 1.0
"""Seconds until a SYN that got no answer is sent again; each further pause is twice as long (Linux)."""
GIVE_UP = 127.0
"""After these Linux gives a connection up that never got an answer (tcp_syn_retries = 6)."""
REPORT_SECONDS = 1.0
MOST_DROPPED = 250
"""Sources that one filter holds: a comparison jumps at most 255 places ahead."""
_BUFFER = 1 << 20
_TCP_INFO = struct.Struct("=QQII")
_TCP_INFO_OFFSET = 120  # of tcpi_bytes_acked in Linux's struct tcp_info
_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_ATTACH_FILTER and SO_DETACH_FILTER, which Python has no names for
_SOURCE = (-0x100000 + 12) & 0xFFFFFFFF  # SKF_NET_OFF and the place of the source in an IPv4 header


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate before one server."""

    name: str
    destination: str
    """The address that clients believe they talk to: one in the VPC, or a public one."""
    port: int
    """The port that rules are asked about: 5432, 443 …"""
    listen: tuple[str, int]
    """Where clients really connect."""
    forward: tuple[str, int]
    """Where the server really listens."""


def drop_from(listener: socket.socket, addresses: list[str]) -> None:
    """Let the kernel drop whatever comes to this listening socket from these addresses (classic BPF)."""
    if not addresses:
        with contextlib.suppress(OSError):  # there was none
            listener.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
        return
    program = [struct.pack("=HBBI", 0x20, 0, 0, _SOURCE)]  # load the source
    for number, address in enumerate(addresses):
        to_drop = len(addresses) - number  # past the other comparisons and the "keep"
        program.append(struct.pack("=HBBI", 0x15, to_drop, 0, int.from_bytes(socket.inet_aton(address))))
    program.append(struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF))  # keep all of it
    program.append(struct.pack("=HBBI", 0x06, 0, 0, 0))  # drop it
    code = ctypes.create_string_buffer(b"".join(program))
    held = struct.pack("@HP", len(program), ctypes.addressof(code))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, held)


class Client(asyncio.Protocol):
    """A connection that came in."""

    def __init__(self, gates: Gates, name: str, forward: tuple[str, int]) -> None:
        self.gates, self.name, self.forward = gates, name, forward
        self.id = gates.new_id()
        self.transport: asyncio.Transport
        self.ended = False
        """It will send no more."""
        self.server: Server | None = None
        self.reported: tuple[int, ...] = ()
        self._pause = FIRST_RETRY
        self._waited = 0.0
        self._early = b""
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.pause_reading()
        self.transport.set_write_buffer_limits(high=_BUFFER)
        self.gates.clients[self.id] = self
        self._ask()

    def _ask(self) -> None:
        if not self._closed:
            peer = self.transport.get_extra_info("peername")
            self.gates.tell({"ask": self.id, "gate": self.name, "peer": list(peer[:2])})

    def verdict(self, allow: bool, source: str) -> None:
        if self._closed or self._connecting:
            return
        if allow:
            self.transport.pause_reading()
            self._connecting = asyncio.create_task(self._connect(source))
        elif self._waited >= GIVE_UP:
            self.transport.abort()
        else:
            self.transport.resume_reading()  # or its end would not be noticed
            asyncio.get_running_loop().call_later(self._pause, self._ask)
            self._waited += self._pause
            self._pause *= 2

    async def _connect(self, source: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, server = await loop.create_connection(
                lambda: Server(self), *self.forward, local_addr=(source, 0) if source else None
            )
        except OSError:
            self.transport.abort()  # nobody listens there: the client is reset
            return
        if self._closed:
            server.transport.abort()
            return
        self.server = server
        server.transport.write(self._early)
        self._early = b""
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.server:
            self.server.transport.write(data)
        else:
            self._early += data
            if len(self._early) > _BUFFER:
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        return self.server is not None and half_closed(self.server)

    def pause_writing(self) -> None:
        if self.server:
            self.server.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.server:
            self.server.transport.resume_reading()

    def connection_lost(self, problem: Exception | None) -> None:
        self._closed = True
        self.gates.report([self], closed=True)
        self.gates.clients.pop(self.id, None)
        if self.server:
            self.server.transport.abort() if problem else self.server.transport.close()

    def totals(self) -> tuple[int, ...]:
        """Bytes in and out, segments in and out: the kernel's own counts of this connection."""
        connection = self.transport.get_extra_info("socket")
        try:
            held = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            acknowledged, received, segments_out, segments_in = _TCP_INFO.unpack_from(held, _TCP_INFO_OFFSET)
        except (OSError, struct.error):
            return (0, 0, 0, 0)
        return received, acknowledged, segments_in, segments_out


class Server(asyncio.Protocol):
    """The connection to the server behind the gate."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.transport: asyncio.Transport
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=_BUFFER)

    def data_received(self, data: bytes) -> None:
        self.client.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        return half_closed(self.client)

    def pause_writing(self) -> None:
        self.client.transport.pause_reading()

    def resume_writing(self) -> None:
        self.client.transport.resume_reading()

    def connection_lost(self, problem: Exception | None) -> None:
        self.client.transport.abort() if problem else self.client.transport.close()


def half_closed(other: Client | Server) -> bool:
    """Tell the other end that no more comes; once both have said so, all is over. Whether this end stays open."""
    if other.ended or other.transport.is_closing():
        other.transport.close()
        return False
    with contextlib.suppress(OSError):
        other.transport.write_eof()
    return True


class Gates:
    """Every gate of one cloud."""

    def __init__(self) -> None:
        self.clients: dict[int, Client] = {}
        self._listeners: dict[tuple[Any, ...], asyncio.Server] = {}
        self._drop: dict[str, list[str]] = {}
        self._last_id = 0
        self._writer: asyncio.StreamWriter

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def tell(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    def report(self, clients: list[Client], *, closed: bool = False) -> None:
        """Tell what these connections have moved so far, where that has changed."""
        rows = []
        for client in clients:
            totals = client.totals()
            if closed or totals != client.reported:
                client.reported = totals
                rows.append([client.id, *totals, closed])
        if rows:
            self.tell({"flows": rows})

    async def run(self, path: str) -> None:
        reader, self._writer = await asyncio.open_unix_connection(path, limit=1 << 20)
        reporting = asyncio.create_task(self._reporting())
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "listen" in message:
                    failed = await self._listen([tuple(each) for each in message["listen"]])
                    names = sorted(each[0] for each in self._listeners)
                    self.tell({"listening": names, "failed": failed, "version": message["version"]})
                elif "drop" in message:
                    self._drop = message["drop"]
                    for gate, listener in self._listeners.items():
                        self._filter(gate[0], listener)
                elif client := self.clients.get(message["verdict"]):
                    client.verdict(message["allow"], message["from"])
        finally:
            reporting.cancel()

    def _filter(self, name: str, listener: asyncio.Server) -> None:
        for each in listener.sockets:
            drop_from(socket.socket(fileno=os.dup(each.fileno())), self._drop.get(name, [])[:MOST_DROPPED])

    async def _reporting(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self.report(list(self.clients.values()))

    async def _listen(self, wanted: list[tuple[Any, ...]]) -> dict[str, str]:
        """Listen at these and nowhere else. What failed, and why."""
        for gone in self._listeners.keys() - set(wanted):
            self._listeners.pop(gone).close()  # connections that stand go on
        failed: dict[str, str] = {}
        for gate in wanted:
            if gate in self._listeners:
                continue
            name, address, port, *forward = gate
            try:
                self._listeners[gate] = await asyncio.get_running_loop().create_server(
                    lambda name=name, forward=(forward[0], forward[1]): Client(self, name, forward),  # type: ignore[misc]
                    address,
                    port,
                    backlog=512,
                )
            except OSError as problem:
                failed[name] = str(problem)
            else:
                self._filter(name, self._listeners[gate])
        return failed


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, ConnectionError):
        asyncio.run(Gates().run(sys.argv[1]))
