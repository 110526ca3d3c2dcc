"""VPC flow log records as lines of a log group, and the names that Insights gives their fields.

Who has seen a flow makes a ``FlowRecord`` and stores ``line(record)`` with ``Logs.put``; the stream of AWS's own
records is ``<interface>-all``. Formats are EC2's: ``${srcaddr} ${dstaddr} …``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_FORMAT = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)
"""Version 2, what AWS writes unless a format is given (VPC user guide, "Flow log records")."""

NAMES = {
    "account-id": "accountId",
    "interface-id": "interfaceId",
    "srcaddr": "srcAddr",
    "dstaddr": "dstAddr",
    "srcport": "srcPort",
    "dstport": "dstPort",
    "log-status": "logStatus",
    "pkt-srcaddr": "pktSrcAddr",
    "pkt-dstaddr": "pktDstAddr",
}
"""Insights' names where they aren't the format's own in camel case."""
ALIASES = {"startTime": "start", "endTime": "end"}
"""The user guide lists these; queries use both."""


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """One flow in one interval. Times in seconds since the epoch; ``protocol`` is IANA's number (6 TCP, 17 UDP)."""

    account: str
    interface: str
    source: str
    destination: str
    source_port: int
    destination_port: int
    protocol: int
    packets: int
    bytes: int
    start: int
    end: int
    accepted: bool
    more: Mapping[str, str] = field(default_factory=dict)
    """Other fields of the format by their EC2 names, such as ``flow-direction``."""


def line(record: FlowRecord, layout: str = DEFAULT_FORMAT) -> str:
    """The record as a log line; what isn't known of it is ``-``."""
    values = {
        "version": "2",
        "account-id": record.account,
        "interface-id": record.interface,
        "srcaddr": record.source,
        "dstaddr": record.destination,
        "srcport": str(record.source_port),
        "dstport": str(record.destination_port),
        "protocol": str(record.protocol),
        "packets": str(record.packets),
        "bytes": str(record.bytes),
        "start": str(record.start),
        "end": str(record.end),
        "action": "ACCEPT" if record.accepted else "REJECT",
        "log-status": "OK",
        **record.more,
    }
    return " ".join(values.get(name, "-") for name in _names(layout))


def stream(record: FlowRecord) -> str:
    """The log stream that AWS writes this interface's records to."""
    return f"{record.interface}-all"


def insights_fields(layout: str) -> list[str]:
    """The fields of a line in order, by the names that Insights' queries use."""
    return [NAMES.get(name, _camel(name)) for name in _names(layout)]


def _names(layout: str) -> list[str]:
    return re.findall(r"\$\{([\w\-]+)\}", layout)


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(part.capitalize() for part in rest)


DEFAULT_FIELDS: dict[str, int] = {name: place for place, name in enumerate(insights_fields(DEFAULT_FORMAT))}
"""Insights' field to its place in a line of the default format."""
DEFAULT_FIELDS.update({alias: DEFAULT_FIELDS[name] for alias, name in ALIASES.items()})
