"""Work that others announce: AWS's own maintenance, retirements of tasks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """Work that somebody else does on something of ours: a retirement, a maintenance. It pages nobody."""

    id: str
    """32 hexadecimal digits, of the work and its subject: what is told of it later has the same."""
    source: str
    environment: str
    subject: str
    """What it is done to: an ARN, a database's identifier, ``cluster|service``."""
    what: str
    """The source's own words, in one line where it has any: ``AWS_ECS_TASK_PATCHING_RETIREMENT``."""
    start: datetime | None
    """None where the source gives no time: the next maintenance window, or unknown."""
    end: datetime | None
    link: str | None = None
    at: datetime | None = None
    """When the source said so, in UTC. Of two with the same id the later holds, in whichever order they come."""
    is_over: bool = False
    """Whether it is done or called off."""
    description: str = ""
