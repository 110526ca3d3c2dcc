"""Keeping secrets out of the record and off the screen: what looks like one is left out before it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

REDACTED = "[redacted]"

_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|(?<!next_)(?<!next)token|api_?key|private_?key|access_?key|credential|authori[sz]ation|cookie",
    re.IGNORECASE,
)
_NAME_OF_ONE = re.compile(r"(arn|name|id|names|arns|ids|version|path|s3key)$", re.IGNORECASE)
"""``SecretArn``, ``secret_name``: where a secret is, not what it is."""
_VALUES = (
    re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"),
    re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(
        r"(?i)(?<=password=)[^\s&;,\"']+|(?<=passwd=)[^\s&;,\"']+|(?<=secret=)[^\s&;,\"']+|(?<=token=)[^\s&;,\"']+"
    ),
)


def without_secrets(value: Any, key: str = "") -> Any:
    """The value with everything in it that looks like a secret replaced. Names and ARNs of secrets stay."""
    if isinstance(value, Mapping):
        named = value.get("name", value.get("Name"))  # {"name": "DB_PASSWORD", "value": "…"}, as ECS has them
        return {
            name: without_secrets(item, str(named) if name in ("value", "Value") and named else _below(key, str(name)))
            for name, item in value.items()
        }
    if isinstance(value, str):
        if key and _KEY.search(key) and not _NAME_OF_ONE.search(key) and not value.startswith("arn:") and value:
            return REDACTED
        for pattern in _VALUES:
            value = pattern.sub(REDACTED, value)
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [without_secrets(item, key) for item in value]
    return value


def _below(key: str, name: str) -> str:
    """What stands anywhere below ``password`` is one too, unless its own name says that it isn't."""
    return name if _KEY.search(name) or _NAME_OF_ONE.search(name) or not _KEY.search(key) else key


def sentence_of(text: str) -> str:
    """A sentence as it may be kept: without secrets, and without what is no text (a log line may hold anything)."""
    told: str = without_secrets(text.encode("utf-8", "replace").decode().replace("\0", ""))
    return told


def plain(value: Any) -> Any:
    """A value as JSON can hold it: what an action found must never be the reason why it can't be written down."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
