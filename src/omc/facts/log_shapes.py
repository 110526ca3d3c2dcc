"""The shape of a log message: what is left without all that differs from one occurrence to the next."""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST = 300
"""Characters of a shape; what follows rarely tells two causes apart."""

_PARTS = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"\barn:aws[\w-]*:\S+"), "<arn>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r'"(?:[^"\\\n]|\\.)*"|(?<!\w)\'(?:[^\'\\\n]|\\.)*\'(?!\w)'), "<text>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{7,}\b"), "<hex>"),
    (re.compile(r"(?<![A-Za-z<])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?"), "<n>"),
)
_QUIET = frozenset({"TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING"})
_LEVELS = ("level", "levelname", "severity")
_MESSAGES = ("message", "msg", "event")
_ERRORS = ("exception", "error", "exc_info", "err")


def shape_of(message: str) -> str:
    """The message with times, ids, addresses, quoted texts and numbers as placeholders. Its own shape is itself."""
    shape = " ".join(message.split())
    for pattern, placeholder in _PARTS:
        shape = pattern.sub(placeholder, shape)
    return shape[:LONGEST]


def essence_of(line: str) -> str | None:
    """What a log line says: of a JSON line, its message and its error's last line; of another, all of it.

    None where a JSON line's own level says that it is no error, whatever words stand in it.
    """
    record = _json_object(line)
    if record is None:
        return line.strip()
    level = next((str(record[key]).upper() for key in _LEVELS if record.get(key)), "")
    if level in _QUIET:
        return None
    message = next((str(record[key]) for key in _MESSAGES if record.get(key)), "")
    error = next((str(record[key]) for key in _ERRORS if record.get(key)), "")
    last = error.strip().splitlines()[-1].strip() if error.strip() else ""
    return ": ".join(part for part in (message, last) if part) or line.strip()


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
