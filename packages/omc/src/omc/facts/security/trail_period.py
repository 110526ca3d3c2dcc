"""Calls of the period as CloudTrail has them: writes, root's, logins to the console, and the newest reads for refusals.

Which region records what (docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html, global service
events, and …/cloudtrail-event-reference-aws-console-sign-in-events.html): IAM's calls and root's logins are in
us-east-1; a user's login by the global endpoint is in us-east-1, us-east-2, eu-north-1 or ap-southeast-2.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.scope import Scope
from omc.facts.security.lookups import Lookups
from omc.facts.security.trail_event import TrailEvent
from omc.facts.trail import GLOBAL_REGION

LOGIN_REGIONS = (GLOBAL_REGION, "us-east-2", "eu-north-1", "ap-southeast-2")
BUDGET = 20.0
"""Seconds for all questions to one region; the regions are asked side by side."""
WRITES, READS, OTHER = ("ReadOnly", "false"), ("ReadOnly", "true"), 2
WRITE_PAGES, READ_PAGES = 24, 6
SERIOUS = ("StopLogging", "DeleteTrail", "DeleteFlowLogs", "ModifyDBSnapshotAttribute", "ModifySnapshotAttribute",
           "CreateUser", "CreateAccessKey", "PutBucketPolicy")  # fmt: skip
"""Asked for by name where there are more writes than pages."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not looked at."""

    region: str
    what: str
    """``writes``, ``reads``, ``logins`` …"""
    before: datetime | None = None
    """It was looked at from here on; None: not at all."""
    problem: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class TrailPeriod:
    """What happened."""

    events: tuple[TrailEvent, ...]
    """Newest first, each once."""
    begin: datetime
    end: datetime
    gaps: tuple[Gap, ...] = ()
    reading: Reading = NO_READING

    @property
    def reads_from(self) -> datetime:
        """How far back reads were looked at for refusals."""
        return max((gap.before for gap in self.gaps if gap.what == "reads" and gap.before), default=self.begin)


@reads_in(3)
def read_trail_period(aws: Gateway, environment: Environment, scope: Scope) -> TrailPeriod:
    """The environment's region whole; us-east-1 for IAM, root and logins; the others for logins. Raises only where the
    environment's own region can't be read."""
    begin, end = scope.now - scope.since, scope.now + timedelta(minutes=1)
    others = () if environment.is_local else tuple(each for each in LOGIN_REGIONS if each != environment.region)
    home = _of_region(aws, environment.region, begin, end)
    answers = [home, *parallel_map(lambda region: _of_other(aws, region, begin, end), others)]
    events = {(event.id or event): event for found, _ in answers for event in found if event.at >= begin}
    return TrailPeriod(
        tuple(sorted(events.values(), key=lambda event: event.at, reverse=True)),
        begin,
        end,
        tuple(gap for _, gaps in answers for gap in gaps),
    )


Answer = tuple[list[TrailEvent], list[Gap]]


def _of_region(aws: Gateway, region: str, begin: datetime, end: datetime) -> Answer:
    """Everything: the shortest questions first."""
    lookups, until = Lookups(aws), time.monotonic() + BUDGET
    found, gaps = _asked(lookups, region, LOGINS, begin, end, until)
    writes = lookups.ask(WRITES, begin, end, pages=WRITE_PAGES, until=until)
    found += writes.events
    if not writes.is_whole:
        oldest = writes.events[-1].at if writes.events else None
        gaps.append(Gap(region, "writes", oldest))
        for name in SERIOUS:
            found += lookups.ask(("EventName", name), begin, oldest or end, until=until + BUDGET / 2).events
    reads = lookups.ask(READS, begin, end, pages=READ_PAGES, until=until)
    found += reads.events
    if not reads.is_whole:
        gaps.append(Gap(region, "reads", reads.events[-1].at if reads.events else None))
    return found, gaps


LOGINS = (("logins", ("EventName", "ConsoleLogin")), ("root's calls", ("Username", "root")))


def _of_other(aws: Gateway, region: str, begin: datetime, end: datetime) -> Answer:
    """us-east-1 has IAM's calls too. A region that can't be asked is a gap and nothing more."""
    try:
        lookups, until = Lookups(aws.in_region(region)), time.monotonic() + BUDGET
        found, gaps = _asked(lookups, region, LOGINS if region == GLOBAL_REGION else LOGINS[:1], begin, end, until)
        if region == GLOBAL_REGION:
            writes = lookups.ask(WRITES, begin, end, pages=WRITE_PAGES, until=until)
            found += writes.events
            if not writes.is_whole:
                gaps.append(Gap(region, "writes", writes.events[-1].at if writes.events else None))
        return found, gaps
    except OmcError as error:
        what = "IAM's calls, root's and logins" if region == GLOBAL_REGION else "logins"
        return [], [Gap(region, what, problem=error.message, action=getattr(error, "action", ""))]


def _asked(
    lookups: Lookups,
    region: str,
    questions: Sequence[tuple[str, tuple[str, str]]],
    begin: datetime,
    end: datetime,
    until: float,
) -> Answer:
    answers = [(what, lookups.ask(attribute, begin, end, pages=OTHER, until=until)) for what, attribute in questions]
    return (
        [event for _, looked in answers for event in looked.events],
        list(_cut(region, ((what, looked.events, looked.is_whole) for what, looked in answers))),
    )


def _cut(region: str, answers: Iterator[tuple[str, tuple[TrailEvent, ...], bool]]) -> Iterator[Gap]:
    for what, events, is_whole in answers:
        if not is_whole:
            yield Gap(region, what, events[-1].at if events else None)
