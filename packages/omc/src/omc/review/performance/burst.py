"""Check of what small instances live on: CPU credits, and the credits of their volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_PERFORMANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.pending import Pending
from omc.facts.performance.figures import DATABASE_PLACE, WeekFigures
from omc.judgement.burst import assumed
from omc.model.week_change import Change
from omc.review.performance.words import CACHE, DATABASE, finding, moved, unseen

NAME = "burst-credits"
MOST_CREDITS: Mapping[str, int] = {
    "nano": 144,
    "micro": 288,
    "small": 576,
    "medium": 576,
    "large": 864,
    "xlarge": 2304,
    "2xlarge": 4608,
}
"""What t3 and t4g can hold: a day's. Source: EC2 user guide, Key concepts for burstable performance instances. That
classes of RDS and ElastiCache are like them is assumed (``omc.judgement.burst``), and each finding says so."""
CHARGED = "more CPU than its baseline is charged for"
LOW, EMPTY = 20.0, 2.0
"""Percent of what it can hold."""
VOLUME = ("BurstBalance", "EBSIOBalance%", "EBSByteBalance%")
"""In percent. BurstBalance is gp2's; the other two are of instance classes that can't use their volume's full speed all
day. Source: RDS user guide, CloudWatch metrics for Amazon RDS."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One thing's credits over the period."""

    place: str
    what: str
    size: str
    """Of the instance or node."""
    lowest: float
    """Percent of the most."""
    change: Change
    then: str
    """What follows when there are none."""
    slows: bool
    """It becomes slow then, rather than dear."""


@check(
    NAME,
    title="Burst credits",
    question="Do small instances and volumes live within their credits?",
    severity=Level.FAIL,
    runbook=WEEKLY_PERFORMANCE,
)
def burst_credits(figures: WeekFigures, pending: Pending, environment: Environment) -> Iterator[Finding]:
    percent = environment.review.performance.change_percent
    balances = list(balances_of(figures, pending, percent))
    for one in balances:
        evidence = f"{one.what}, the least of each hour, mean of the day: {moved(one.change)}"
        if same := assumed(one.size):
            evidence += f"; {same}"
        place = f"{one.place}/{one.what}"
        if one.lowest <= EMPTY:
            level = Level.FAIL if one.slows else Level.WARN
            sentence = f"The {one.what} of the {one.place} was used up: {one.then}."
            yield finding(NAME, level, place, sentence, figures.reading, evidence)
        elif one.lowest <= LOW or one.change.fell:
            why = f"went down to {one.lowest:.0f} % of the most" if one.lowest <= LOW else f"fell {moved(one.change)}"
            sentence = f"The {one.what} of the {one.place} {why}: without credits {one.then}."
            yield finding(NAME, Level.WARN, place, sentence, figures.reading, evidence)
        else:
            sentence = f"The {one.what} of the {one.place} was never below {one.lowest:.0f} % of the most."
            yield finding(NAME, Level.OK, place, sentence, figures.reading, evidence)
    seen = {one.place for one in balances if one.what == "CPUCreditBalance"}
    for place, size in ((DATABASE, (pending.database or {}).get("DBInstanceClass", "")), (CACHE, _node(pending))):
        if is_burstable(size) and place not in seen:
            sentence = f"{size} of the {place} lives on CPU credits, and CloudWatch has no CPUCreditBalance of it."
            yield unseen(
                NAME, f"{place}/CPUCreditBalance", sentence, figures.reading, "an instance that has run for an hour"
            )
    if not balances and not any(
        map(is_burstable, ((pending.database or {}).get("DBInstanceClass", ""), _node(pending)))
    ):
        yield finding(NAME, Level.OK, DATABASE, "Nothing here lives on credits.", figures.reading)


def is_burstable(size: str) -> bool:
    """``db.t4g.micro``, ``cache.t3.small``."""
    return size.split(".")[1:2] != [] and size.split(".")[1].startswith("t")


def balances_of(figures: WeekFigures, pending: Pending, percent: float) -> Iterator[Balance]:
    size = (pending.database or {}).get("DBInstanceClass", "")
    if is_burstable(size):
        # t3 and t4g of RDS are unlimited: they go on, and what they lack is charged. t2 is throttled.
        then = "it is slowed to its baseline" if ".t2." in size else CHARGED
        yield from _cpu(figures, (DATABASE_PLACE,), DATABASE, size, percent, then)
    for metric in VOLUME:
        points = figures.now(DATABASE_PLACE, metric, "Minimum")
        if points:
            change = figures.change(DATABASE_PLACE, metric, "Minimum", percent=percent, least=LOW)
            yield Balance(
                DATABASE,
                metric,
                "" if metric == "BurstBalance" else size,
                min(v for _, v in points),
                change,
                "reads and writes are slowed to the baseline",
                slows=True,
            )
    node = _node(pending)
    if is_burstable(node):
        yield from _cpu(figures, figures.nodes, CACHE, node, percent, "it is slowed to its baseline")


def _node(pending: Pending) -> str:
    return str((pending.cache or {}).get("CacheNodeType", ""))


def _cpu(
    figures: WeekFigures, members: tuple[str, ...], place: str, size: str, percent: float, then: str
) -> Iterator[Balance]:
    """The member that came lowest. What an unknown size can hold is taken for the most that it held."""
    metric, found = "CPUCreditBalance", list[Balance]()
    for member in members:
        points = figures.now(member, metric, "Minimum")
        if not points:
            continue
        held = max(value for _, value in figures.series[member, metric, "Minimum"])
        most = float(MOST_CREDITS.get(size.rpartition(".")[2], 0)) or max(held, 1.0)
        change = figures.change(member, metric, "Minimum", percent=percent, least=most * LOW / 100)
        found.append(
            Balance(place, metric, size, 100 * min(value for _, value in points) / most, change, then, then != CHARGED)
        )
    if found:
        yield min(found, key=lambda one: one.lowest)
