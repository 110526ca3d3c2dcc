"""What is coming: our windows, freezes, what AWS will do, and in which window of ours it would be done best. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from omc.config import Environment
from omc.config.windows import Occurrence, merged
from omc.facts.pending import Maintenance, Pending
from omc.model.planned import Planned

LOOK_AHEAD = timedelta(days=400)
"""So far ahead a window is looked for in which AWS's work could be done."""
CERTIFICATE_AHEAD = timedelta(days=180)
"""So long before its end the database's server certificate is work for a window: clients must trust the new authority
first, and an engine that can't take it while it runs is restarted for it."""


class Kind(StrEnum):
    """What a line of the calendar is."""

    WINDOW = "window"
    FREEZE = "freeze"
    AWS = "AWS"
    """Maintenance that AWS does or wants done."""
    ANNOUNCED = "announced"
    """Told by an event: a retirement, an upgrade."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the calendar."""

    kind: Kind
    what: str
    begin: datetime | None
    """UTC; None where nobody names a time."""
    end: datetime | None
    zone: str
    """In which it was written down."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Work of AWS's, and the window of ours for it."""

    what: str
    subject: str
    by: datetime | None
    """When AWS does it by itself; None: it doesn't say."""
    window: Occurrence | None
    reason: str
    """Why this window, or why none."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Of one environment, from ``since`` up to ``until``."""

    environment: str
    since: datetime
    until: datetime
    entries: tuple[Entry, ...]
    """By their begin; those without a time at the end."""
    proposals: tuple[Proposal, ...]
    unread: tuple[str, ...] = ()
    """What couldn't be read, a sentence each: then something may be coming that stands nowhere here."""
    is_aws_read: bool = False
    """Whether AWS said what it plans; else only what it announced to omc by an event is here."""


def calendar(
    environment: Environment,
    since: datetime,
    until: datetime,
    pending: Pending | None = None,
    announced: Sequence[Planned] = (),
    unread: Sequence[str] = (),
) -> Calendar:
    """All that is known of a period. ``pending``: None where AWS wasn't asked or didn't answer."""
    entries = [*_windows(environment, since, until), *_freezes(environment, since, until)]
    entries += [_announced(each) for each in announced if each.start is None or each.start < until]
    work = [*_of_aws(pending, since)] if pending is not None else []
    entries += [
        Entry(Kind.AWS, f"{one.what} on {one.resource}", _date(one), None, "UTC")
        for one in work
        if (at := _date(one)) is None or since <= at < until
    ]
    proposals = [_proposal(one.what, one.resource, _date(one), environment, since) for one in work]
    proposals += [_proposal(one.what, one.subject, one.start, environment, since) for one in announced]
    ordered = sorted(entries, key=lambda one: (one.begin is None, one.begin or until, one.kind, one.what))
    return Calendar(
        environment.name, since, until, tuple(ordered), tuple(proposals), tuple(unread), pending is not None
    )


def usable(environment: Environment, since: datetime, until: datetime) -> Iterable[Occurrence]:
    """The windows of a period that lie in no freeze, not even in part."""
    for one in merged(environment.windows, since, until):
        if not any(freeze.begin < one.end and one.begin < freeze.end for freeze in environment.freezes):
            yield one


def _windows(environment: Environment, since: datetime, until: datetime) -> Iterable[Entry]:
    free = set(usable(environment, since, until))
    for one in merged(environment.windows, since, until):
        remark = "; ".join(filter(None, (one.remark, "" if one in free else "frozen")))
        yield Entry(Kind.WINDOW, one.window.title, one.begin, one.end, one.window.zone_name, remark)


def _freezes(environment: Environment, since: datetime, until: datetime) -> Iterable[Entry]:
    for freeze in environment.freezes:
        if freeze.end > since and freeze.begin < until:
            yield Entry(Kind.FREEZE, freeze.reason, freeze.begin, freeze.end, environment.time_zone)


def _announced(planned: Planned) -> Entry:
    return Entry(Kind.ANNOUNCED, f"{planned.what} on {planned.subject}", planned.start, planned.end, "UTC")


def _of_aws(pending: Pending, now: datetime) -> Iterable[Maintenance]:
    yield from pending.maintenance
    details = (pending.database or {}).get("CertificateDetails") or {}
    end = details.get("ValidTill")
    if isinstance(end, datetime) and end - now <= CERTIFICATE_AHEAD:
        authority = details.get("CAIdentifier", "an authority that RDS doesn't name")
        name = (pending.database or {}).get("DBInstanceIdentifier", "")
        what = f"replacement of the server certificate of {authority}, which ends then"
        yield Maintenance(f"the database {name}", what, "", forced=end)


def _date(work: Maintenance) -> datetime | None:
    """The first at which AWS says that it does it, or else wants it done."""
    dates = [at for at in (work.applied, work.forced) if at is not None]
    return min(dates) if dates else work.wanted


def _proposal(what: str, subject: str, by: datetime | None, environment: Environment, now: datetime) -> Proposal:
    if not environment.windows:
        return Proposal(what, subject, by, None, f"{environment.name} has no maintenance window: at any time.")
    until = now + LOOK_AHEAD if by is None else min(by, now + LOOK_AHEAD)
    whole = [one for one in usable(environment, now, until) if one.begin > now and (by is None or one.end <= by)]
    if whole:
        return Proposal(what, subject, by, whole[0], "the next window that isn't frozen")
    if by is not None and by <= now:
        return Proposal(what, subject, by, None, "Its date is past: it may be done at any moment, or is being done.")
    return Proposal(what, subject, by, None, "No window of ours comes before its date: it is done in AWS's own time.")
