"""What the costs' part draws."""

from __future__ import annotations

from omc.facts.costs.spending import Spending
from omc.output.document import Chart, Series

LINES, BARS = 5, 8
"""Services and usage types that are drawn one by one, the largest first."""


def daily_costs(spending: Spending) -> Chart | None:
    """Days of the reviewed period and four weeks before, by service; the rest as one."""
    totals: dict[str, list[float]] = {}
    for each in spending.series:
        known = totals.setdefault(each.service, [0.0] * len(spending.days))
        totals[each.service] = [one + more for one, more in zip(known, each.usd, strict=True)]
    if not totals:
        return None
    ordered = sorted(totals.items(), key=lambda one: -sum(one[1]))
    lines = [Series(name, tuple(values)) for name, values in ordered[:LINES]]
    if rest := [values for _, values in ordered[LINES:]]:
        lines.append(Series("all others", tuple(sum(some) for some in zip(*rest, strict=True))))
    labels = tuple(f"{day:%d %b}" for day in spending.days)
    return Chart("Costs a day by service", labels, tuple(lines), "USD")


def largest_usage(spending: Spending) -> Chart | None:
    """The usage types that cost most, with the period before."""
    count = spending.reviewed
    ordered = sorted(spending.series, key=lambda each: -sum(each.usd[-count:]))[:BARS]
    if not ordered:
        return None
    now = tuple(sum(each.usd[-count:]) for each in ordered)
    before = tuple(sum(each.usd[-2 * count : -count]) for each in ordered)
    names = tuple(each.usage_type for each in ordered)
    bars = (Series(f"last {count} days", now), Series(f"{count} days before", before))
    return Chart("Largest usage types", names, bars, "USD", is_bars=True)
