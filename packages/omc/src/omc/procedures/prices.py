"""What a plan costs a month more or less, by a dated table of list prices: an estimate that says what it doesn't know.

A type of resource is priced here, or free, or paid by use; any other is *not known*, which is said and never counted as
nothing. What runs because of use (traffic, requests, log volume) is not in the figure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from omc.facts.terraform_json import UNKNOWN, Change, ChangeAction
from omc.procedures.resource_kinds import BY_USE, FREE

HOURS_A_MONTH = 730.0
"""As AWS's own calculator has it: 365 days of 24 hours, by 12."""
HIGH_RESOLUTION = 60
"""Seconds; an alarm with a shorter period is charged as one of high resolution."""
INCLUDED_STORAGE = 20.0
"""GiB of a Fargate task that are in its price (Amazon ECS, "Fargate task ephemeral storage")."""
FREE_INSIGHTS = 7
"""Days of Performance Insights that cost nothing."""
_STRIPED = 400.0
"""GiB from which RDS lays gp3 over four volumes (Amazon RDS, "gp3 storage"): more is included then."""
_BASELINE = {"iops": 3000, "storage_throughput": 125}
_STRIPED_BASELINE = {"iops": 12000, "storage_throughput": 500}
_PAID_RULES = frozenset(
    f"AWSManagedRules{name}RuleSet" for name in ("BotControl", "ATP", "ACFP", "AntiDDoS")
)  # AWS WAF pricing
_TASKS = ("aws_ecs_task_definition", "aws_ecs_service")
EVERYWHERE = "*"
"""In place of a region, of what costs the same in all of them."""
_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]")


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
    regions: tuple[str, ...] = ()
    """Whose list prices the figures are."""
    reasons: tuple[tuple[str, str], ...] = ()
    """Why no price is known, by address, where more can be said than that the table hasn't it."""
    left_out: tuple[str, ...] = ()
    """Parts of priced resources that are not in it: ``aws_db_instance.x: Performance Insights beyond 7 days``."""


class NotKnownError(Exception):
    """A size that isn't in the table, or that only the apply finds out. Its text, if any, says why."""


class CostEstimator:
    """Looks prices up, and remembers which it used and what it left out."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.used: dict[tuple[str, str], Price] = {}
        self.left_out: list[str] = []

    def of(self, key: Any) -> float:
        """USD a month for one."""
        found = table(self.region).get(str(key))
        if found is None:
            raise NotKnownError(not_known(self.region, str(key)))
        self.used[self.region, str(key)] = found
        return found.usd_a_month

    def without(self, what: str) -> None:
        """Of what is priced, this part isn't in the figure."""
        self.left_out.append(what)


Values = Mapping[str, Any]


def monthly(changes: tuple[Change, ...], current: Mapping[str, Values], region: str) -> Cost:
    """The cost of all changes together. ``standing`` has the services, whose task count a task's size is charged by.

    ``region`` is where the stack is, for what doesn't say by itself where it is.
    """
    used: dict[tuple[str, str], Price] = {}
    parts: list[tuple[str, float]] = []
    unknown: dict[str, str] = {}
    by_use: set[str] = set()
    left_out: list[str] = []
    after = {**current, **{change.address: change.after for change in changes}}
    for change in changes:
        if change.kind in FREE or change.does in {ChangeAction.FORGET, ChangeAction.KEEP}:
            continue
        if change.kind in BY_USE:
            by_use.add(change.kind)
            continue
        price = PRICED.get(change.kind)
        bill = CostEstimator(_region_of(change.after, region))
        old = CostEstimator(_region_of(change.before, region))
        try:
            if price is None:
                raise NotKnownError
            then = price(bill, _with_tasks(change, change.after, after, changes)) if change.after else 0.0
            now = price(old, _with_tasks(change, change.before, current, changes)) if change.before else 0.0
        except NotKnownError as error:
            unknown[change.address] = str(error)
            continue
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            unknown[change.address] = ""
            continue
        used |= bill.used | old.used
        if change.leaves_old_one:
            now = 0.0
        left_out += [f"{change.address}: {what}" for what in bill.left_out if what not in old.left_out]
        if abs(then - now) >= 0.005:
            parts.append((change.address, then - now))
    return Cost(
        usd=sum(part for _, part in parts),
        parts=tuple(parts),
        by_use=tuple(sorted(by_use)),
        unknown=tuple(unknown),
        unconfirmed=sum(not price.confirmed for price in used.values()),
        figures=len(used),
        oldest=min((price.as_of for price in used.values()), default=None),
        regions=tuple(sorted({region for region, _ in used})),
        reasons=tuple((address, why) for address, why in unknown.items() if why),
        left_out=tuple(left_out),
    )


