"""Check of single days that cost far more than is usual.

The rule: a day of a usage type is anomalous where it exceeds the median of the four weeks before the reviewed days by
more than four times their spread, by more than ``rise_percent`` and by more than ``least_usd`` of ``review.costs``.
The spread is the median absolute deviation, scaled to a standard deviation. A charge that came on the same day of the
month before, and was as large, is one that comes monthly. AWS's own detector is another one and needs a monitor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from statistics import median

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.spending import USUAL_DAYS, CostSeries, Spending
from omc.facts.scope import Scope
from omc.review.costs.money import finding, slug, usd

NAME = "cost-anomalies"
SPREADS = 4.0
NORMAL = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
LEAST_DAYS = 14
"""Days with any cost among the four weeks, below which nobody can say what is usual."""
MONTHLY = 1.2
"""A monthly charge may be so many times that of the month before."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Anomalous days of one usage type that follow each other."""

    series: CostSeries
    first: date
    last: date
    usd: float
    usual: float
    """What those days would have cost."""

    @property
    def more(self) -> float:
        return self.usd - self.usual


def anomalies_of(spending: Spending, share: float, least: float) -> tuple[Anomaly, ...]:
    """``share`` and ``least``: by how much more than usual a day must be at least, as a fraction and in USD."""
    return tuple(found for series in spending.series for found in _of_series(series, spending, share, least))


def _of_series(series: CostSeries, spending: Spending, share: float, least: float) -> Iterator[Anomaly]:
    begin = len(spending.days) - spending.reviewed
    before = series.usd[max(0, begin - USUAL_DAYS) : begin]
    usual = median(before)
    spread = NORMAL * median(abs(each - usual) for each in before)
    limit = max(SPREADS * spread, share * usual, least)
    run: list[int] = []
    for number in range(begin, len(spending.days)):
        if series.usd[number] - usual > limit and not _is_monthly(series, spending.days, number):
            run.append(number)
        elif run:
            yield _anomaly(series, spending.days, run, usual)
            run = []
    if run:
        yield _anomaly(series, spending.days, run, usual)


def _anomaly(series: CostSeries, days: Sequence[date], run: Sequence[int], usual: float) -> Anomaly:
    cost = sum(series.usd[number] for number in run)
    return Anomaly(series, days[run[0]], days[run[-1]], cost, usual * len(run))


def _is_monthly(series: CostSeries, days: Sequence[date], number: int) -> bool:
    """As much, or nearly, came on the same day of the month before."""
    day = days[number]
    before = day.replace(day=1) - timedelta(days=1)
    same = before.replace(day=min(day.day, before.day))
    return same in days[:number] and series.usd[number] <= MONTHLY * series.usd[days.index(same)]


@check(
    NAME,
    title="Costs: days that cost far more than usual",
    question="Did any day cost far more than the median of the four weeks before?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def cost_anomalies(spending: Spending, environment: Environment, scope: Scope) -> Iterator[Finding]:
    limits, begin = environment.review.costs, len(spending.days) - spending.reviewed
    rule = (
        f"Rule: more than the median of the {USUAL_DAYS} days before {spending.days[begin]:%d %B} by {SPREADS:g} times "
        f"their spread (median absolute deviation), by {limits.rise_percent} % and by {usd(limits.least_usd)}"
    )
    known = [number for number in range(max(0, begin - USUAL_DAYS), begin) if spending.total(number, number + 1) > 0]
    if len(known) < LEAST_DAYS:
        sentence = (
            f"Cost Explorer has costs of {len(known)} of the {USUAL_DAYS} days before, too few to say what is usual."
        )
        yield finding(NAME, Level.UNKNOWN, "costs", sentence, spending.reading, rule)
        return
    found = anomalies_of(spending, limits.rise_percent / 100, limits.least_usd)
    expected = [
        each
        for each in found
        if any(one.until > scope.now and _is_meant(one.match, each.series) for one in environment.review.costs.expected)
    ]
    groups: dict[tuple[str, date], list[Anomaly]] = {}
    for each in found:
        if each not in expected:
            groups.setdefault((each.series.service, each.first), []).append(each)
    for (service, first), some in sorted(groups.items(), key=lambda one: -sum(each.more for each in one[1])):
        last = max(each.last for each in some)
        when = f"On {first:%d %B}" if first == last else f"From {first:%d %B} to {last:%d %B}"
        cost, usual = sum(each.usd for each in some), sum(each.usual for each in some)
        sentence = f"{when} {service} cost {usd(cost)} for what usually costs {usd(usual)}."
        lines = [f"{each.series.usage_type}: {usd(each.usd)}, usually {usd(each.usual)}" for each in some]
        place = f"costs/{slug(service)}/{first:%Y-%m-%d}"
        yield finding(NAME, Level.WARN, place, sentence, spending.reading, *lines, rule, since=first)
    if not groups:
        reported = [f"{each.series.usage_type} was expected to cost more" for each in expected]
        yield finding(NAME, Level.OK, "costs", "No day cost far more than is usual.", spending.reading, rule, *reported)


def _is_meant(pattern: str, series: CostSeries) -> bool:
    return fnmatchcase(series.service, pattern) or fnmatchcase(series.usage_type, pattern)
