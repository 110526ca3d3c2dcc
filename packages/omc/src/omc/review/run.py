"""The review of one environment: every fact of all its parts is read once, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from omc.aws.gateway import Gateway
from omc.checks.run import run_checks
from omc.facts.collector import Readings, Unavailable, arguments_from
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.output.document import Chart
from omc.review.model import Memory, Part, Review, ReviewedPart, facts_of, judged

WEEK = timedelta(days=7)


def review(gateway: Gateway, parts: Sequence[Part], memory: Memory, since: timedelta = WEEK) -> Review:
    """Read, judge, and compare with the last review that was recorded. Raises ``WrongUse`` for another account's
    credentials; everything else that can't be read is a finding."""
    facts = Facts(gateway, Scope(datetime.now(UTC), since))
    return review_of(facts, parts, memory)


def review_of(facts: Facts, parts: Sequence[Part], memory: Memory) -> Review:
    """The same of facts that are handed in."""
    readings = facts.read(facts_of(parts))
    found = []
    for part in parts:
        report = run_checks(part.checks, facts)
        found.append(
            ReviewedPart(
                part,
                report,
                judged(report, part.name, memory),
                _charts(part, {**readings, **facts.provided}),
                memory.reviewed_at.get(part.name),
            )
        )
    return Review(tuple(found), facts.scope.now)


def _charts(part: Part, known: Readings) -> tuple[Chart, ...]:
    """What can be drawn: a chart whose figures can't be read is left out, the check of the same says why."""
    drawn = []
    for draw in part.charts:
        arguments = arguments_from(draw, known)
        if not any(isinstance(value, Unavailable) for value in arguments.values()):
            drawn.append(draw(**arguments))
    return tuple(each for each in drawn if each is not None)
