"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from omc.facts.collector import Reading


class Level(StrEnum):
    """Worst last."""

    OK = "ok"
    WARN = "warn"
    """Worth a look, but users and alerts are served."""
    UNKNOWN = "unknown"
    """It could not be read, so it is not known to be fine."""
    FAIL = "fail"


_ORDER = tuple(Level)


@dataclass(frozen=True, slots=True)
class Procedure:
    """What answers a finding: a section of the runbook, and the command that performs it, where there is one."""

    title: str
    document: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reading that a finding rests on."""

    text: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one check."""

    check: str
    """The check's name: ``services-running``."""
    level: Level
    subject: str
    """What it is about: ``backend``, ``alarm ohmycoins-staging-backend-unhealthy``."""
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    procedure: Procedure | None = None
    unread: bool = False
    """It is unknown since what it judges could not be read."""
    action: str = ""
    """The IAM action whose lack made it unknown; else empty."""
    place: str = ""
    """What part of the stack it is about: ``services/backend``, ``load-balancer``, ``database``, ``cache``."""
    since: datetime | None = None
    """When it began, where that is known: the first bad reading, not when it was noticed."""
    ended: datetime | None = None
    """When it was over. What has healed is reported as past, and doesn't affect the exit code."""
    is_under_way: bool = False
    """Nothing is wrong yet: a deployment goes on, tasks start. It ends by itself, or becomes another finding."""
    explains: tuple[Finding, ...] = ()
    """Findings of other checks that this one is the cause of: told as its evidence, found by their own places too."""

    @property
    def is_past(self) -> bool:
        return self.ended is not None


def worst(findings: Iterable[Finding], *, strict: bool = False) -> Level:
    """The verdict of many findings: fail before unknown before warn. No findings at all is unknown.

    What is past counts only where ``strict``."""
    everything = list(findings)
    counted = [finding.level for finding in everything if strict or not finding.is_past]
    return max(counted, key=_ORDER.index, default=Level.OK if everything else Level.UNKNOWN)
