"""JSON read without loss: a number that no float is exactly stays as it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any


def loads(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """``json.loads``, where ``0.1`` is a float and ``0.12345678901234567890`` a text. ``ValueError`` for no JSON."""
    return json.loads(text, object_pairs_hook=pairs, parse_float=_number)


def _number(text: str) -> float | str:
    found = float(text)
    return found if Decimal(repr(found)) == Decimal(text) else text
