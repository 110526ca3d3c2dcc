"""A real Valkey server for one cache node: its configuration, its process, its INFO.

It listens on a Unix socket in its folder, and on a plain port of its own address for its replicas. TLS for clients is
HAProxy's (``localcloud.backends.haproxy``); what ElastiCache calls it is in ``localcloud.services.elasticache``.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from localcloud.backends import sockets, tools
from localcloud.core.processes import Process, Supervisor, wait

REPLICATION_PORT = 16379
"""Where a primary's replicas find it, in plain text; clients use the TLS listener."""
SOCKET = "valkey.sock"
DUMP = "dump.rdb"
"""The file that it saves its data to and starts with."""


class ValkeyError(Exception):
    """The server could not be started, or refused a command."""


@dataclass(frozen=True, slots=True)
class Server:
    """One cache node: where its files are, and the real address that replicas use."""

    name: str
    folder: Path
    address: str


def start(
    supervisor: Supervisor,
    server: Server,
    settings: Mapping[str, str],
    primary: Server | None,
    timeout: float = 120.0,
) -> Process:
    """Start the server and wait until it answers; a replica starts copying from ``primary`` by itself."""
    server.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = {
        "bind": server.address,
        "port": str(REPLICATION_PORT),
        "protected-mode": "no",
        "unixsocket": SOCKET,
        "unixsocketperm": "700",
        "dir": ".",
        "daemonize": "no",
        "save": "60 1",
        "dbfilename": DUMP,
        "loglevel": "notice",
        "repl-diskless-sync-delay": "0",
    }
    lines = [f'{name} "{value}"' for name, value in {**settings, **own}.items()]
    if primary:
        lines.append(f"replicaof {primary.address} {REPLICATION_PORT}")
    configuration = server.folder / "valkey.conf"
    configuration.write_text("\n".join(lines).replace('save "60 1"', "save 60 1") + "\n")
    (server.folder / SOCKET).unlink(missing_ok=True)
    log = server.folder / "server.log"
    process = supervisor.spawn(
        f"valkey {server.name}",
        [tools.valkey(), "valkey.conf"],
        env=tools.environment(server.folder),
        cwd=server.folder,
        output=log,
        stop_signal=signal.SIGTERM,
    )
    deadline = time.monotonic() + timeout
    while not ready(server):
        if process.poll() is not None:
            message = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
            raise ValkeyError(f"Valkey for {server.name} ended at once: {message}")
        if time.monotonic() > deadline:
            supervisor.end(process, grace=1.0)
            raise ValkeyError(f"Valkey for {server.name} gave no answer in {timeout:.0f} s")
        wait([process], 0.02)
    return process


def ready(server: Server) -> bool:
    try:
        return command(server, "PING") == "PONG"
    except (OSError, ValkeyError):
        return False  # still starting, or loading its data


Reply = str | int | None | list["Reply"]


def command(server: Server, *words: str, timeout: float = 2.0) -> Reply:
    """One command over the Unix socket; raises ``ValkeyError`` with its own words, ``OSError`` if it's gone."""
    return commands(server, [words], timeout)[0]


def commands(server: Server, several: Sequence[Sequence[str]], timeout: float = 2.0) -> list[Reply]:
    """Several commands over one connection."""
    with sockets.connect(server.folder / SOCKET, timeout) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"".join(encode(words) for words in several))
        return [read_reply(answers) for _ in several]


def info(server: Server) -> dict[str, str]:
    """INFO of all sections, by field."""
    text = command(server, "INFO", "everything")
    if not isinstance(text, str):
        raise ValkeyError(f"Valkey for {server.name} answered INFO with {text!r}")
    fields = (line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value for name, _, value in fields}


def encode(words: Sequence[str]) -> bytes:
    """A command in the protocol of Redis (RESP)."""
    parts = [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


def read_reply(answers: BinaryIO) -> Reply:
    """One reply; an error reply is raised as ``ValkeyError`` in the server's words."""
    line = answers.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the connection to Valkey ended in the middle of an answer")
    kind, rest = line[:1], line[1:-2].decode(errors="replace")
    if kind == b"+":
        return rest
    if kind == b"-":
        raise ValkeyError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        if rest == "-1":
            return None
        body = answers.read(int(rest) + 2)
        return body[:-2].decode(errors="replace")
    if kind == b"*":
        return None if rest == "-1" else [read_reply(answers) for _ in range(int(rest))]
    raise ValkeyError(f"an answer that isn't RESP: {line[:80]!r}")
