"""Sums of money as the review says them: prices from the one dated table; what isn't in it is said to be unknown."""

from __future__ import annotations

import re
from functools import partial

from omc.checks.runbook import WEEKLY_COSTS
from omc.procedures.prices import not_known, price_in, table
from omc.review import findings

DAYS_A_MONTH = 365 / 12
GB = 1e9
"""AWS's price lists say GB for network and logs."""
GIB = 2.0**30
ZERO = 0.005
"""USD that are shown as nothing."""
finding = partial(findings.finding, procedure=WEEKLY_COSTS)


def usd(value: float) -> str:
    """``1,234.50 USD``."""
    return f"{value:,.2f} USD"


def monthly(region: str, *parts: tuple[str, float]) -> float | None:
    """So many of each key for a month, or so many GB; None where one of the prices isn't known for the region."""
    total = 0.0
    for key, count in parts:
        price = price_in(region, key)
        if price is None:
            return None
        total += price * count
    return total


def in_words(value: float | None, region: str) -> str:
    """``about 12.30 USD a month``."""
    return f"an amount that isn't known for {region}" if value is None else f"about {usd(value)} a month"


def percent(share: float) -> str:
    """``25 %``."""
    return f"{share * 100:,.0f} %"


def slug(name: str) -> str:
    """A name of AWS's as a part of a key that people type: ``ec2-other``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def source(region: str, *keys: str) -> str:
    """Where the prices are from, with their date."""
    found = table(region)
    missing = [key for key in keys if key not in found]
    if missing:
        return f"prices {not_known(region, *missing)}"
    prices = [found[key] for key in keys]
    oldest = min(price.as_of for price in prices)
    unconfirmed = sum(not price.confirmed for price in prices)
    return (
        f"list prices of {region} as of {oldest:%B %Y} and later, {unconfirmed} of {len(prices)} unconfirmed: "
        f"{', '.join(keys)}"
    )


def is_worth(value: float | None, least: float) -> bool:
    """What isn't known may be."""
    return value is None or value >= least
