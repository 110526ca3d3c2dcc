"""The messages of a Session Manager data channel: each is one binary websocket message; here as bytes and as values.

The layout is that of Session Manager's own plugin (aws/session-manager-plugin, ``src/message``, version 1.2.650);
numbers are big-endian. What messages mean, and in which order they come, is in ``channel`` and ``connection``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
import time
import uuid
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

INPUT: Final = "input_stream_data"
OUTPUT: Final = "output_stream_data"
ACKNOWLEDGE: Final = "acknowledge"
CHANNEL_CLOSED: Final = "channel_closed"
START_PUBLICATION: Final = "start_publication"
PAUSE_PUBLICATION: Final = "pause_publication"
UNCHECKED: Final = frozenset({START_PUBLICATION, PAUSE_PUBLICATION})
"""Kinds whose header the plugin doesn't look at further."""

# Header length, kind, schema version, created (ms), sequence number, flags, id, SHA-256, payload type, payload length.
_HEADER: Final = struct.Struct(">I32sIQqQ16s32sII")
HEADER_LENGTH: Final = _HEADER.size - 4
"""What the first field says: it doesn't count the payload's length, which follows the header."""


class PayloadType(IntEnum):
    """What a message of a stream carries."""

    NONE = 0
    OUTPUT = 1
    """Bytes, in both directions."""
    ERROR = 2
    SIZE = 3
    """JSON ``{"cols": …, "rows": …}``."""
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    CHALLENGE_REQUEST = 8
    CHALLENGE_RESPONSE = 9
    FLAG = 10
    STDERR = 11
    EXIT_CODE = 12
    """Of sessions that aren't interactive; ECS Exec's are."""


class Flag(IntEnum):
    """What a message of the type ``FLAG`` carries, as four bytes."""

    DISCONNECT_TO_PORT = 1
    TERMINATE_SESSION = 2
    CONNECT_TO_PORT_ERROR = 3


ENCRYPTED: Final = frozenset({PayloadType.OUTPUT, PayloadType.STDERR, PayloadType.EXIT_CODE})
"""What is encrypted where a session is."""


class BadFrame(Exception):
    """Bytes that are no message, or a payload that doesn't have its digest."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: str
    payload: bytes = b""
    payload_type: int = PayloadType.NONE
    sequence: int = 0
    flags: int = 0
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    """Milliseconds since 1970."""

    def json(self) -> dict[str, Any]:
        """The payload of a message that carries a JSON object; ``BadFrame`` where it is none."""
        try:
            found = json.loads(self.payload)
        except ValueError as error:
            raise BadFrame(f"the payload of {self.kind} is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise BadFrame(f"the payload of {self.kind} is no JSON object")
        return found


def encode(frame: Frame) -> bytes:
    high, low = frame.id.bytes[:8], frame.id.bytes[8:]
    header = _HEADER.pack(
        HEADER_LENGTH,
        frame.kind.encode().ljust(32),
        1,
        frame.created,
        frame.sequence,
        frame.flags,
        low + high,
        hashlib.sha256(frame.payload).digest(),
        frame.payload_type,
        len(frame.payload),
    )
    return header + frame.payload


def decode(data: bytes) -> Frame:
    """Raises ``BadFrame``. A damaged message isn't acknowledged, so its sender sends it again."""
    if len(data) < _HEADER.size:
        raise BadFrame(f"{len(data)} bytes are too few for a message")
    length, kind, _, created, sequence, flags, identity, digest, payload_type, size = _HEADER.unpack_from(data)
    name = kind.decode("ascii", "replace").strip("\0 ")
    payload = data[length + 4 :]
    if name not in UNCHECKED:
        if length == 0 or created == 0 or not name:
            raise BadFrame("the header lacks its length, its kind or its time")
        if len(payload) != size:
            raise BadFrame(f"the payload has {len(payload)} bytes and not {size}")
        if payload and hashlib.sha256(payload).digest() != digest:
            raise BadFrame("the payload doesn't have the digest that its header says")
    identity = uuid.UUID(bytes=identity[8:] + identity[:8])
    return Frame(name, payload, payload_type, sequence, flags, identity, created)


def acknowledgement(of: Frame) -> Frame:
    content = {
        "AcknowledgedMessageType": of.kind,
        "AcknowledgedMessageId": str(of.id),
        "AcknowledgedMessageSequenceNumber": of.sequence,
        "IsSequentialMessage": True,
    }
    return Frame(ACKNOWLEDGE, json.dumps(content).encode(), flags=3)


def base64_of(data: bytes) -> str:
    """Bytes within JSON, as Go writes them."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The same read. Raises ``BadFrame``."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadFrame("what should be base64 isn't") from error
