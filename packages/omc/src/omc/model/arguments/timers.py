"""Arguments of the actions on timers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments, Late


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer(Arguments):
    """Have a procedure performed after a while."""

    ACTION: ClassVar[str] = "timers.set"
    seconds: float
    procedure: str
    request: Mapping[str, Any]
    """Of the procedure, as JSON."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer(Arguments):
    """Cancel a timer, so that its procedure isn't performed."""

    ACTION: ClassVar[str] = "timers.cancel"
    timer: Late[str]
    saying: Late[str] = ""
    """What is said at its end, which is the run's; empty: that the timer won't run."""