def sentences(cost: Cost) -> Iterator[str]:
    """The cost in words; nothing is claimed of what isn't known."""
    if cost.parts:
        about = f"about {abs(cost.usd):.2f} USD a month {'more' if cost.usd > 0 else 'less'}"
        known = " as far as it is known" if cost.unknown or cost.left_out else ""
        yield (
            f"Cost: {about}{known} (list prices of {' and '.join(cost.regions)}, {cost.oldest:%B %Y} and later; "
            f"{cost.unconfirmed} of {cost.figures} unconfirmed)."
        )
    elif not cost.unknown and not cost.left_out:
        yield "Cost: no change." if not cost.by_use else "Cost: no change but by use."
    if cost.by_use:
        yield f"Paid by use, not in the figure: {', '.join(cost.by_use)}."
    if cost.left_out:
        yield f"Not in the figure either, since its price isn't known: {'; '.join(cost.left_out)}."
    if cost.unknown:
        why = dict(cost.reasons)
        listed = (f"{address} ({why[address]})" if address in why else address for address in cost.unknown)
        yield f"Cost not known of: {', '.join(listed)}."


@cache
def _tables() -> Mapping[str, Mapping[str, Price]]:
    """By region and key, by the month."""
    found: dict[str, dict[str, Price]] = {}
    for one in tomllib.loads((files("omc.procedures") / "prices.toml").read_text(encoding="utf-8"))["price"]:
        usd = one["usd"] * (HOURS_A_MONTH if one["unit"] == "hour" else 1.0)
        price = Price(usd, one["status"] == "confirmed", one["as_of"], one["source"])
        found.setdefault(one["region"], {})[one["key"]] = price
    return found


@cache
def table(region: str) -> Mapping[str, Price]:
    """The prices that are known for a region, by key; those that hold everywhere are among them."""
    return {**_tables()[EVERYWHERE], **_tables().get(region, {})}


def has_prices(region: str) -> bool:
    """Whether the table has any of a region's own."""
    return region in _tables()


def not_known(region: str, *keys: str) -> str:
    """Why something has no price: ``not known for eu-central-1``."""
    if not region:
        return "its region is not known"
    if has_prices(region):
        return f"not known for {region}: {', '.join(keys)}"
    known = ", ".join(sorted(set(_tables()) - {EVERYWHERE}))
    return f"not known for {region}: omc has prices of {known}"


def price_in(region: str, key: str) -> float | None:
    """USD for a month of one, or for one GB or request of what is paid by use; None: not known for this region."""
    found = table(region).get(key)
    return found.usd_a_month if found else None


def _region_of(values: Values, region: str) -> str:
    """Where a resource is, by what it says itself, else where the stack is."""
    arn = str(values.get("arn") or "").split(":")
    zone = str(values.get("availability_zone") or "")
    own = values.get("region") or (arn[3] if len(arn) > 5 else "") or (zone[:-1] if _ZONE.fullmatch(zone) else "")
    return region if own in ("", None, UNKNOWN) else str(own)


def _with_tasks(change: Change, values: Values, current: Mapping[str, Values], changes: tuple[Change, ...]) -> Values:
    """The values with what its module says: of a task definition the service that runs it, of a service its task."""
    if change.kind not in _TASKS:
        return values
    other = next(kind for kind in _TASKS if kind != change.kind)
    module = change.address.rpartition(f".{change.kind}.")[0]
    found = [one for address, one in current.items() if address.rpartition(f".{other}.")[0] == module and one]
    if change.kind == "aws_ecs_task_definition":
        return {**values, "service": found[0] if found else None}
    if any(one.kind == other and one.address.rpartition(f".{other}.")[0] == module for one in changes):
        return {}  # its tasks are charged with their task definition
    return {**(found[0] if found else {}), "service": values}


