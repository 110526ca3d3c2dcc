"""The price table: what a unit of each usage type costs, where the figure is from, and as of when."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Price:
    service: str
    """Cost Explorer's name of the service."""
    usage_type: str
    unit: str
    usd: float
    """A unit's price."""
    confirmed: bool
    """The figure for this region was checked against something published."""
    as_of: date
    source: str


@cache
def table() -> Mapping[tuple[str, str], Price]:
    """Every price by service and usage type, from ``prices.toml``."""
    payload = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
    return {
        (each["service"], each["usage_type"]): Price(
            each["service"],
            each["usage_type"],
            each["unit"],
            float(each["usd"]),
            each["status"] == "confirmed",
            each["as_of"],
            each["source"],
        )
        for each in payload["price"]
    }


def find(service: str, usage_type: str) -> Price | None:
    return table().get((service, usage_type))


def services_of(usage_type: str) -> list[str]:
    """Some usage types belong to more than one service."""
    return [service for service, name in table() if name == usage_type]


def as_of() -> tuple[date, date]:
    """The days that the oldest and the newest price are of."""
    days = [price.as_of for price in table().values()]
    return min(days), max(days)


def unconfirmed() -> list[str]:
    return sorted(price.usage_type for price in table().values() if not price.confirmed)
