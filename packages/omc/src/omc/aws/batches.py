"""Lists cut to what one call takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in order, ``size`` at a time; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