def _database(bill: CostEstimator, values: Values) -> float:
    engine = values.get("engine") or "postgres"
    if engine != "postgres":
        raise NotKnownError(f"the prices are PostgreSQL's, and it is {engine}")
    if values.get("dedicated_log_volume") is True:
        raise NotKnownError("it has a volume for its log")
    copies = 2 if _known(values, "multi_az") else 1
    kind, size = _known(values, "storage_type"), float(_known(values, "allocated_storage"))
    storage = bill.of(f"rds.{kind}") * size
    for name, included in (_BASELINE if size < _STRIPED else _STRIPED_BASELINE).items():
        # Unset, it turns out in the apply and is what is included.
        if kind == "gp3" and values.get(name) not in (None, UNKNOWN) and float(values[name]) > included:
            raise NotKnownError(f"{name} beyond the {included} that gp3 includes")
    if values.get("max_allocated_storage"):
        bill.without(f"storage that grows by itself up to {values['max_allocated_storage']} GiB")
    if values.get("performance_insights_enabled") and values.get("performance_insights_retention_period") not in (
        *(None, UNKNOWN, 0),
        FREE_INSIGHTS,
    ):
        bill.without(f"Performance Insights beyond {FREE_INSIGHTS} days")
    if values.get("database_insights_mode") == "advanced":
        bill.without("Database Insights in the advanced mode")
    return copies * (bill.of(_known(values, "instance_class")) + storage)


def _tasks(bill: CostEstimator, values: Values) -> float:
    if not values:
        return 0.0
    service = values["service"]
    if service is None:
        raise NotKnownError("no service of its module says how many tasks run by it")
    if (launch := service.get("launch_type")) not in (None, "", "FARGATE", UNKNOWN):
        raise NotKnownError(f"its tasks run on {launch}, not on Fargate")
    for one in _blocks(service, "capacity_provider_strategy"):
        if one.get("capacity_provider") != "FARGATE":
            raise NotKnownError(f"the price of {one.get('capacity_provider')} isn't fixed")
    platform = next(iter(_blocks(values, "runtime_platform")), {})
    system = platform.get("operating_system_family") or "LINUX"
    if system != "LINUX":
        raise NotKnownError(f"the prices are Linux's, and it is {system}")
    prices = {"X86_64": "fargate", "ARM64": "fargate.arm"}
    key = prices.get(platform.get("cpu_architecture") or "X86_64")
    if key is None:
        raise NotKnownError("its processor isn't known")
    size = bill.of(f"{key}.vcpu") * float(_known(values, "cpu")) / 1024
    size += bill.of(f"{key}.gib") * float(_known(values, "memory")) / 1024
    for one in _blocks(values, "ephemeral_storage"):
        more = float(_known(one, "size_in_gib")) - INCLUDED_STORAGE
        size += bill.of("fargate.storage") * more if more > 0 else 0.0
    return size * int(_known(service, "desired_count"))


def _cache(bill: CostEstimator, values: Values) -> float:
    engine = values.get("engine") or "redis"
    if engine not in ("redis", UNKNOWN):
        raise NotKnownError(f"the prices are Redis's, and it is {engine}")
    if values.get("data_tiering_enabled") is True:
        raise NotKnownError("it keeps data on disks too")
    groups, replicas = values.get("num_node_groups"), values.get("replicas_per_node_group")
    nodes = values.get("num_cache_clusters")
    if nodes in (None, UNKNOWN):
        if {groups, replicas} & {None, UNKNOWN}:
            raise NotKnownError("how many nodes it has turns out in the apply")
        nodes = int(groups or 0) * (1 + int(replicas or 0))
    return bill.of(_known(values, "node_type")) * int(nodes)


