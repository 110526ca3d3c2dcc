"""What a plan costs a month more or less, by a dated table of list prices: an estimate that says what it doesn't know.

A type of resource is priced here, or free, or paid by use; any other is *not known*, which is said and never counted as
nothing. What runs because of use (traffic, requests, log volume) is not in the figure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from omc.facts.terraform_json import UNKNOWN, Change, Does
from omc.procedures.resource_kinds import BY_USE, FREE

HOURS_A_MONTH = 730.0
"""As AWS's own calculator has it: 365 days of 24 hours, by 12."""
HIGH_RESOLUTION = 60
"""Seconds; an alarm with a shorter period is charged as one of high resolution."""


@dataclass(frozen=True, slots=True)
class Price:
    """One of something, for an hour or a month."""

    usd_a_month: float
    confirmed: bool
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What changes in a month's bill."""

    usd: float
    """More, or less where it is negative; of all that could be priced."""
    parts: tuple[tuple[str, float], ...]
    """By address, those that make a difference."""
    by_use: tuple[str, ...]
    """Types whose price depends on use alone."""
    unknown: tuple[str, ...]
    """Addresses of which no price is known."""
    unconfirmed: int
    """Of the figures used, so many could not be checked against something published."""
    figures: int
    oldest: date | None
    """As of when the oldest figure used held."""


class NotKnownError(Exception):
    """A size that isn't in the table, or that only the apply finds out."""


class Bill:
    """Looks prices up, and remembers which it used."""

    def __init__(self) -> None:
        self.used: dict[str, Price] = {}

    def of(self, key: Any) -> float:
        """USD a month for one."""
        found = table().get(str(key))
        if found is None:
            raise NotKnownError(str(key))
        self.used[str(key)] = found
        return found.usd_a_month


Values = Mapping[str, Any]


def monthly(changes: tuple[Change, ...], standing: Mapping[str, Values]) -> Cost:
    """The cost of all changes together. ``standing`` has the services, whose task count a task's size is charged by."""
    bill = Bill()
    parts: list[tuple[str, float]] = []
    unknown: list[str] = []
    by_use: set[str] = set()
    after = {change.address: change.after for change in changes}
    for change in changes:
        if change.kind in FREE or change.does is Does.FORGET:
            continue
        if change.kind in BY_USE:
            by_use.add(change.kind)
            continue
        price = PRICED.get(change.kind)
        if price is None:
            unknown.append(change.address)
            continue
        try:
            then = price(bill, _with_tasks(change, change.after, {**standing, **after})) if change.after else 0.0
            now = price(bill, _with_tasks(change, change.before, standing)) if change.before else 0.0
        except (NotKnownError, KeyError, TypeError, ValueError):
            unknown.append(change.address)
            continue
        if abs(then - now) >= 0.005:
            parts.append((change.address, then - now))
    used = bill.used.values()
    return Cost(
        usd=sum(part for _, part in parts),
        parts=tuple(parts),
        by_use=tuple(sorted(by_use)),
        unknown=tuple(unknown),
        unconfirmed=sum(not price.confirmed for price in used),
        figures=len(bill.used),
        oldest=min((price.as_of for price in used), default=None),
    )


def sentences(cost: Cost) -> Iterator[str]:
    """The cost in words; nothing is claimed of what isn't known."""
    if cost.figures or not cost.unknown:
        about = (
            f"about {abs(cost.usd):.2f} USD a month {'more' if cost.usd > 0 else 'less'}" if cost.parts else "no change"
        )
        figures = ""
        if cost.figures:
            figures = (
                f" (list prices of {cost.oldest:%B %Y} and later; {cost.unconfirmed} of {cost.figures} unconfirmed)"
            )
        yield f"Cost: {about}{figures}."
    if cost.by_use:
        yield f"Paid by use, not in the figure: {', '.join(cost.by_use)}."
    if cost.unknown:
        yield f"Cost not known of: {', '.join(cost.unknown)}."


@cache
def table() -> Mapping[str, Price]:
    """The prices by key, by the month."""
    said = tomllib.loads((files("omc.procedures") / "prices.toml").read_text(encoding="utf-8"))["price"]
    return {
        one["key"]: Price(
            one["usd"] * (HOURS_A_MONTH if one["unit"] == "hour" else 1.0),
            one["status"] == "confirmed",
            one["as_of"],
            one["source"],
        )
        for one in said
    }


def _with_tasks(change: Change, values: Values, services: Mapping[str, Values]) -> Values:
    """A task definition's values with the number of tasks that run by it: its module's service says."""
    if change.kind != "aws_ecs_task_definition":
        return values
    module = change.address.rpartition(".aws_ecs_task_definition.")[0]
    counts = [
        service["desired_count"]
        for address, service in services.items()
        if address.rpartition(".aws_ecs_service.")[0] == module and service
    ]
    return {**values, "tasks": counts[0] if counts else 0}


def _database(bill: Bill, values: Values) -> float:
    copies = 2 if _known(values, "multi_az") else 1
    storage = bill.of(f"rds.{_known(values, 'storage_type')}") * float(_known(values, "allocated_storage"))
    return copies * (bill.of(_known(values, "instance_class")) + storage)


def _tasks(bill: Bill, values: Values) -> float:
    size = bill.of("fargate.vcpu") * float(_known(values, "cpu")) / 1024
    size += bill.of("fargate.gib") * float(_known(values, "memory")) / 1024
    return size * int(values["tasks"])


def _service(bill: Bill, values: Values) -> float:  # noqa: ARG001
    return 0.0  # its tasks are charged with their task definition


def _alarm(bill: Bill, values: Values) -> float:
    """Charged by the metric that it looks at."""
    queries = [query for query in values.get("metric_query") or () if query.get("metric")]
    periods = [query["metric"][0]["period"] for query in queries] or [_known(values, "period")]
    return sum(bill.of("alarm.high_resolution" if int(one) < HIGH_RESOLUTION else "alarm") for one in periods)


def _firewall(bill: Bill, values: Values) -> float:
    return bill.of("web_acl") + bill.of("web_acl.rule") * len(values.get("rule") or ())


def _endpoint(bill: Bill, values: Values) -> float:
    if _known(values, "vpc_endpoint_type") != "Interface":
        return 0.0
    return bill.of("vpc_endpoint") * len(_known(values, "subnet_ids"))


def _one(key: str) -> Callable[[Bill, Values], float]:
    return lambda bill, _: bill.of(key)


PRICED: Mapping[str, Callable[[Bill, Values], float]] = {
    "aws_db_instance": _database,
    "aws_elasticache_replication_group": lambda bill, values: (
        bill.of(_known(values, "node_type")) * int(_known(values, "num_cache_clusters"))
    ),
    "aws_ecs_task_definition": _tasks,
    "aws_ecs_service": _service,
    "aws_nat_gateway": _one("nat_gateway"),
    "aws_eip": _one("public_ipv4"),
    "aws_lb": _one("load_balancer"),
    "aws_vpc_endpoint": _endpoint,
    "aws_kms_key": _one("kms_key"),
    "aws_secretsmanager_secret": _one("secret"),
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_cloudwatch_composite_alarm": _one("alarm.composite"),
    "aws_cloudwatch_dashboard": _one("dashboard"),
    "aws_wafv2_web_acl": _firewall,
}


def _known(values: Values, name: str) -> Any:
    value = values[name]
    if value is None or value == UNKNOWN:
        raise NotKnownError(name)
    return value
