"""A review as a value: its parts' findings, each with where it stands since the last one that was recorded. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from omc.checks.finding import Finding, Level, worst
from omc.checks.run import EXIT_CODES, CheckList, Report
from omc.output.document import Chart

ChartOf = Callable[..., Chart | None]
"""Its parameters name the facts that it draws; None where there is nothing to draw."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the review: ``costs``."""

    name: str
    checks: CheckList
    charts: tuple[ChartOf, ...] = ()


class ReviewStatus(StrEnum):
    """How a finding compares with the last review that was recorded."""

    NEW = "new"
    STILL = "still there"
    ACCEPTED = "accepted"
    FIXED = "fixed"
    UNSEEN = "not seen"
    """It was there, and whether it still is could not be read now."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody decided to live with a finding for a while."""

    key: str
    reason: str
    owner: str
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding as a review recorded it."""

    key: str
    check: str
    level: Level
    sentence: str
    since: datetime
    """When a review first saw it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the record knows of the reviews before: the last of each part, and what was accepted."""

    seen: Mapping[str, tuple[Seen, ...]]
    """By the part's name, what its last review found. A part that was never recorded isn't there."""
    reviewed_at: Mapping[str, datetime]
    acceptances: Mapping[str, Acceptance]
    """By the finding's key, the last one of each; it may be over."""


NOTHING = Memory({}, {}, {})


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding, or what was one, with its status."""

    key: str
    status: ReviewStatus
    finding: Finding
    since: datetime
    """When a review first saw it."""
    acceptance: Acceptance | None = None


@dataclass(frozen=True, slots=True)
class ReviewedPart:
    """One part's answer."""

    part: Part
    report: Report
    findings: tuple[Judged, ...]
    """All that isn't ok, and what is fixed, in the checks' order."""
    charts: tuple[Chart, ...]
    before: datetime | None
    """When the part was recorded last."""

    @property
    def verdict(self) -> Level:
        """What was accepted doesn't count, nor what is fixed. Where no check said anything it isn't known."""
        counted = (ReviewStatus.NEW, ReviewStatus.STILL, ReviewStatus.UNSEEN)
        open_ = [each.finding for each in self.findings if each.status in counted]
        return worst(open_) if open_ or not self.report.findings else Level.OK


@dataclass(frozen=True, slots=True)
class Review:
    """All parts that were asked for."""

    parts: tuple[ReviewedPart, ...]
    at: datetime

    @property
    def verdict(self) -> Level:
        return max((part.verdict for part in self.parts), key=tuple(Level).index, default=Level.UNKNOWN)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


def key_of(finding: Finding) -> str:
    """What makes a finding of two reviews the same: its check and what it is about, not its words or figures."""
    return f"{finding.check}:{finding.place or finding.subject}"


def judged(report: Report, part: str, memory: Memory) -> tuple[Judged, ...]:
    """The part's findings by how they stand. What was there and was looked for in vain is fixed; what was there, and
    whose check could not read what it needs, is not seen."""
    before = {each.key: each for each in memory.seen.get(part, ())}
    found: dict[str, Judged] = {}
    for finding in report.findings:
        if finding.level is Level.OK:
            continue
        key = key_of(finding)
        acceptance = memory.acceptances.get(key)
        is_accepted = acceptance is not None and acceptance.until > report.at and finding.level is not Level.UNKNOWN
        known = before.get(key)
        there = ReviewStatus.UNSEEN if finding.unread else ReviewStatus.STILL
        status = ReviewStatus.ACCEPTED if is_accepted else there if known else ReviewStatus.NEW
        since = known.since if known else report.at
        if key not in found:
            found[key] = Judged(key, status, finding, since, acceptance if is_accepted else None)
    unread = {finding.check for finding in report.findings if finding.unread}
    gone = [each for key, each in before.items() if key not in found]
    return (*found.values(), *(_gone(each, each.check in unread) for each in gone))


def seen_of(findings: Sequence[Judged]) -> tuple[Seen, ...]:
    """What is recorded of a part: all that is there, and what could not be seen, which isn't fixed."""
    return tuple(
        Seen(each.key, each.finding.check, each.finding.level, each.finding.sentence, each.since)
        for each in findings
        if each.status is ReviewStatus.UNSEEN or (each.status is not ReviewStatus.FIXED and not each.finding.unread)
    )


def _gone(seen: Seen, is_unread: bool) -> Judged:
    place = seen.key.partition(":")[2]
    level = Level.UNKNOWN if is_unread else Level.OK
    finding = Finding(seen.check, level, place, seen.sentence, place=place, unread=is_unread)
    return Judged(seen.key, ReviewStatus.UNSEEN if is_unread else ReviewStatus.FIXED, finding, seen.since)


def facts_of(parts: Sequence[Part]) -> tuple[Callable[..., Any], ...]:
    """Every function whose parameters name what is to be read, for all to be read side by side."""
    return tuple(each for part in parts for each in (*part.checks.checks, *part.charts))
