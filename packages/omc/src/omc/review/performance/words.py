"""How the performance checks say what they found: figures, changes, and what couldn't be seen."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_PERFORMANCE
from omc.facts.collector import Reading
from omc.model.week_change import Change
from omc.output.figures import figure
from omc.review import findings

DATABASE, CACHE = "database", "cache"
BALANCER = "load-balancer"
INSIGHTS = "CloudWatch Database Insights"
"""What Performance Insights' console is called since 31 July 2026; the API kept its name."""
finding = partial(findings.finding, procedure=WEEKLY_PERFORMANCE)


def unseen(check: str, place: str, sentence: str, reading: Reading, switch: str) -> Finding:
    """What could not be read, and what would switch it on."""
    return finding(check, Level.UNKNOWN, place, sentence, reading, f"to see it: {switch}")


def moved(change: Change, unit: str = "") -> str:
    """``from 0.42 to 0.81, up 93 %, on 7 of 7 days``; what counts as unchanged or couldn't be compared says so."""
    if not change.is_known:
        return "nothing of the week before to compare with"
    before, now = figure(change.before, unit), figure(change.now, unit)
    if not change.counts:
        return f"{now}, the week before {before}: that counts as unchanged"
    percent = change.percent
    way = "" if percent is None else f", {'up' if percent > 0 else 'down'} {abs(percent):.0f} %"
    steps = (
        f"on {change.moved} of {change.pairs} days" if change.is_daily else f"in {change.moved} of {change.pairs} hours"
    )
    return f"from {before} to {now}{way}, {steps}"


def short(text: str, most: int = 90) -> str:
    """A statement cut for a sentence."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def key_of_text(text: str) -> str:
    """A stable short name of a statement, for the finding's place."""
    return sha256(text.encode()).hexdigest()[:8]
