"""How the time that a function takes grows with its text."""

from __future__ import annotations

import time
from collections.abc import Callable


def growth(of: Callable[[str], object], part: str) -> float:
    """Processor time for 200,000 characters made of ``part`` to that for 10,000."""

    def processor_seconds(length: int) -> float:
        text = (part * (length // len(part) + 1))[:length]
        began = time.process_time()
        of(text)
        return time.process_time() - began

    small = max(min(processor_seconds(10_000) for _ in range(3)), 0.0005)
    return processor_seconds(200_000) / small
