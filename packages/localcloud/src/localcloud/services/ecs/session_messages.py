"""The frames of a Session Manager data channel: one binary websocket message each, as bytes and as values.

The layout is that of Session Manager's own client and agent (both are public); numbers are big-endian. What frames
mean and in which order they come is in ``session_channel`` and ``sessions``.
"""

from __future__ import annotations

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

SYN: Final = 1
"""Flag: the first message of a stream."""
FIN: Final = 2
"""Flag: the last one. A message outside of any stream carries both."""

# Header length, type, schema version, created (ms), sequence number, flags, id, SHA-256, payload type, payload length.
_HEADER: Final = struct.Struct(">I32sIQqQ16s32sII")
_HEADER_LENGTH: Final = _HEADER.size - 4
"""The header's length doesn't count the payload's length, which follows it."""


class PayloadType(IntEnum):
    """What a stream message carries."""

    NONE = 0
    OUTPUT = 1
    """Bytes of the terminal, in both directions."""
    SIZE = 3
    """JSON ``{"cols": …, "rows": …}``."""
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    CHALLENGE_REQUEST = 8
    CHALLENGE_RESPONSE = 9
    FLAG = 10


TERMINATE_SESSION: Final = 2
"""A ``FLAG`` payload (four bytes): the client wants the session to end."""
CONNECT_TO_PORT_ERROR: Final = 3
"""The same of the agent's: the port can't be reached."""


class BadFrame(Exception):
    """Bytes that are no frame, or a payload that doesn't have its digest."""


@dataclass(frozen=True, slots=True)
class Message:
    kind: str
    payload: bytes = b""
    payload_type: int = PayloadType.NONE
    sequence: int = 0
    flags: int = SYN | FIN
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def json(self) -> dict[str, Any]:
        """The payload of messages that carry a JSON object; ``BadFrame`` where it is none."""
        try:
            found = json.loads(self.payload)
        except ValueError as problem:
            raise BadFrame(f"the payload of {self.kind} is no JSON: {problem}") from problem
        if not isinstance(found, dict):
            raise BadFrame(f"the payload of {self.kind} is no JSON object")
        return found


def encode(message: Message) -> bytes:
    half = message.id.bytes
    header = _HEADER.pack(
        _HEADER_LENGTH,
        message.kind.encode().ljust(32),
        1,
        time.time_ns() // 1_000_000,
        message.sequence,
        message.flags,
        half[8:] + half[:8],  # the id's less significant half comes first
        hashlib.sha256(message.payload).digest(),
        message.payload_type,
        len(message.payload),
    )
    return header + message.payload


def decode(frame: bytes) -> Message:
    """Raises ``BadFrame``; the sender of a damaged stream message sends it again, since it isn't acknowledged."""
    if len(frame) < _HEADER.size:
        raise BadFrame(f"{len(frame)} bytes are too few for a frame")
    length, kind, _, _, sequence, flags, identity, digest, payload_type, size = _HEADER.unpack_from(frame)
    payload = frame[length + 4 :]
    if len(payload) != size:
        raise BadFrame(f"the payload has {len(payload)} bytes and not {size}")
    if payload and hashlib.sha256(payload).digest() != digest:
        raise BadFrame("the payload doesn't have the digest that its header says")
    return Message(
        kind=kind.decode("ascii", "replace").strip("\0 "),
        payload=payload,
        payload_type=payload_type,
        sequence=sequence,
        flags=flags,
        id=uuid.UUID(bytes=identity[8:] + identity[:8]),
    )


def acknowledgement(of: Message) -> Message:
    content = {
        "AcknowledgedMessageType": of.kind,
        "AcknowledgedMessageId": str(of.id),
        "AcknowledgedMessageSequenceNumber": of.sequence,
        "IsSequentialMessage": True,
    }
    return Message(ACKNOWLEDGE, json.dumps(content).encode())


def channel_closed(session: str, target: str, output: str) -> Message:
    """The session is over; ``output`` says why where it isn't the command's own end."""
    identity = uuid.uuid4()
    content = {
        "MessageId": str(identity),
        "CreatedDate": str(time.time_ns() // 1_000_000),
        "DestinationId": target,
        "SessionId": session,
        "MessageType": CHANNEL_CLOSED,
        "SchemaVersion": 1,
        "Output": output,
    }
    return Message(CHANNEL_CLOSED, json.dumps(content).encode(), id=identity)
