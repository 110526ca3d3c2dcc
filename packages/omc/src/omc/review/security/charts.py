"""Charts of the security review: refused calls and changes day by day, and what knocked."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from omc.config import Environment
from omc.facts.security.knocks import Knocks
from omc.facts.security.trail_period import TrailPeriod
from omc.output.document import Chart, Series
from omc.review.security.concerns import concerns_of
from omc.review.security.network import PORTS
from omc.review.security.signs import is_denied

MOST_PORTS = 8


def calls_by_day(period: TrailPeriod, environment: Environment) -> Chart | None:
    """Days in UTC, as CloudTrail counts."""
    days = [(period.begin + timedelta(days=number)).date() for number in range((period.end - period.begin).days + 1)]
    if not period.events or len(days) < 2:
        return None
    denied = Counter(event.at.date() for event in period.events if is_denied(event))
    changed = Counter(event.at.date() for event in period.events if concerns_of(event))
    return Chart(
        f"Calls that matter to security, {environment.name}",
        tuple(f"{day:%d %b}" for day in days),
        (
            Series("changes", tuple(float(changed[day]) for day in days)),
            Series("refused", tuple(float(denied[day]) for day in days)),
        ),
        "calls",
    )


def knocks_by_port(knocks: Knocks) -> Chart | None:
    """Of the most frequent ports."""
    ports: Counter[int] = Counter()
    for one in knocks.knocks:
        ports[one.port] += one.records
    most = ports.most_common(MOST_PORTS)
    if not most:
        return None
    labels = tuple(f"{port} {PORTS.get(port, '')}".strip() for port, _ in most)
    return Chart("Refused packets by port", labels, (Series("records", tuple(float(n) for _, n in most)),), "records",
                 is_bars=True)  # fmt: skip
