"""Arguments of the action that scales a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omc.model.arguments.base import Arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCapacity(Arguments):
    """A service's limits, as the autoscaler keeps them, and its count."""

    ACTION: ClassVar[str] = "scaling.set"
    service: str
    minimum: int | None
    """None, as ``maximum``: the service has no autoscaler."""
    maximum: int | None
    at_least: int
    """The count is brought between this and ``at_most``."""
    at_most: int
    settle_seconds: float = 0.0
    """For which new tasks must stay healthy."""
