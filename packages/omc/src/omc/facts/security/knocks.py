"""Connections that were refused in the period, by source and port, and what in the VPC has which address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.flow_log import find_flow_log
from omc.facts.followup.budget import within
from omc.facts.followup.insights import query
from omc.facts.scope import Scope

BUDGET = 30.0
"""Seconds: a week of a small VPC's flow log takes Logs Insights a few."""
MAX_KNOCKS = 1000
QUERY = (
    'filter action = "REJECT" | stats count(*) as records by srcAddr, dstAddr, dstPort, protocol '
    f"| sort records desc | limit {MAX_KNOCKS}"
)


@dataclass(frozen=True, slots=True)
class Knock:
    """Refused packets from one address to one port of another."""

    source: str
    destination: str
    port: int
    protocol: int
    records: int


@dataclass(frozen=True, slots=True)
class Knocks:
    """The most frequent first."""

    knocks: tuple[Knock, ...] = ()
    log_group: str = ""
    """Empty: no flow log of the environment is in CloudWatch Logs."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Private and public addresses of network interfaces, each with what has it, as EC2 describes it."""
    is_whole: bool = True
    reading: Reading = NO_READING


@reads_in(3)
def read_knocks(aws: Gateway, environment: Environment, scope: Scope) -> Knocks:
    """Where the flow log is, one query of it, and the interfaces that there are now."""
    group = find_flow_log(aws, environment).log_group
    if not group:
        return Knocks()
    try:
        rows = within(
            BUDGET,
            "the flow log's refused connections",
            lambda: query(aws, group, QUERY, scope.now - scope.since, scope.now),
        )
    except NotFound:
        return Knocks()
    pages = aws.client("ec2").get_paginator("describe_network_interfaces").paginate()
    owners = {
        address: _owner(one) for page in pages for one in page["NetworkInterfaces"] for address in _addresses(one)
    }
    return Knocks(tuple(_knock(row) for row in rows), group, owners, len(rows) < MAX_KNOCKS)


def _knock(row: Mapping[str, str]) -> Knock:
    return Knock(
        row.get("srcAddr", ""),
        row.get("dstAddr", ""),
        *(int(float(row.get(name) or 0)) for name in ("dstPort", "protocol", "records")),
    )


def _addresses(one: Any) -> list[str]:
    found = [str(one.get("PrivateIpAddress", "")), str((one.get("Association") or {}).get("PublicIp", ""))]
    return [address for address in found if address]


def _owner(one: Any) -> str:
    """``ELB app/ohmycoins-staging/…``, ``RDSNetworkInterface``; a task, whose interface is described by its ARN, by its
    security group, which the next task has too."""
    description = str(one.get("Description", ""))
    if description.startswith("arn:"):
        return f"a task in {next((group.get('GroupName', '') for group in one.get('Groups', ())), '?')}"
    return description or f"{one.get('InterfaceType', 'interface')} {one.get('NetworkInterfaceId', '')}"
