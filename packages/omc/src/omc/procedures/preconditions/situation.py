"""What a change is judged by before it begins, and what speaks against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omc.config import Environment
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.connections import Connections
from omc.facts.definitions import Definition
from omc.facts.deployments import History
from omc.facts.incidents import OpenIncidents
from omc.facts.quotas import Quotas
from omc.facts.requirements import Requirements
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnets


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that speaks against a change."""

    sentence: str
    """What is so, and what follows from it."""
    advice: str = ""
    """What to do about it first; left out where the change goes ahead all the same."""

    @property
    def whole(self) -> str:
        return f"{self.sentence} {self.advice}".rstrip()


@dataclass(frozen=True, slots=True)
class OngoingWork:
    """What a change does to one service."""

    service: EcsService
    starts: Definition | None = None
    """The revision of the tasks that are started; None: none is, or it is not known which."""
    more: int = 0
    """Tasks that run at some moment beside those that are wanted now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The services that a change is about, and the readings that the command takes. Of one that it doesn't take, None,
    nothing is said."""

    environment: Environment
    scope: Scope
    work: tuple[OngoingWork, ...] = ()
    names: tuple[str, ...] = ()
    """Services that must be there."""
    services: Services | None = None
    history: History | None = None
    requirements: Requirements | None = None
    images: StandingImages | None = None
    subnets: Subnets | None = None
    connections: Connections | None = None
    quotas: Quotas | None = None
    scaling: Scaling | None = None
    alarms: Alarms | None = None
    incidents: OpenIncidents | None = None
    active: ActiveRun | None = None
    interruption: str = ""
    """What users are without while it is done, and for how long, as a sentence; empty: they notice nothing."""


def rolled(service: EcsService, starts: Definition | None) -> OngoingWork:
    """A service whose tasks are all replaced, as many at a time as its deployment configuration lets run."""
    return OngoingWork(service, starts, math.ceil(service.desired * (service.most_percent - 100) / 100))
