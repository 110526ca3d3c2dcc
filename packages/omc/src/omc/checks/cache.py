"""Check of what the cache holds: whether most of it disappeared at once, while its servers kept running.

CloudWatch shows neither FLUSHALL nor DEL. It shows how many items there are, and how many expired or were evicted
because there was no room: whatever else is gone, somebody has deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import CACHE_HIT_RATE, MORNING_CHECKS
from omc.checks.spec import check
from omc.config import Environment
from omc.config.stores import cache_name
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.traffic import CacheMinute, MetricsAge
from omc.times import format_duration, format_time

NAME = "cache-items"
PLACE = "cache"
LATELY = timedelta(minutes=15)
"""How long an emptied cache is worth reporting."""
LOST = 0.5
"""If at least this share of its items is gone within a few minutes, the cache was emptied; it didn't age."""
WITHIN = 3
"""Minutes in which that happens."""
SPAN = timedelta(minutes=5)
"""Minutes further apart than this aren't compared: figures are missing between them."""
MIN_ITEMS = 20.0
"""Items. A few come and go by themselves."""
FELT = timedelta(minutes=3)
"""How long after the minute in which a cache was emptied the effect is still felt."""
NEW = timedelta(minutes=15)
"""A cache younger than this may have no figure yet."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """When most items went, how many there were and how many were left."""

    at: datetime
    before: float
    after: float
    went: float
    """Items that expired or were evicted in those minutes."""
    back: datetime | None = None
    """The minute in which it had filled again; None: not yet."""


@check(
    NAME,
    title="Cache: whether it still holds what it held",
    question="Does the cache still hold what it held?",
    severity=Level.WARN,
    runbook=CACHE_HIT_RATE,
)
def cache_items(
    metrics: MetricsAge, pending: Pending | None, environment: Environment, scope: Scope
) -> Iterator[Finding]:
    if not cache_name(environment):
        return
    newest = metrics.cache[-1] if metrics.cache else None
    if (found := emptied(metrics.cache, scope.now)) is not None:
        is_felt = found.back is None and scope.now - found.at <= FELT
        tail = " It has filled again." if found.back else ""
        yield Finding(
            check=NAME,
            level=Level.WARN,
            subject=cache_name(environment),
            sentence=f"The cache was emptied {format_duration(scope.now - found.at)} ago: "
            f"from {found.before:,.0f} items to "
            f"{found.after:,.0f}.{tail}",
            evidence=(
                Evidence(
                    f"CurrItems {found.before:,.0f}, then {found.after:,.0f} at "
                    f"{format_time(found.at, environment.time_zone)}; {found.went:,.0f} of them "
                    "expired or were evicted",
                    metrics.reading,
                ),
            ),
            procedure=CACHE_HIT_RATE,
            place=PLACE,
            since=found.at,
            ended=None if is_felt else found.back or found.at + FELT,
        )
        return
    oldest = timedelta(seconds=environment.thresholds.metrics_age_seconds)
    if newest and scope.now - newest.at <= oldest:
        level, message = Level.OK, f"It holds {newest.most:,.0f} items."
    elif (
        newest is None and pending and (not (record := pending.cache or pending.serverless) or _is_new(pending, scope))
    ):
        level = Level.OK
        message = "It is new, and has no figure yet." if record else "There is no cache, so there are no figures."
    else:
        since = f"for {format_duration(scope.now - newest.at)}" if newest else "in the last hour"
        level, message = (
            Level.UNKNOWN,
            f"CloudWatch has had no count of its items {since}: whether it holds any is unknown.",
        )
    last = format_time(newest.at, environment.time_zone) if newest else "none in the last hour"
    yield Finding(
        check=NAME,
        level=level,
        subject=cache_name(environment),
        sentence=message,
        evidence=(Evidence(f"newest CurrItems: {last}", metrics.reading),),
        procedure=None if level is Level.OK else MORNING_CHECKS,
        place=PLACE,
        since=newest.at if newest and level is Level.UNKNOWN else None,
    )


def _is_new(pending: Pending, scope: Scope) -> bool:
    made = (pending.cache or {}).get("ReplicationGroupCreateTime") or (pending.serverless or {}).get("CreateTime")
    return isinstance(made, datetime) and scope.now - made <= NEW


def emptied(minutes: Sequence[CacheMinute], now: datetime) -> Emptied | None:
    """The newest time at which most items went at once, neither expired nor evicted; None where none did lately."""
    lost = [_lost(minutes, number) for number in range(len(minutes))]
    for number in range(len(minutes) - 1, 0, -1):
        if now - minutes[number].at > LATELY:
            return None
        found = lost[number]
        if found is None or lost[number - 1] is not None:  # of minutes in a row the first
            continue
        left = found.before * (1 - LOST)
        return replace(found, back=next((each.at for each in minutes[number + 1 :] if each.most > left), None))
    return None


def _lost(minutes: Sequence[CacheMinute], number: int) -> Emptied | None:
    """Whether most of what was there in the minutes before is gone in this one."""
    minute = minutes[number]
    near = [each for each in minutes[max(0, number - WITHIN) : number] if minute.at - each.at <= SPAN]
    before = max((each.most for each in near), default=0.0)
    left = before * (1 - LOST)
    if before < MIN_ITEMS or minute.least > left or minutes[number - 1].most <= left:
        return None
    peak = max(at for at, each in enumerate(near) if each.most == before)
    went = sum(each.removed for each in (*near[peak:], minute))
    return None if went >= (before - minute.least) / 2 else Emptied(minute.at, before, minute.least, went)
