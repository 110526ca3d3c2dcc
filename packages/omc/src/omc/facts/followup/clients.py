"""Who sends what comes to the listeners' ports, by the VPC's flow log: packets. ``request_clients`` has requests."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.flow_log import find_flow_log
from omc.facts.followup.budget import BUDGET, within
from omc.facts.followup.insights import query
from omc.facts.listeners import Listeners
from omc.facts.scope import Scope

MINUTES = 15
"""How far back is looked: AWS delivers a record up to ten minutes after its packets."""
QUERY = (
    'filter action = "ACCEPT" and dstPort in [{ports}] | stats sum(packets) as packets by srcAddr '
    "| sort packets desc | limit 200"
)
WEB = (80, 443)
OWN = tuple(ipaddress.ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
"""Of a VPC: the load balancer's own connections to its targets, not its clients'."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Packets by source address, of the 200 that sent most."""

    packets: int = 0
    most: tuple[tuple[str, int], ...] = ()
    """Address and its packets, the most first."""
    log_group: str = ""
    """Empty: the environment's VPC has no flow log in CloudWatch Logs."""
    reading: Reading = NO_READING


@reads
def read_clients(aws: Gateway, environment: Environment, scope: Scope, listeners: Listeners | None) -> Clients:
    """One call for where the flow log is, and one query."""
    named = {int(one.get("Port") or 0) for one in (listeners.records if listeners else ())} - {0}
    ports = ", ".join(str(port) for port in sorted(named or WEB))

    def read() -> Clients:
        name = find_flow_log(aws, environment).log_group
        if not name:
            return Clients()
        try:
            rows = query(aws, name, QUERY.format(ports=ports), scope.now - timedelta(minutes=MINUTES), scope.now)
        except NotFound:
            return Clients()
        return clients_of(rows, name)

    return within(BUDGET, "who sends requests, from the flow log", read)


def clients_of(rows: Sequence[Mapping[str, str]], log_group: str) -> Clients:
    """Those from outside of private networks."""
    found = [(row["srcAddr"], int(float(row.get("packets", 0)))) for row in rows if _is_outside(row.get("srcAddr", ""))]
    ordered = tuple(sorted(found, key=lambda each: -each[1]))
    return Clients(sum(packets for _, packets in ordered), ordered, log_group)


def _is_outside(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not any(parsed in each for each in OWN if each.version == parsed.version)
