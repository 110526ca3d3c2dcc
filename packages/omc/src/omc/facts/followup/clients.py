"""Who sends what comes to the listeners' ports, by the VPC's flow log: packets. ``request_clients`` has requests."""

from __future__ import annotations

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
from omc.model.networks import INTERNET, kind_of

MINUTES = 15
"""How far back is looked: AWS delivers a record up to ten minutes after its packets."""
QUERY = (
    'filter action = "ACCEPT" and dstPort in [{ports}] | stats sum(packets) as packets by srcAddr '
    "| sort packets desc | limit 200"
)
WEB = (80, 443)


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
    """Those from outside of networks of one's own: from inside come the load balancer's connections to its targets."""
    outside = [row for row in rows if kind_of(row.get("srcAddr", "")) == INTERNET]
    found = [(row["srcAddr"], int(float(row.get("packets", 0)))) for row in outside]
    ordered = tuple(sorted(found, key=lambda each: -each[1]))
    return Clients(sum(packets for _, packets in ordered), ordered, log_group)
