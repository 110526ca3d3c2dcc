"""What of a value may be kept in the record: nothing secret (``omc.redaction``), and only what PostgreSQL can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.redaction import REDACTED, mask, without_secrets

__all__ = ["REDACTED", "plain", "sentence_of", "without_secrets"]


def sentence_of(text: str) -> str:
    """A sentence as it may be kept: without secrets, and without what is no text (a log line may hold anything)."""
    return mask(clean(text))


def clean(text: str) -> str:
    """Without what is no text, and what PostgreSQL can't hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


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
