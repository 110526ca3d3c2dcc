"""Several connections in one stream of bytes, as agents newer than 3.0.196.0 want of a port session: smux, version 1.

The protocol is that of xtaci/smux: a header of eight bytes (version, command, length, stream; the last two are
little-endian) and data. The client's streams have odd numbers. It has no window for each stream, so what one
connection doesn't take holds up the others; the agent's side is the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 1
MOST_DATA: Final = 32_768
"""Of one message, as smux's defaults have it."""
_HEADER: Final = struct.Struct("<BBHI")


class Command(IntEnum):
    """Of a message."""

    OPEN = 0
    CLOSE = 1
    DATA = 2
    NOTHING = 3
    """Keeps a connection alive. Newer agents aren't sent it: it would count as somebody's work."""


class BadStream(Exception):
    """Bytes that aren't smux, version 1."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message."""

    command: Command
    stream: int
    data: bytes = b""

    def encode(self) -> bytes:
        return _HEADER.pack(VERSION, self.command, len(self.data), self.stream) + self.data


def data_items(stream: int, data: bytes) -> Iterator[Item]:
    """Data of any length, in messages that may be sent."""
    for begin in range(0, len(data), MOST_DATA):
        yield Item(Command.DATA, stream, data[begin : begin + MOST_DATA])


class Reader:
    """Messages of bytes that come in pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self, data: bytes) -> list[Item]:
        """The messages that are whole now. Raises ``BadStream``."""
        self._rest += data
        found: list[Item] = []
        while len(self._rest) >= _HEADER.size:
            version, command, length, stream = _HEADER.unpack_from(self._rest)
            if version != VERSION or command > Command.NOTHING:
                raise BadStream(f"version {version}, command {command}")
            if len(self._rest) < _HEADER.size + length:
                break
            body = bytes(self._rest[_HEADER.size : _HEADER.size + length])
            del self._rest[: _HEADER.size + length]
            found.append(Item(Command(command), stream, body))
        return found
