"""Answers that are streams of events: AWS's binary framing (``application/vnd.amazon.eventstream``).

A message is two lengths and their checksum, headers, a payload, and a checksum of all of it:
https://smithy.io/2.0/aws/amazon-eventstream.html. For the JSON protocol, which is the only one here, a message
``initial-response`` comes first.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

STRING = 7


class Events(Protocol):
    """What a handler gives as the member that is a stream: events, each ``{name: payload}``, until it is closed."""

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...

    def close(self) -> None: ...


def member(shape: Any) -> str | None:
    """The member of an output shape that is a stream of events, if it has one."""
    if shape is None or shape.type_name != "structure":
        return None
    return next((name for name, each in shape.members.items() if each.serialization.get("eventstream")), None)


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message. Headers are strings."""
    packed = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def event(name: str, payload: Mapping[str, Any]) -> bytes:
    """An event, or an exception where the name says so."""
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {":message-type": kind, f":{kind}-type": name, ":content-type": "application/json"}
    return message(headers, json.dumps(payload).encode())


class Encoded:
    """A stream as bytes, a piece an event. To be closed by whoever sends it, also where it was never begun."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        yield event("initial-response", {})
        yield from _encoded(self._events)

    def close(self) -> None:
        self._events.close()


def _encoded(events: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for each in events:
        for name, payload in each.items():
            yield event(name, payload)
