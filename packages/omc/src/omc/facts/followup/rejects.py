"""Connections that a security group or network ACL refused in the last minutes, from the VPC's flow log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.flow_log import find_flow_log
from omc.facts.followup.budget import BUDGET, within
from omc.facts.followup.insights import moment_of, query
from omc.facts.scope import Scope

MINUTES = 15
"""How far back is looked: AWS delivers a record up to ten minutes after its packets."""
QUERY = (
    'filter action = "REJECT" | stats count(*) as records, min(@timestamp) as first, max(@timestamp) as last '
    "by srcAddr, dstAddr, dstPort "
    "| sort records desc | limit 200"
)


@dataclass(frozen=True, slots=True)
class Reject:
    """Refused packets from one address to one port of another."""

    source: str
    destination: str
    port: int
    records: int
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejects:
    rejects: tuple[Reject, ...] = ()
    log_group: str = ""
    """Empty: the environment's VPC has no flow log in CloudWatch Logs."""
    reading: Reading = NO_READING


@reads
def read_rejects(aws: Gateway, environment: Environment, scope: Scope) -> Rejects:
    """One call for where the flow log is, and one query."""

    def read() -> Rejects:
        name = find_flow_log(aws, environment).log_group
        if not name:
            return Rejects()
        try:
            rows = query(aws, name, QUERY, scope.now - timedelta(minutes=MINUTES), scope.now)
        except NotFound:
            return Rejects()
        return Rejects(tuple(map(_reject, rows)), name)

    return within(BUDGET, "the flow log's refused connections", read)


def _reject(row: Mapping[str, str]) -> Reject:
    return Reject(
        source=row.get("srcAddr", ""),
        destination=row.get("dstAddr", ""),
        port=int(row["dstPort"]) if row.get("dstPort", "").isdigit() else 0,
        records=int(float(row.get("records", 0))),
        first=moment_of(row.get("first", "")),
        last=moment_of(row.get("last", "")),
    )
