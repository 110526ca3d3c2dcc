"""What an address is by itself. Python's ``is_private`` counts the documentation's networks too (RFC 5737, 3849):
nobody has one inside, and in a local cloud they stand for the internet."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE, INTERNET = "private", "internet"
OWN: tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""Networks of one's own: RFC 1918, 6598 and 4193."""


def is_own(address: Address) -> bool:
    """Whether an address is of a network of one's own, as those of a VPC are."""
    return any(address in network for network in OWN if network.version == address.version)


def overlaps_own(network: Network) -> bool:
    """Whether a network has addresses of networks of one's own."""
    return any(network.version == each.version and network.overlaps(each) for each in OWN)


def kind_of(address: str) -> str:
    """``PRIVATE``, ``INTERNET``, or what else an address is; empty for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    kinds = (
        (is_own(parsed), PRIVATE),
        (parsed.is_link_local, "AWS's own (link-local)"),
        (parsed.is_loopback, "loopback"),
        (parsed.is_multicast, "multicast"),
        (parsed.is_unspecified, "unspecified"),
        (parsed.is_reserved, "reserved"),
    )
    return next((kind for is_it, kind in kinds if is_it), INTERNET)
