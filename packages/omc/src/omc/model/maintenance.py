"""A maintenance as it is asked for and approved: its window, its steps, what is silenced. Plain values; what happens to
it afterwards is ``omc.maintenance``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omc.model.events import EventTypes, Stream

KIND = "maintenance"
"""Of the streams: one for each maintenance of an environment, numbered from 1."""
NOTICE = "maintenance notice"
"""The kind of the deadline at which people are told that it is near, by the maintenance's number."""


@dataclass(frozen=True, slots=True)
class MaintenanceStep:
    """One step: a procedure of omc with its request, or something that a person does and signs off."""

    title: str
    procedure: str = ""
    """Its name in the catalogue; empty: a person does it."""
    request: Mapping[str, Any] = field(default_factory=dict)
    """Of the procedure, as JSON."""
    risk: str = "low"
    """Of its plan when this was planned: it may not become a greater one."""
    outline: tuple[str, ...] = ()
    """What its plan did when this was planned, ``ecs.roll_service restart-backend``, in order: when the step begins its
    plan is made from fresh facts and must do the same, maybe with newer revisions; a rollback must lead to the same."""
    undo: str = ""
    """How it is taken back, in words; empty: nothing takes it back."""
    is_undone_by_run: bool = False
    """Whether omc takes it back by the undos of its plan; else a person does."""
    interruption: str = ""
    """What users will notice, in words."""
    images: Mapping[str, str] = field(default_factory=dict)
    """The digest that it puts on each service's container, ``backend/app``, when this was planned: these and no others
    are approved."""


@dataclass(frozen=True, slots=True)
class MaintenanceRequest:
    """``omc maintenance plan``."""

    title: str
    begin: str
    """ISO 8601 with its offset, as are all times of a request: it comes back from JSON as it is."""
    end: str
    steps: Sequence[Any]
    """Each as ``typed_json`` writes a ``MaintenanceStep``."""
    silences: Sequence[Sequence[str]] = ()
    """Each a silence: conditions that all must hold, ``name=rds-*``."""
    watch_seconds: float = 3600.0
    """How long it is watched after the last step."""
    override: str = ""
    """The reason to proceed outside of the environment's window."""
    public: str = ""
    """What customers read of it on the status feed; empty: it isn't told there."""
    affects: Sequence[str] = ()
    """The services that customers find worse meanwhile."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The first event of each maintenance: it was planned and approved, as a run of the engine."""

    title: str
    begin: datetime
    end: datetime
    steps: tuple[MaintenanceStep, ...]
    silences: tuple[tuple[str, ...], ...]
    watch_seconds: float
    run: str
    """By which it was approved."""
    outside: str = ""
    public: str = ""
    affects: tuple[str, ...] = ()


SCHEDULING = EventTypes(KIND, {"scheduled": Scheduled})
"""What the action that schedules one needs of the kind; all events are ``omc.maintenance.model.TYPES``."""


def stream_of(environment: str, number: int) -> Stream:
    """Where a maintenance's events are."""
    return Stream(KIND, environment, str(number))
