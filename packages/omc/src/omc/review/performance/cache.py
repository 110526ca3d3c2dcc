"""Checks of the cache: how much it answers by itself, what it had to throw away, and commands that hold up others."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import CACHE_HIT_RATE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.performance.cache_lines import CacheLines
from omc.facts.performance.figures import WeekFigures
from omc.model.week_change import Points, change
from omc.output.figures import figure
from omc.review.performance.presence import about
from omc.review.performance.words import CACHE, finding, moved, unseen

HITS, EVICTED, COMMANDS = "cache-hit-rate", "cache-evictions", "cache-commands"
LEAST_LOOKUPS = 1000.0
"""Look-ups of a period: fewer say nothing."""
LEAST_POINTS = 5.0
"""Percentage points."""
LEAST_EVICTED = 100.0
"""An hour, on average of a day."""
BLOCKING = frozenset({"KEYS", "FLUSHALL", "FLUSHDB", "SORT", "MONITOR"})
"""Commands whose time grows with all that the server holds, and during which it answers nobody. Source: Valkey's
command pages."""
WHOLE = frozenset(
    {"HGETALL", "HVALS", "HKEYS", "SMEMBERS", "LRANGE", "ZRANGE", "SUNION", "SINTER", "SDIFF", "DEL", "GET"}
)
"""Commands that are slow only where one key holds much."""
BIG_MS = 10.0
"""Milliseconds: the default of slowlog-log-slower-than."""


def rates(figures: WeekFigures) -> Points:
    """Percent of the look-ups of each hour that the cache answered, all nodes together."""
    hits, misses = dict(figures.of_nodes("CacheHits", "Sum")), dict(figures.of_nodes("CacheMisses", "Sum"))
    found = []
    for at in sorted(hits.keys() | misses.keys()):
        looked = hits.get(at, 0.0) + misses.get(at, 0.0)
        if looked:
            found.append((at, 100 * hits.get(at, 0.0) / looked))
    return found


@check(
    HITS,
    title="Cache hit rate",
    question="How much does the cache answer by itself, and is it less than the week before?",
    severity=Level.WARN,
    runbook=CACHE_HIT_RATE,
)
@about(CACHE)
def cache_hit_rate(figures: WeekFigures, environment: Environment) -> Iterator[Finding]:
    hits = sum(value for at, value in figures.of_nodes("CacheHits", "Sum") if at >= figures.begin)
    misses = sum(value for at, value in figures.of_nodes("CacheMisses", "Sum") if at >= figures.begin)
    if not figures.of_nodes("CacheHits", "Sum"):
        yield unseen(HITS, CACHE, "CloudWatch has no CacheHits of its nodes.", figures.reading, "a cache that runs")
        return
    if hits + misses < LEAST_LOOKUPS:
        yield finding(HITS, Level.OK, CACHE, f"Only {hits + misses:,.0f} look-ups: that says nothing.", figures.reading)
        return
    limits = environment.review.performance
    rate = 100 * hits / (hits + misses)
    # A rate is compared by the points that it lost: a share of a share says little.
    moved_by = change(rates(figures), figures.begin, figures.since, percent=0, least=LEAST_POINTS)
    evidence = f"{hits:,.0f} hits, {misses:,.0f} misses; by day {moved(moved_by, '%')}"
    if moved_by.fell:
        sentence = f"The cache's hit rate fell {moved(moved_by, '%')}."
        yield finding(HITS, Level.WARN, CACHE, sentence, figures.reading, evidence, procedure=CACHE_HIT_RATE)
    elif rate < limits.hit_rate_percent:
        sentence = f"The cache answers {rate:.0f} % of look-ups by itself; {limits.hit_rate_percent} % are expected."
        yield finding(HITS, Level.WARN, CACHE, sentence, figures.reading, evidence, procedure=CACHE_HIT_RATE)
    else:
        sentence = f"The cache answers {rate:.0f} % of look-ups by itself."
        yield finding(HITS, Level.OK, CACHE, sentence, figures.reading, evidence)


@check(
    EVICTED,
    title="Cache evictions",
    question="Did the cache throw away what it had no room for?",
    severity=Level.WARN,
    runbook=CACHE_HIT_RATE,
)
@about(CACHE)
def cache_evictions(figures: WeekFigures, environment: Environment) -> Iterator[Finding]:
    points = figures.of_nodes("Evictions", "Sum")
    now = [(at, value) for at, value in points if at >= figures.begin]
    if not now:
        yield unseen(EVICTED, CACHE, "CloudWatch has no Evictions of its nodes.", figures.reading, "a cache that runs")
        return
    total, hours = sum(value for _, value in now), sum(1 for _, value in now if value)
    percent = environment.review.performance.change_percent
    moved_by = change(points, figures.begin, figures.since, percent=percent, least=LEAST_EVICTED)
    memory = [v for at, v in figures.of_nodes("DatabaseMemoryUsagePercentage", "Maximum") if at >= figures.begin]
    full = f"its memory was {max(memory):.0f} % full at most" if memory else "how full its memory was isn't known"
    evidence = f"{full}; evictions an hour, by day: {moved(moved_by)}"
    if total and (moved_by.rose or (not moved_by.is_known and total >= LEAST_EVICTED)):
        sentence = f"The cache evicted {total:,.0f} items in {hours} hours for want of room."
        yield finding(EVICTED, Level.WARN, CACHE, sentence, figures.reading, evidence, procedure=CACHE_HIT_RATE)
    else:
        as_before = ", as the week before" if total and moved_by.is_known else ""
        sentence = f"The cache evicted {f'{total:,.0f} items{as_before}' if total else 'nothing'}."
        yield finding(EVICTED, Level.OK, CACHE, sentence, figures.reading, evidence)


@check(
    COMMANDS,
    title="Slow commands of the cache",
    question="Do commands hold up the cache, is a key too big, and does its slow log arrive?",
    severity=Level.WARN,
    runbook=CACHE_HIT_RATE,
)
@about(CACHE)
def cache_commands(lines: CacheLines, figures: WeekFigures) -> Iterator[Finding]:
    if not lines.group:
        yield unseen(
            COMMANDS,
            f"{CACHE}/slow-log",
            "The cache's slow log goes to no log group: whether KEYS is used or a key is too big isn't known, and no "
            "metric of ElastiCache's tells.",
            lines.reading,
            'log_delivery_configuration with log_type = "slow-log" on the replication group',
        )
        return
    if lines.status and lines.status not in {"active", "modifying", "enabling"}:
        message = f"log group {lines.group}; ElastiCache says: {lines.message or 'nothing more'}"
        sentence = f"ElastiCache doesn't deliver the cache's slow log, its delivery is {lines.status}."
        yield finding(COMMANDS, Level.WARN, f"{CACHE}/slow-log", sentence, lines.reading, message)
        return
    before = {one.command: one for one in lines.before or ()}
    found = False
    for one in lines.now:
        if one.command in BLOCKING:
            what = f"{one.command} was slow {one.count:,} times, {figure(one.longest, 'ms')} at most: meanwhile nobody "
            sentence = (
                f"{what}else is answered. SCAN does the same in parts."
                if one.command == "KEYS"
                else (f"{what}else is answered.")
            )
        elif one.command in WHOLE and one.longest >= BIG_MS:
            sentence = (
                f"{one.command} took {figure(one.longest, 'ms')} at most ({one.count:,} times in the slow log): a key "
                "is big."
            )
        else:
            continue
        found = True
        old = before.get(one.command)
        than = "not known" if lines.before is None else f"{old.count if old else 0:,} times"
        yield finding(
            COMMANDS,
            Level.WARN,
            f"{CACHE}/{one.command}",
            sentence,
            lines.reading,
            f"newest {one.last:%d %b %H:%M} UTC; the week before: {than}",
        )
    if not found:
        entries = sum(one.count for one in lines.now)
        calls = sum(value for at, value in figures.of_nodes("KeyBasedCmds", "Sum") if at >= figures.begin)
        by_key = f"{calls:,.0f} commands on keys (KeyBasedCmds)" if calls else "KeyBasedCmds isn't published"
        sentence = f"{entries:,} entries in its slow log, none of a command that holds up others."
        yield finding(COMMANDS, Level.OK, CACHE, sentence, lines.reading, by_key)
