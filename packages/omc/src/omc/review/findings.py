"""How the weekly review writes a finding, whichever part it is of: its place, its evidence, and what answers it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.facts.collector import Reading


def finding(
    check: str,
    level: Level,
    place: str,
    sentence: str,
    reading: Reading,
    *evidence: str,
    procedure: Procedure,
    since: date | None = None,
) -> Finding:
    """Without ``evidence`` the sentence is the evidence; what is ok needs no procedure. A place is part of the key that
    people type, so it has no blanks. ``since``: a moment, or a day in UTC. What is unknown could not be read: what an
    earlier review found there counts as not seen, and never as fixed."""
    place = place.replace(" ", "-")
    return Finding(
        check,
        level,
        place,
        sentence,
        tuple(Evidence(text, reading) for text in evidence or (sentence,)),
        None if level is Level.OK else procedure,
        unread=level is Level.UNKNOWN,
        place=place,
        since=since if since is None or isinstance(since, datetime) else datetime.combine(since, time(), UTC),
    )
