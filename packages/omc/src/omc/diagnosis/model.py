"""A diagnosis as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from omc.checks.causes.explain import Explained
from omc.checks.finding import Evidence, Finding, Level, worst
from omc.checks.issues import ISSUES
from omc.checks.run import Report


class Confidence(StrEnum):
    """How sure a cause is, as a word; the number behind it is a table's (``confidence.toml``)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Station:
    """One place on the way from a cause to what suffers."""

    place: str
    sentence: str
    """What was seen there, or how the trouble gets there."""
    is_seen: bool
    """Whether something was read there that is wrong; else it follows from who serves whom."""


@dataclass(frozen=True, slots=True)
class Action:
    """The next step."""

    sentence: str
    command: str = ""
    """An omc command, which shows a plan and asks before it changes anything; or one that only reads."""


@dataclass(frozen=True, slots=True)
class RankedCause:
    """A root cause, and how much speaks for it."""

    explained: Explained
    score: float
    """From 0 to 1."""
    path: tuple[Station, ...]
    """From the cause to whoever suffers most visibly."""
    reasons: tuple[str, ...]
    """What raised or lowered the score."""
    against: tuple[str, ...]
    """What speaks against it."""
    action: Action
    settled_by: str = ""
    """What would make it sure, where it isn't."""

    @property
    def finding(self) -> Finding:
        return self.explained.finding

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return self.finding.evidence

    @property
    def confidence(self) -> Confidence:
        return Confidence.HIGH if self.score >= 0.8 else Confidence.MEDIUM if self.score >= 0.55 else Confidence.LOW


@dataclass(frozen=True, slots=True)
class RuledOut:
    """A kind of cause that was looked for where it would be seen, and isn't there."""

    title: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A kind of cause that can't be told from what could be read."""

    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The answer to: why is it broken?"""

    report: Report
    """The checks that it begins with."""
    since: timedelta
    symptom: str
    """The symptom that was asked about; empty: all."""
    causes: tuple[RankedCause, ...]
    """The likeliest first."""
    others: tuple[RankedCause, ...]
    """Causes that explain nothing of what was asked about."""
    unexplained: tuple[Finding, ...]
    """Symptoms of which no cause is known."""
    under_way: tuple[Finding, ...]
    """What ends by itself: a deployment that goes on, tasks that start. Nothing is wrong with it yet."""
    ruled_out: tuple[RuledOut, ...]
    not_seen: tuple[NotSeen, ...]
    past: datetime | None = None
    """The moment in the past that was asked about: judged by what is kept."""

    @property
    def is_well(self) -> bool:
        """Nothing is wrong."""
        return not self.causes and not self.unexplained

    @property
    def is_elsewhere(self) -> bool:
        """What was asked about is answered by other commands: nothing of it was looked at here."""
        issue = ISSUES.get(self.symptom)
        return issue is not None and bool(issue.elsewhere)

    @property
    def verdict(self) -> Level:
        present = [each.finding for each in self.causes if not each.finding.is_past]
        if present or self.unexplained:
            return worst([*present, *self.unexplained])
        if self.is_elsewhere:
            return Level.UNKNOWN
        return Level.UNKNOWN if not self.report.findings else worst(self.report.findings)