def _load_balancer(bill: CostEstimator, values: Values) -> float:
    """By the hour, and where it faces the internet for the public IPv4 address that it has in each subnet."""
    kind = values.get("load_balancer_type") or "application"
    if kind != "application":
        raise NotKnownError(f"the price is an application load balancer's, and it is a {kind} one")
    if _blocks(values, "minimum_load_balancer_capacity"):
        raise NotKnownError("it reserves capacity")
    hour = bill.of("load_balancer")
    if values.get("internal") is True or values.get("ip_address_type") == "dualstack-without-public-ipv4":
        return hour
    subnets = values.get("subnets")
    if subnets in (None, UNKNOWN) or not subnets:
        subnets = values.get("subnet_mapping")
    if subnets in (None, UNKNOWN) or not subnets:
        bill.without(f"its public IPv4 addresses, one a subnet, of {bill.of('public_ipv4'):.2f} USD each")
        return hour
    return hour + bill.of("public_ipv4") * len(subnets)


def _address(bill: CostEstimator, values: Values) -> float:
    if values.get("public_ipv4_pool") not in (None, "", "amazon", UNKNOWN):
        raise NotKnownError("it is of an address pool of one's own")
    return bill.of("public_ipv4")


def _alarm(bill: CostEstimator, values: Values) -> float:
    """Charged by the metric that it looks at; a band around what is usual makes it three."""
    queries = _blocks(values, "metric_query")
    if any(str(query.get("expression") or "").lstrip().upper().startswith("SELECT") for query in queries):
        raise NotKnownError("it is charged by the metrics that its query finds")
    periods = [query["metric"][0]["period"] for query in queries if query.get("metric")] or [_known(values, "period")]
    bands = 3 if values.get("threshold_metric_id") else 1
    return bands * sum(bill.of("alarm.high_resolution" if int(one) < HIGH_RESOLUTION else "alarm") for one in periods)


def _firewall(bill: CostEstimator, values: Values) -> float:
    rules = _blocks(values, "rule")
    groups = [
        group
        for rule in rules
        for statement in rule.get("statement") or ()
        for group in statement.get("managed_rule_group_statement") or ()
    ]
    for group in groups:
        if group.get("vendor_name", "AWS") != "AWS" or group.get("name") in _PAID_RULES:
            raise NotKnownError(f"the rules {group.get('name')} have a price of their own")
    return bill.of("web_acl") + bill.of("web_acl.rule") * len(rules)


def _endpoint(bill: CostEstimator, values: Values) -> float:
    kind = _known(values, "vpc_endpoint_type")
    if kind == "Gateway":
        return 0.0
    if kind != "Interface":
        raise NotKnownError(f"the price is an interface endpoint's, and it is a {kind} one")
    return bill.of("vpc_endpoint") * len(_known(values, "subnet_ids"))


def _one(key: str) -> Callable[[CostEstimator, Values], float]:
    return lambda bill, _: bill.of(key)


PRICED: Mapping[str, Callable[[CostEstimator, Values], float]] = {
    "aws_db_instance": _database,
    "aws_elasticache_replication_group": _cache,
    "aws_ecs_task_definition": _tasks,
    "aws_ecs_service": _tasks,
    "aws_nat_gateway": _one("nat_gateway"),
    "aws_eip": _address,
    "aws_lb": _load_balancer,
    "aws_vpc_endpoint": _endpoint,
    "aws_kms_key": _one("kms_key"),
    "aws_secretsmanager_secret": _one("secret"),
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_cloudwatch_composite_alarm": _one("alarm.composite"),
    "aws_cloudwatch_dashboard": _one("dashboard"),
    "aws_wafv2_web_acl": _firewall,
}


def _blocks(values: Values, name: str) -> list[Values]:
    """The nested blocks of a name, none where there are none; ``NotKnownError`` where they turn out in the apply."""
    found = values.get(name) or []
    if found == UNKNOWN or any(one == UNKNOWN for one in found):
        raise NotKnownError(f"its {name} turns out in the apply")
    return list(found)


def _known(values: Values, name: str) -> Any:
    value = values[name]
    if value is None or value == UNKNOWN:
        raise NotKnownError(f"its {name} turns out in the apply" if value else "")
    return value
