"""What is worth reading once something is wrong: functions whose parameters name the facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from omc.checks.finding import Finding


def follow_up(findings: Iterable[Finding]) -> tuple[Callable[..., Any], ...]:  # noqa: ARG001
    """What names a cause and costs little, for the places where something is wrong. Empty for a healthy stack."""
    return ()
