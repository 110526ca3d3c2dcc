"""Sums over the ledger, exact in ten-billionths, so that groups add up to their total to the last digit shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from localcloud.services.costs import prices
from localcloud.services.costs.ledger import Line

DIGITS = 10
SCALE = 10**DIGITS
COST_METRICS = ("AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost")
"""All the same here: there are no reservations, discounts or other accounts to share them with."""
METRICS = (*COST_METRICS, "NormalizedUsageAmount", "UsageQuantity")


@dataclass(slots=True)
class Sum:
    """Costs and quantities added up."""

    cost: int = 0
    quantity: int = 0
    units: set[str] | None = None

    def add(self, line: Line) -> None:
        price = prices.find(line.item.service, line.item.usage_type)
        self.cost += round(line.cost * SCALE)
        self.quantity += round(line.quantity * SCALE)
        self.units = (self.units or set()) | {price.unit if price else "N/A"}

    def shown(self, metrics: Iterable[str]) -> dict[str, dict[str, str]]:
        return {metric: self._shown(metric) for metric in metrics}

    def _shown(self, metric: str) -> dict[str, str]:
        if metric in COST_METRICS:
            return {"Amount": decimal(self.cost), "Unit": "USD"}
        if metric == "NormalizedUsageAmount":
            return {"Amount": "0", "Unit": "N/A"}
        unit = next(iter(self.units)) if self.units and len(self.units) == 1 else "N/A"
        return {"Amount": decimal(self.quantity), "Unit": unit}


def decimal(scaled: int) -> str:
    """As Cost Explorer writes amounts: up to ten decimals, none that are zero."""
    sign, scaled = ("-" if scaled < 0 else ""), abs(scaled)
    whole, rest = divmod(scaled, SCALE)
    return f"{sign}{whole}" + (f".{rest:0{DIGITS}d}".rstrip("0") if rest else "")


def amount(usd: float) -> str:
    return decimal(round(usd * SCALE))


def by_day(lines: Iterable[Line], *, quantity: bool = False) -> dict[date, float]:
    """Costs (or quantities) by UTC day."""
    found: dict[date, int] = {}
    for line in lines:
        value = line.quantity if quantity else line.cost
        found[line.hour.date()] = found.get(line.hour.date(), 0) + round(value * SCALE)
    return {day: scaled / SCALE for day, scaled in found.items()}


def total(lines: Iterable[Line], start: datetime, end: datetime) -> float:
    """The cost of what lies in an interval, USD."""
    scaled: int = sum(round(line.cost * SCALE) for line in lines if start <= line.hour < end)
    return float(scaled / SCALE)
