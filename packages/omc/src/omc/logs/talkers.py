"""Who talks most, of rows that Logs Insights, DuckDB or Athena counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from omc.logs.model import Talker

PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6"}
"""IANA's numbers, of those that a VPC sees."""
INSIGHTS: Final = """filter ispresent(srcAddr) and bytes > 0
| fields least(srcPort, dstPort) as port
| stats sum(bytes) as total, sum(packets) as packets, count(*) as records by srcAddr, dstAddr, port, protocol, action
| sort total desc
| limit {limit}"""
"""The lower of the two ports is the one that is served: a client's own is above 1023, and mostly above 32767."""


def talkers_of(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> tuple[Talker, ...]:
    """Rows of any of the engines; a row without addresses is left out."""
    found = []
    for row in rows:
        source, destination = (
            str(row.get(name) or row.get(other) or "")
            for name, other in (("srcaddr", "srcAddr"), ("dstaddr", "dstAddr"))
        )
        if not source or not destination:
            continue
        protocol = known(row.get("protocol"))
        found.append(
            Talker(
                source=source,
                destination=destination,
                port=known(row.get("port")),
                protocol="" if protocol is None else PROTOCOLS.get(protocol, str(protocol)),
                action=str(row.get("action") or ""),
                bytes=known(row.get("bytes", row.get("total"))),
                packets=known(row.get("packets")),
                records=number(row.get("records")),
                names={each: (names or {})[each] for each in (source, destination) if each in (names or {})},
            )
        )
    return tuple(sorted(found, key=lambda each: (-(each.bytes or 0), each.source, each.destination, each.port or 0)))


def known(value: Any) -> int | None:
    """None for what is no number."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def number(value: Any) -> int:
    """0 for what is no number."""
    return known(value) or 0
