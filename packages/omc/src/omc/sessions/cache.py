"""``omc redis``: a small client of Redis's protocol (RESP2), and which commands only read.

redis-cli isn't used: it verifies a certificate's chain and not its name, and it can't be kept from a command that
writes, or that holds up the server for everybody.
"""

from __future__ import annotations

import shlex
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from omc.errors import OmcError, Refused, Unknown, WrongUse
from omc.output import echo, line, visible

TIMEOUT: Final = 15.0
MOST_BULK: Final = 64 << 20
MOST_AT_ONCE: Final = 10_000
"""Keys or members that one step of a SCAN may look at."""
READS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        (
            *("PING", "ECHO", "TIME", "DBSIZE", "INFO", "LASTSAVE", "ROLE", "SELECT", "QUIT"),
            *("GET", "MGET", "GETRANGE", "STRLEN", "EXISTS", "TYPE", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"),
            *("SCAN", "RANDOMKEY", "DUMP", "GETBIT", "BITCOUNT", "BITPOS"),
            *("HGET", "HMGET", "HLEN", "HEXISTS", "HSTRLEN", "HSCAN", "HKEYS", "HVALS", "HGETALL", "HRANDFIELD"),
            *("LLEN", "LRANGE", "LINDEX", "LPOS"),
            *("SCARD", "SISMEMBER", "SMISMEMBER", "SSCAN", "SRANDMEMBER", "SMEMBERS"),
            *("ZCARD", "ZSCORE", "ZMSCORE", "ZRANGE", "ZRANK", "ZREVRANK", "ZCOUNT", "ZLEXCOUNT", "ZSCAN"),
            *("XLEN", "XRANGE", "XREVRANGE", "PFCOUNT", "GEODIST", "GEOHASH", "GEOPOS"),
        ),
        frozenset[str](),
    ),
    "CLIENT": frozenset({"LIST", "INFO", "ID", "GETNAME"}),
    "CLUSTER": frozenset({"INFO", "SLOTS", "SHARDS", "NODES", "KEYSLOT", "MYID"}),
    "COMMAND": frozenset({"COUNT", "INFO", "DOCS"}),
    "LATENCY": frozenset({"LATEST", "HISTORY", "DOCTOR"}),
    "MEMORY": frozenset({"USAGE", "STATS", "DOCTOR"}),
    "OBJECT": frozenset({"ENCODING", "FREQ", "IDLETIME", "REFCOUNT"}),
    "PUBSUB": frozenset({"CHANNELS", "NUMSUB", "NUMPAT"}),
    "SLOWLOG": frozenset({"GET", "LEN"}),
    "XINFO": frozenset({"STREAM", "GROUPS", "CONSUMERS"}),
}
"""Commands that change nothing, with those of their subcommands that don't; all else wants ``--write``."""
INSTEAD: Final[Mapping[str, str]] = {
    "KEYS": "it reads every key at once and holds up all others meanwhile; SCAN 0 MATCH … COUNT 100 does it in steps",
    "MONITOR": "it copies every command of everybody and halves what the server can do",
    "FLUSHALL": "it deletes everything",
    "FLUSHDB": "it deletes everything",
    "CONFIG": "ElastiCache refuses it; the parameter group has the settings",
    "SHUTDOWN": "ElastiCache refuses it",
}
"""What is said of some of them."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error that Redis answered with."""

    text: str


def refuse_unread(words: Sequence[str]) -> None:
    """``Refused`` where a command doesn't only read."""
    name = words[0].upper()
    more = words[1].upper() if len(words) > 1 else ""
    subcommands = READS.get(name)
    if subcommands is None or (subcommands and more not in subcommands):
        shown = f"{name} {more}" if subcommands else name
        why = f": {INSTEAD[name]}" if name in INSTEAD else ""
        raise Refused(
            f"{visible(shown)} isn't among the commands that only read{why}. To send it all the same: --write"
        )
    if name.endswith("SCAN") and any(
        word.upper() == "COUNT" and _number(most) > MOST_AT_ONCE for word, most in pairwise(words[1:])
    ):
        raise Refused(
            f"{name} with a COUNT above {MOST_AT_ONCE} holds up all others meanwhile; do it in smaller steps. To send "
            "it all the same: --write"
        )


