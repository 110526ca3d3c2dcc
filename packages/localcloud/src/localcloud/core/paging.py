"""Pages of a list, with an opaque token that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from localcloud.core.registry import AwsError

T = TypeVar("T")


def page(items: Sequence[T], token: str | None, size: int, refused: AwsError) -> tuple[list[T], str | None]:
    """One page of at most ``size`` items, and the token of the next; None where nothing follows. Raises ``refused``,
    the service's own error, for a token that no page ended with."""
    start = position(token, refused)
    following = start + size
    return list(items[start:following]), token_of(following) if following < len(items) else None


def token_of(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode()


def position(token: str | None, refused: AwsError) -> int:
    """The place that a token stands for, from 0; without a token the beginning."""
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (ValueError, binascii.Error):
        raise refused from None
    if not text.isascii() or not text.isdecimal():
        raise refused
    return int(text)


def marked(items: Sequence[Any], params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An answer's page under ``key`` as RDS and ElastiCache give it: ``MaxRecords`` of them, with a ``Marker``."""
    marker = params.get("Marker")
    refused = AwsError("InvalidParameterValue", f"Invalid marker: {marker}")
    shown, following = page(items, marker, int(params.get("MaxRecords") or 100), refused)
    return {key: shown} | ({"Marker": following} if following else {})
