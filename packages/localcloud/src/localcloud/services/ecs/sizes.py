"""A task's size: as AWS reads it, and which sizes Fargate has."""

from __future__ import annotations

import re
from typing import Final

GIB: Final = 1024
FARGATE_SIZES: Final = {
    256: (512, 1 * GIB, 2 * GIB),
    512: tuple(range(1 * GIB, 4 * GIB + 1, GIB)),
    1024: tuple(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: tuple(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: tuple(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: tuple(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: tuple(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}
"""MiB allowed for each number of CPU units (developer guide, "Task CPU and memory" on Fargate)."""

NUMBER: Final = r"\s*(\d{1,9}|\d{0,9}\.\d{1,9})\s*"
VCPU, GB = re.compile(rf"{NUMBER}vcpu\s*", re.IGNORECASE), re.compile(rf"{NUMBER}gb\s*", re.IGNORECASE)


def cpu_units(text: str) -> int | None:
    """CPU units of ``256``, ``.25 vCPU`` or ``1 vcpu``; None for anything else."""
    return _read(text, VCPU)


def memory_mib(text: str) -> int | None:
    """MiB of ``512``, ``0.5GB`` or ``1 GB``; None for anything else."""
    return _read(text, GB)


def _read(text: str, large: re.Pattern[str]) -> int | None:
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    found = large.fullmatch(text)
    return round(float(found[1]) * 1024) if found else None
