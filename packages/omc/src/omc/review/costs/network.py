"""Checks of what the network costs: NAT by destination with what endpoints would spare, and public IPv4 addresses."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import NAT_COSTS, WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.addresses import PublicAddresses
from omc.facts.costs.nat import NatTraffic
from omc.facts.scope import Scope
from omc.output.text import counted
from omc.review.costs.money import DAYS_A_MONTH, GB, finding, in_words, is_worth, monthly, source

NAT, ADDRESSES = "nat-data", "public-addresses"
PLACE = "network/nat"
BY_GATEWAY = {"s3": "S3", "dynamodb": "DynamoDB"}
"""Services with gateway endpoints, which cost nothing (Amazon VPC user guide, "Gateway endpoints")."""
SHOWN = 5
SHARED = ("task", "database")
"""Holders that need no public address behind a load balancer."""


@check(
    NAT,
    title="NAT: its data by destination, and what endpoints would spare",
    question="Does traffic go through the NAT gateways that an endpoint would carry for less?",
    severity=Level.WARN,
    runbook=NAT_COSTS,
)
def nat_data(traffic: NatTraffic, environment: Environment, scope: Scope) -> Iterator[Finding]:
    if not traffic.gateways:
        yield finding(NAT, Level.OK, PLACE, "The environment has no NAT gateway.", traffic.reading)
        return
    if traffic.peers is None:
        sentence = (
            "The NAT gateways' data can't be divided by destination: the VPC has no flow log in CloudWatch Logs. The "
            "Terraform's flow log switches it on (module audit)."
        )
        yield finding(NAT, Level.UNKNOWN, PLACE, sentence, traffic.reading, procedure=NAT_COSTS)
        return
    region, least = environment.region, environment.review.costs.least_saving_usd
    if not traffic.total:
        count = len(traffic.gateways)
        idle = in_words(monthly(region, ("nat_gateway", count)), region)
        sentence = (
            f"The {counted(count, 'NAT gateway')} carried nothing to the outside in the period, {idle}. Either "
            "nothing needs them, or the flow log doesn't cover them: look before one is taken away."
        )
        rests = (f"flow log {traffic.log_group}", source(region, "nat_gateway"))
        yield finding(NAT, Level.WARN, f"{PLACE}/unused", sentence, traffic.reading, *rests, procedure=NAT_COSTS)
        return
    factor = DAYS_A_MONTH / max(scope.since.total_seconds() / 86400, 1e-9) / GB
    month = traffic.total * factor
    cost = monthly(region, ("nat_gateway.gb", month))
    top = [
        f"{peer.address}{f' ({BY_GATEWAY[peer.service]})' if peer.service in BY_GATEWAY else ''}: "
        f"{peer.bytes * factor:.1f} GB a month"
        for peer in traffic.peers[:SHOWN]
    ]
    about = f"flow log {traffic.log_group}; a Logs Insights query over it is paid by what it scans"
    reported = False
    for service, name in BY_GATEWAY.items():
        size = traffic.of(service) * factor
        saving = monthly(region, ("nat_gateway.gb", size))
        if size <= 0 or not is_worth(saving, least):
            continue
        reported = True
        if service in traffic.endpoints:
            sentence = (
                f"{size:.0f} GB a month go to {name} through NAT though the VPC has an endpoint for it: a route table "
                f"lacks it, or the bucket is in another region. It costs {in_words(saving, region)}."
            )
        else:
            sentence = (
                f"{size:.0f} GB a month go to {name} through NAT. A gateway endpoint carries them for nothing and "
                f"spares {in_words(saving, region)}: give the VPC one."
            )
        evidence = (*top, source(region, "nat_gateway.gb"), about)
        yield finding(NAT, Level.WARN, f"{PLACE}/{service}", sentence, traffic.reading, *evidence, procedure=NAT_COSTS)
    rest = (traffic.total - sum(traffic.of(service) for service in BY_GATEWAY)) * factor
    fixed = monthly(region, ("vpc_endpoint", float(max(1, traffic.zones))))
    per_gb = monthly(region, ("nat_gateway.gb", 1.0)), monthly(region, ("vpc_endpoint.gb", 1.0))
    if fixed is not None and per_gb[0] is not None and per_gb[1] is not None and per_gb[0] > per_gb[1]:
        breaks_even = fixed / (per_gb[0] - per_gb[1])
        largest = max((peer for peer in traffic.peers if not peer.service), key=lambda peer: peer.bytes, default=None)
        if rest > breaks_even and (rest - breaks_even) * (per_gb[0] - per_gb[1]) >= least:
            reported = True
            sentence = (
                f"{rest:.0f} GB a month go through NAT to addresses outside. Should one AWS service (ECR, CloudWatch "
                f"Logs, Secrets Manager) be more than {breaks_even:.0f} GB of them, an interface endpoint for it in "
                f"{max(1, traffic.zones)} zones ({in_words(fixed, region)}) spares money. Find out whose the largest "
                f"addresses are."
            )
            named = [f"the largest: {largest.address}, {largest.bytes * factor:.0f} GB a month"] if largest else []
            has = f"the VPC has endpoints for: {', '.join(traffic.endpoints) or 'nothing'}"
            evidence = (*named, *top, has, source(region, "nat_gateway.gb", "vpc_endpoint", "vpc_endpoint.gb"), about)
            yield finding(
                NAT, Level.WARN, f"{PLACE}/outside", sentence, traffic.reading, *evidence, procedure=NAT_COSTS
            )
    if not reported:
        sentence = (
            f"{month:.1f} GB a month go through the NAT gateways, {in_words(cost, region)}; no endpoint would spare "
            "much."
        )
        yield finding(NAT, Level.OK, PLACE, sentence, traffic.reading, *top, about)


@check(
    ADDRESSES,
    title="Public IPv4 addresses: what they cost, and which are idle",
    question="Is every public IPv4 address used, by something that needs one?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def public_addresses(addresses: PublicAddresses, environment: Environment) -> Iterator[Finding]:
    region = environment.region
    priced = source(region, "public_ipv4")
    idle = [one for one in addresses.addresses if not one.used_by]
    for one in idle:
        named = f" ({one.name})" if one.name else ""
        sentence = (
            f"The elastic address {one.address}{named} is held by nothing and costs {_cost(1, region)}. Release it "
            "where nobody allows it by its number: "
            f"aws ec2 release-address --allocation-id {one.allocation}"
        )
        place = f"addresses/{one.allocation or one.address}"
        yield finding(ADDRESSES, Level.WARN, place, sentence, addresses.reading, priced)
    for holder in SHARED:
        some = [one for one in addresses.addresses if one.used_by == holder]
        if some:
            sentence = (
                f"{counted(len(some), holder)} with a public address: {_cost(len(some), region)}. In "
                "private subnets they need none."
            )
            listed = ", ".join(one.address for one in some[:SHOWN])
            yield finding(ADDRESSES, Level.WARN, f"addresses/{holder}s", sentence, addresses.reading, listed, priced)
    if not idle and not any(one.used_by in SHARED for one in addresses.addresses):
        count = len(addresses.addresses)
        cost = _cost(count, region)
        holders = [f"{one.address}: {one.used_by}" for one in addresses.addresses[: 2 * SHOWN]]
        sentence = f"Public IPv4 addresses: {count}, {cost}. Each is used by what needs one."
        yield finding(ADDRESSES, Level.OK, "addresses", sentence, addresses.reading, *holders, priced)


def _cost(count: int, region: str) -> str:
    return in_words(monthly(region, ("public_ipv4", count)), region)
