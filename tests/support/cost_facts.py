"""Facts of costs for tests: a month of a stack's spending with what is invented in it, and small facts beside it.

The month is deterministic: each usage type has its daily cost, a small weekly swing and a smaller daily one, so that
the spread isn't nought, and what is charged once a month comes on the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from omc.config import Environment, load
from omc.facts.costs.spending import HISTORY_DAYS, CostSeries, Spending
from omc.facts.costs.tasks import TaskUse, UsedHour
from omc.facts.scope import Scope
from support.release_facts import ROOT

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SCOPE = Scope(NOW, timedelta(days=7))
ENVIRONMENT = load(ROOT / "omc.toml").environments["production"]
ECS, EC2, RDS, CACHE = (
    "Amazon Elastic Container Service",
    "EC2 - Other",
    "Amazon Relational Database Service",
    "Amazon ElastiCache",
)
CLOUDWATCH, ELB, ROUTE53 = "AmazonCloudWatch", "Amazon Elastic Load Balancing", "Amazon Route 53"
VCPU, NAT_BYTES, LOGS = "APS2-Fargate-vCPU-Hours:perCPU", "APS2-NatGateway-Bytes", "APS2-DataProcessing-Bytes"
Usage = Mapping[tuple[str, str], tuple[float, float]]
STACK: Usage = {
    (ECS, VCPU): (4.66, 96.0),
    (ECS, "APS2-Fargate-GB-Hours"): (1.02, 192.0),
    (EC2, "APS2-NatGateway-Hours"): (4.25, 72.0),
    (EC2, NAT_BYTES): (2.4, 40.0),
    (RDS, "APS2-Multi-AZUsage:db.t4g.medium"): (4.9, 24.0),
    (CACHE, "APS2-NodeUsage:cache.t4g.small"): (2.26, 48.0),
    (CLOUDWATCH, LOGS): (3.1, 4.6),
    (ELB, "APS2-LCUUsage"): (0.4, 50.0),
    (ELB, "APS2-LoadBalancerUsage"): (0.6, 24.0),
}
"""Service and usage type to USD and quantity of a day."""


@dataclass(frozen=True, slots=True)
class Invented:
    """What isn't as usual: from a day on, so many days long, a usage type costs this times as much, and so many USD
    more a day."""

    usage_type: str
    first: date
    days: int = 1
    factor: float = 1.0
    more: float = 0.0

    def of(self, day: date, cost: float) -> float:
        is_then = self.first <= day < self.first + timedelta(days=self.days)
        return cost * self.factor + self.more if is_then else cost


def spending(*invented: Invented, now: datetime = NOW, usage: Usage = STACK) -> Spending:
    """The month up to ``now``, as the reader would have it, with what is invented; a usage type that isn't one of the
    stack's is EC2's."""
    end = (now - timedelta(hours=24)).date()
    days = tuple(end - timedelta(days=number) for number in range(7 + HISTORY_DAYS, 0, -1))
    known = {name for _, name in usage}
    rows = {**usage, **{(EC2, each.usage_type): (0.0, 0.0) for each in invented if each.usage_type not in known}}
    found = []
    for number, ((service, name), (usd, quantity)) in enumerate(sorted(rows.items())):
        costs = [usd * _share(day, number) for day in days]
        for each in invented:
            if each.usage_type == name:
                costs = [each.of(day, cost) for day, cost in zip(days, costs, strict=True)]
        used = tuple(quantity * cost / usd if usd else 0.0 for cost in costs)
        found.append(CostSeries(service, name, tuple(costs), used, "Hrs"))
    monthly = tuple(0.5 if day.day == 1 else 0.0 for day in days)
    found.append(CostSeries(ROUTE53, "HostedZone", monthly, monthly))
    return Spending(days, tuple(found), 7, "the account")


def _share(day: date, number: int) -> float:
    return 1 + 0.03 * (day.weekday() < 5) + 0.004 * ((day.toordinal() * 7 + number * 3) % 5 - 2)


USUAL = {"tasks": 2.0, "cpu": 40.0, "cpu_most": 60.0, "memory_most": 70.0}
"""Of each hour."""


def use(service: str = "backend", cpu: int = 512, memory: int = 1024, **more: Any) -> TaskUse:
    """A service whose two tasks are as busy as their size is meant for a week long, but for what ``more`` says."""
    figures = {name: float(more.pop(name, usual)) for name, usual in USUAL.items()}
    hours = tuple(UsedHour(NOW - timedelta(hours=number), **figures) for number in range(168, 0, -1))
    return replace(TaskUse(service, cpu, memory, "X86_64", False, 2, 30, hours=hours), **more)


def in_region(region: str, **costs: Any) -> Environment:
    """The environment elsewhere, or with other limits of the review."""
    limits = ENVIRONMENT.review.costs
    changed = {name: costs.get(name, getattr(limits, name)) for name in limits.__struct_fields__}
    review = type(ENVIRONMENT.review)(costs=type(limits)(**changed))
    return replace(ENVIRONMENT, region=region, review=review)
