"""Check of what costs more than the week before without a reason that is known.

Known are two kinds of reason: what omc.toml expects (``review.costs.expected``), and requests that rose as much, for
what follows requests by its nature. Both are taken off a service's rise before it is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.requests import RequestWeeks
from omc.facts.costs.spending import CostSeries, Spending
from omc.facts.scope import Scope
from omc.output.text import counted
from omc.review.costs.money import finding, percent, slug, usd

NAME = "cost-rise"
FOLLOWS_REQUESTS = (
    *("*LCUUsage*", "*NatGateway-Bytes*", "*DataTransfer*", "*Fargate*", "*DataProcessing-Bytes*"),
    *("*PublicIPv4:InUseAddress*", "*Request*"),
)
"""Usage types that grow with the requests of users; autoscaling's tasks do, and the addresses of a load balancer."""
SLACK = 0.05
"""A rise of up to five points more than that of requests is still theirs."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Rise:
    """One usage type, both weeks."""

    series: CostSeries
    now: float
    before: float
    reason: str = ""
    """Why it is known; empty: it isn't."""

    @property
    def more(self) -> float:
        return self.now - self.before


def rises_of(
    spending: Spending, requests: RequestWeeks | None, environment: Environment, scope: Scope
) -> tuple[Rise, ...]:
    """Every usage type with both periods' cost, and the reason of its rise where there is one."""
    count = spending.reviewed
    found = []
    for series in spending.series:
        now, before = sum(series.usd[-count:]), sum(series.usd[-2 * count : -count])
        reason = _reason(series, now, before, requests, environment, scope) if now > before else ""
        found.append(Rise(series, now, before, reason))
    return tuple(found)


@check(
    NAME,
    title="Costs: what rose against the week before",
    question="Does any service or usage type cost a fifth more than the week before, without a known reason?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def cost_rise(
    spending: Spending, requests: RequestWeeks | None, environment: Environment, scope: Scope
) -> Iterator[Finding]:
    count, limits = spending.reviewed, environment.review.costs
    first, last = spending.days[-count], spending.days[-1]
    period = f"{first:%d %B} to {last:%d %B}, {count} days"
    now, before = spending.total(-count, len(spending.days)), spending.total(-2 * count, -count)
    source = (
        f"Cost Explorer, UnblendedCost without tax and credits, {spending.scope}; "
        f"{counted(spending.requests, 'request')} of 0.01 USD"
    )
    if before <= 0:
        sentence = "There is nothing to compare with: Cost Explorer has no cost of the days before."
        yield finding(NAME, Level.UNKNOWN, "costs", sentence, spending.reading, period, source)
        return
    share, least = limits.rise_percent / 100, limits.least_usd * count / 7
    rises = rises_of(spending, requests, environment, scope)
    reported: set[str] = set()
    for service in dict.fromkeys(each.series.service for each in rises):
        some = [each for each in rises if each.series.service == service]
        if _is_rise(some, share, least):
            reported.add(service)
            yield _of_service(service, some, period, source, spending)
    for each in rises:
        if each.series.service not in reported and not each.reason and _is_rise([each], share, least):
            yield _of_type(each, period, source, spending)
            reported.add(each.series.service)
    if not reported:
        known = [each for each in rises if each.reason and each.more >= least]
        sentence = f"No service costs {limits.rise_percent} % more than the {count} days before without a known reason."
        listed = [f"{each.series.usage_type}: {usd(each.more)} more, {each.reason}" for each in known[:SHOWN]]
        figures = f"{usd(now)} in all, {usd(before)} before; {period}"
        yield finding(NAME, Level.OK, "costs", sentence, spending.reading, figures, *listed, source)


def _is_rise(some: Sequence[Rise], share: float, least: float) -> bool:
    """What is more, without what has a known reason."""
    before = sum(each.before for each in some)
    more = sum(each.more for each in some) - sum(each.more for each in some if each.reason)
    return more >= least and more > share * before


def _of_service(service: str, some: Sequence[Rise], period: str, source: str, spending: Spending) -> Finding:
    now, before = sum(each.now for each in some), sum(each.before for each in some)
    than = f"{percent(now / before - 1)} more than the {usd(before)} of" if before else "and nothing in"
    sentence = f"{service} cost {usd(now)}, {than} the {spending.reviewed} days before."
    largest = sorted(some, key=lambda each: -each.more)[:SHOWN]
    lines = [_line(each) for each in largest if each.more > 0]
    return finding(
        NAME, Level.WARN, f"costs/{slug(service)}", sentence, spending.reading, period, *lines, _NEXT, source
    )


def _of_type(each: Rise, period: str, source: str, spending: Spending) -> Finding:
    place = f"costs/{slug(each.series.service)}/{slug(each.series.usage_type)}"
    sentence = (
        f"{each.series.usage_type} of {each.series.service} cost {usd(each.now)}, {usd(each.more)} more than the days "
        "before, while the service as a whole did not rise as much."
    )
    return finding(NAME, Level.WARN, place, sentence, spending.reading, period, _line(each), _NEXT, source)


_NEXT = (
    "Look at what was deployed and applied in those days (omc deployments, omc runs), then name the reason: "
    "review.costs.expected in omc.toml, or omc check accept"
)


def _line(each: Rise) -> str:
    known = f", known: {each.reason}" if each.reason else ""
    return f"{each.series.usage_type}: {usd(each.now)}, {usd(each.before)} before{known}"


def _reason(
    series: CostSeries,
    now: float,
    before: float,
    requests: RequestWeeks | None,
    environment: Environment,
    scope: Scope,
) -> str:
    for expected in environment.review.costs.expected:
        is_meant = any(fnmatchcase(name, expected.match) for name in (series.service, series.usage_type))
        if is_meant and expected.until > scope.now:
            return f"expected until {expected.until:%d %B %Y} ({expected.reason})"
    follows = any(fnmatchcase(series.usage_type, pattern) for pattern in FOLLOWS_REQUESTS)
    rise = requests.rise if requests is not None and follows else None
    if rise is not None and rise > 0 and before > 0 and now / before - 1 <= rise + SLACK:
        return f"the load balancers' requests rose by {percent(rise)}"
    return ""
