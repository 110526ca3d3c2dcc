"""CBOR bodies of the rpc-v2-cbor protocol, which new SDKs may speak to CloudWatch, PI and tagging.

Reading is botocore's own CBOR parser turned round; writing is the small subset that answers need (RFC 8949).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.parsers import RpcV2CBORParser


def loads(body: bytes) -> Any:
    """The value in a CBOR body; an empty body is an empty structure."""
    if not body:
        return {}
    parser = RpcV2CBORParser()
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(body))


def dumps(value: Any, shape: Any) -> bytes:
    """A plain answer in the shape of botocore's model as CBOR; what the model doesn't name is left out."""
    kind = shape.type_name
    if kind == "structure":
        members = [(name, shape.members[name], value[name]) for name in shape.members if value.get(name) is not None]
        return _head(5, len(members)) + b"".join(_text(name) + dumps(item, member) for name, member, item in members)
    if kind == "map":
        items: Mapping[str, Any] = value
        return _head(5, len(items)) + b"".join(_text(str(k)) + dumps(v, shape.value) for k, v in items.items())
    if kind == "list":
        entries: Sequence[Any] = value
        return _head(4, len(entries)) + b"".join(dumps(entry, shape.member) for entry in entries)
    if kind == "timestamp":
        return _head(6, 1) + _float(_seconds(value))
    if kind in ("float", "double"):
        return _float(float(value))
    if kind in ("integer", "long"):
        number = int(value)
        return _head(0, number) if number >= 0 else _head(1, -1 - number)
    if kind == "boolean":
        return b"\xf5" if value else b"\xf4"
    if kind == "blob":
        data = value.encode() if isinstance(value, str) else bytes(value)
        return _head(2, len(data)) + data
    return _text(str(value))


def error(code: str, message: str) -> bytes:
    return _head(5, 2) + _text("__type") + _text(code) + _text("message") + _text(message)


def _seconds(value: datetime | float) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _text(value: str) -> bytes:
    data = value.encode()
    return _head(3, len(data)) + data


def _float(value: float) -> bytes:
    return b"\xfb" + struct.pack(">d", value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for additional, code in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if argument < 1 << (8 * struct.calcsize(code)):
            return bytes([major << 5 | additional]) + struct.pack(code, argument)
    raise ValueError(f"{argument} doesn't fit into CBOR's 64 bits")