def _number(text: str) -> int:
    """0 where it is none: the server says so."""
    return int(text[:20]) if text.isdecimal() else 0


class CacheConnection:
    """A connection that was made through a tunnel. Raises ``Unknown`` where it breaks."""

    def __init__(self, port: int, host: str, context: ssl.SSLContext | None, password: str = "") -> None:
        try:
            plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
            self._socket = context.wrap_socket(plain, server_hostname=host) if context else plain
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"The cache's certificate isn't good for {host}: {error.verify_message}.") from error
        except OSError as error:
            raise Unknown(f"The cache {host} can't be reached through the task: {error}.") from error
        self._file = self._socket.makefile("rb")
        if password:
            answer = self.ask(["AUTH", password])
            if isinstance(answer, ServerError):
                self.close()
                raise Refused(f"The cache doesn't take the password: {line(answer.text)}")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, words: Sequence[str]) -> Any:
        """One command's answer: texts as bytes, numbers, lists, None, or ``ServerError``."""
        parts = [word.encode("utf-8", "surrogateescape") for word in words]  # bytes that are no text come as they are
        command = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self._socket.sendall(command)
            return self._answer()
        except (OSError, ValueError) as error:
            raise Unknown(f"The session with the cache has ended: {error}.") from error

    def _answer(self) -> Any:
        head = self._file.readline()
        if not head.endswith(b"\r\n"):
            raise OSError("the connection was closed")
        kind, rest = head[:1], head[1:-2]
        match kind:
            case b"+":
                return rest
            case b"-":
                return ServerError(rest.decode(errors="replace"))
            case b":":
                return int(rest)
            case b"$":
                return self._bulk(int(rest))
            case b"*":
                return None if int(rest) < 0 else [self._answer() for _ in range(int(rest))]
            case _:
                raise OSError("the answer isn't Redis's")

    def _bulk(self, length: int) -> bytes | None:
        if length < 0:
            return None
        if length > MOST_BULK:
            raise OSError(f"an answer of {length} bytes")
        found = self._file.read(length + 2)
        if len(found) != length + 2:
            raise OSError("the connection was closed")
        return found[:-2]


def shown(answer: Any, depth: int = 0) -> Iterator[str]:
    """An answer in lines, as redis-cli numbers them."""
    match answer:
        case None:
            yield "(nil)"
        case ServerError(text):
            yield f"(error) {visible(text)}"
        case int():
            yield f"(integer) {answer}"
        case bytes():
            yield from (visible(part) for part in answer.decode(errors="replace").splitlines() or [""])
        case list() if not answer:
            yield "(empty)"
        case _:
            for number, each in enumerate(answer, start=1):
                first, *more = shown(each, depth + 1)
                label = f"{number}) "
                yield label + first
                yield from (" " * len(label) + part for part in more)


def run(connection: CacheConnection, words: Sequence[str], *, writes: bool, name: str) -> int:
    """One command given, or those that are typed or piped in; 1 where the last was refused."""
    if words:
        return _one(connection, list(words), writes=writes, at_terminal=False)
    at_terminal, code = sys.stdin.isatty(), 0
    while True:
        try:
            text = input(f"{name}> " if at_terminal else "")
        except EOFError:
            return code
        try:
            typed = shlex.split(text)
        except ValueError as error:
            echo(line(f"That isn't a command: {error}."), err=True)
            continue
        if typed and typed[0].upper() in ("QUIT", "EXIT"):
            return code
        if typed:
            code = _one(connection, typed, writes=writes, at_terminal=at_terminal)


def _one(connection: CacheConnection, words: list[str], *, writes: bool, at_terminal: bool) -> int:
    if words[0].upper() in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"):
        raise WrongUse(f"{words[0].upper()} answers without an end, which this client doesn't follow.")
    try:
        if not writes:
            refuse_unread(words)
    except OmcError as error:
        if not at_terminal:
            raise
        echo(line(error.message), err=True)
        return 1
    answer = connection.ask(words)
    for each in shown(answer):
        echo(each)
    return int(isinstance(answer, ServerError))
