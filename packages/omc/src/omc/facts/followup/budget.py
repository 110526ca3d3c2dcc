"""No reading of the second round holds up the check for longer than its budget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from omc.errors import Unreachable

Result = TypeVar("Result")

BUDGET = 3.0
"""Seconds for one reading that rests on no other of the second round."""
HALF = BUDGET / 2
"""Seconds for each of two that follow one another."""


def within(seconds: float, what: str, read: Callable[[], Result]) -> Result:
    """What ``read`` returns; raises ``Unreachable`` when it takes longer, and leaves it to end by itself."""
    kept: dict[str, Any] = {}

    def run() -> None:
        try:
            kept["value"] = read()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            kept["error"] = error

    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"follow-up {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in kept:
        raise kept["error"]
    if "value" not in kept:
        raise Unreachable(f"{what} could not be read within {seconds:g} s.")
    return kept["value"]  # type: ignore[no-any-return]
