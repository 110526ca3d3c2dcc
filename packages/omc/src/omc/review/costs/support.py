"""Check of surcharges for versions whose standard support has ended, or ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from omc.checks.finding import Finding, Level
from omc.checks.runbook import MAINTENANCE
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.support import CACHES_AS_OF, EngineSupport, Support
from omc.facts.scope import Scope
from omc.review.costs.money import finding, in_words, monthly, percent, source

NAME = "extended-support"
CACHE_SURCHARGE = (0.8, 1.6)
"""Of a node's price, in the first two years and in the third (published guides of April 2026 to Amazon ElastiCache
pricing)."""
YEAR = timedelta(days=365)
DATABASE = "an amount by the vCPU hour, standby included, that isn't known for {region}"


@check(
    NAME,
    title="Extended support: surcharges for old versions, and from when",
    question="Does AWS charge more for the version of the database or the cache, or will it soon?",
    severity=Level.WARN,
    runbook=MAINTENANCE,
)
def extended_support(support: EngineSupport, environment: Environment, scope: Scope) -> Iterator[Finding]:
    today = scope.now.date()
    for store in support.stores:
        what = f"{store.name} ({store.engine} {store.version})"
        if not store.engine or not store.version:
            sentence = f"Which version {store.name} has could not be read, so its support isn't known."
            yield finding(NAME, Level.UNKNOWN, store.store, sentence, support.reading, procedure=MAINTENANCE)
            continue
        if store.standard_until is None:
            sentence = f"AWS has announced no end of standard support for {what}."
            yield finding(NAME, Level.OK, store.store, sentence, support.reading, _source(store))
            continue
        end, begins = store.standard_until, store.standard_until + timedelta(days=1)
        last = f" until {store.extended_until:%d %B %Y}" if store.extended_until else ""
        surcharge, priced = _surcharge(store, max(today, begins), environment.region)
        evidence = (_source(store), *priced)
        if today > end:
            sentence = (
                f"The standard support of {what} ended on {end:%d %B %Y}. AWS charges extended support{last}: "
                f"{surcharge}. Upgrade it in a maintenance window."
            )
            yield finding(
                NAME, Level.WARN, store.store, sentence, support.reading, *evidence, procedure=MAINTENANCE, since=begins
            )
        elif end - today <= timedelta(days=environment.review.costs.support_days):
            then = (
                "AWS upgrades it by itself then"
                if store.is_refused
                else f"from {begins:%d %B %Y} it costs {surcharge} more"
            )
            sentence = (
                f"The standard support of {what} ends in {(end - today).days} days, on {end:%d %B %Y}; {then}. "
                "Plan the upgrade."
            )
            yield finding(NAME, Level.WARN, store.store, sentence, support.reading, *evidence, procedure=MAINTENANCE)
        else:
            sentence = f"{what} has standard support until {end:%d %B %Y}."
            yield finding(NAME, Level.OK, store.store, sentence, support.reading, _source(store))


def _surcharge(store: Support, at: date, region: str) -> tuple[str, tuple[str, ...]]:
    """In words, with what it rests on."""
    if store.store == "database":
        return DATABASE.format(region=region), ("omc's table has no price of RDS Extended Support",)
    year = (at - (store.standard_until or at)) / YEAR
    share = CACHE_SURCHARGE[year > 2]
    nodes = monthly(region, (store.size, float(store.nodes)))
    words = in_words(None if nodes is None else share * nodes, region)
    rests = f"{percent(share)} of the price of {store.nodes} {store.size}"
    return words, (rests, source(region, store.size)) if nodes is not None else (rests,)


def _source(store: Support) -> str:
    if store.store == "database":
        return "RDS's own dates (DescribeDBMajorEngineVersions)"
    return f"ElastiCache's user guide as of {CACHES_AS_OF:%d %B %Y}; its API has no dates"
