"""Arguments of the action that schedules a maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from omc.model.arguments.base import Arguments
from omc.model.maintenance import MaintenanceStep


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleMaintenance(Arguments):
    """Write a maintenance down, as it was approved."""

    ACTION: ClassVar[str] = "maintenance.schedule"
    title: str
    begin: datetime
    end: datetime
    steps: tuple[MaintenanceStep, ...]
    silences: tuple[tuple[str, ...], ...] = ()
    watch_seconds: float
    public: str = ""
    affects: tuple[str, ...] = ()
