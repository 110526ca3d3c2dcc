"""Check of what users wait for: percentiles of each target group, hour by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from statistics import median

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_PERFORMANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.performance.figures import WeekFigures
from omc.model.week_change import Points, change
from omc.output.figures import figure
from omc.review.performance.words import BALANCER, finding, moved, unseen

NAME = "response-times"
METRIC = "TargetResponseTime"
LEAST_REQUESTS = 100.0
"""In an hour: fewer make no percentile worth a sentence."""
LEAST_MS = 50.0
SLOW_HOURS = 3


def milliseconds(figures: WeekFigures, group: str, statistic: str) -> Points:
    """Of both periods, only hours with enough requests."""
    requests = dict(figures.series.get((group, "RequestCount", "Sum"), ()))
    points = figures.series.get((group, METRIC, statistic), ())
    return [(at, 1000 * value) for at, value in points if requests.get(at, 0.0) >= LEAST_REQUESTS]


def by_hour(points: Points, begin: datetime) -> dict[int, float]:
    """The median of each hour of the day, UTC, over the period."""
    found: dict[int, list[float]] = {}
    for at, value in points:
        if at >= begin:
            found.setdefault(at.hour, []).append(value)
    return {hour: median(values) for hour, values in sorted(found.items())}


def hour_of_day(begins: int) -> str:
    """``13:00 to 14:00 UTC``: CloudWatch stamps a figure with its period's begin."""
    return f"{begins:02d}:00 to {(begins + 1) % 24:02d}:00 UTC"


@check(
    NAME,
    title="Response times",
    question="How long do users wait, at which hour the longest, and is it more than the week before?",
    severity=Level.WARN,
    runbook=WEEKLY_PERFORMANCE,
)
def response_times(figures: WeekFigures, environment: Environment) -> Iterator[Finding]:
    limits = environment.review.performance
    for group in figures.groups:
        place = f"{BALANCER}/{group}"
        points = milliseconds(figures, group, "p95")
        now = [(at, value) for at, value in points if at >= figures.begin]
        if not now:
            seen = any(at >= figures.begin for at, _ in figures.series.get((group, "RequestCount", "Sum"), ()))
            if seen:
                sentence = f"{group} had too little traffic in each hour to say how long users wait."
                yield finding(NAME, Level.OK, place, sentence, figures.reading)
            else:
                sentence = f"CloudWatch has no response times of {group}."
                yield unseen(NAME, place, sentence, figures.reading, "requests to it")
            continue
        moved_by = change(points, figures.begin, figures.since, percent=limits.change_percent, least=LEAST_MS)
        slow = [(at, value) for at, value in now if value >= limits.response_ms]
        hours = by_hour(points, figures.begin)
        worst = max(hours, key=hours.__getitem__)
        at_hours = Counter(at.hour for at, _ in slow)
        p50, p99 = (
            median(v for at, v in milliseconds(figures, group, stat) if at >= figures.begin)
            if any(at >= figures.begin for at, _ in milliseconds(figures, group, stat))
            else None
            for stat in ("p50", "p99")
        )
        evidence = (
            f"p50 {figure(p50, 'ms')}, p95 {figure(median(v for _, v in now), 'ms')}, p99 {figure(p99, 'ms')}: medians "
            f"of the hours; slowest from {hour_of_day(worst)}, p95 {figure(hours[worst], 'ms')}",
            f"p95 by day: {moved(moved_by, 'ms')}",
        )
        if moved_by.rose:
            sentence = f"The slowest twentieth of {group}'s answers rose {moved(moved_by, 'ms')}."
            yield finding(NAME, Level.WARN, place, sentence, figures.reading, *evidence)
        elif len(slow) >= SLOW_HOURS:
            sentence = (
                f"In {len(slow)} hours a twentieth of {group}'s answers took longer than {limits.response_ms} ms, "
                f"most often from {hour_of_day(at_hours.most_common(1)[0][0])}."
            )
            yield finding(NAME, Level.WARN, place, sentence, figures.reading, *evidence)
        else:
            sentence = f"95 % of {group}'s answers take {figure(median(v for _, v in now), 'ms')} or less."
            yield finding(NAME, Level.OK, place, sentence, figures.reading, *evidence)
    if not figures.groups:
        yield finding(NAME, Level.OK, BALANCER, "No load balancer sends to a target group.", figures.reading)
