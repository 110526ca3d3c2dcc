"""A release: the services together as they were verified, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ReleasedService:
    """One service of a release."""

    task_definition: str
    """``family:revision``."""
    images: Mapping[str, str]
    """Each container's image, pinned."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """All that RegisterTaskDefinition takes to make the revision anew, but for secret values, which are masked."""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """The services together, as they were verified."""

    number: int
    """Counts up in its environment."""
    environment: str
    services: Mapping[str, ReleasedService]
    verified: datetime
    ended: datetime | None
    """When another release took its place; None: it is the one that serves."""
    who: str
    run: str
    schema: int | None = None
    """The database's schema version when it was verified."""
    schema_floor: int | None = None
    """The oldest version of code that works on that schema; None: no migration ever said that it removes anything."""
    is_rollback: bool = False
    """It went back to what had been there: what it replaced was not good."""
    proof: Mapping[str, Any] = field(default_factory=dict)
    """What it was verified by: tasks, targets, error rate and alarms through the watch period."""

    @property
    def watched(self) -> bool:
        """Whether it was compared with what was there before, by enough of the load balancer's figures. A rollback is
        not compared: it relies on how its revisions were watched when they were released."""
        return bool(self.proof.get("watched", not self.is_rollback))

    @property
    def doubt(self) -> str:
        """Why it isn't *verified*, as a word or two: unwatched, not compared, not healthy; empty where it is."""
        return str(self.proof.get("doubt", "" if self.watched else "unwatched"))

    @property
    def status(self) -> str:
        """``verified``, or what is true instead: ``gone back to, unwatched``."""
        how = ["gone back to"] if self.is_rollback else []
        return ", ".join([*how, self.doubt]) if self.doubt else ", ".join([*how, "verified"])

    @property
    def is_verified(self) -> bool:
        """Whether it was watched for long enough, compared, and found healthy."""
        return not self.doubt and not self.is_rollback
