"""Where a URL leads that a stranger chose: to a public address, or nowhere.

The name is resolved here, once, and the connection goes to the address that was judged: a name that says something else
a moment later changes nothing. The certificate and the Host header are the name's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit, urlunsplit

from omc.notify.model import Refused, TryAgain

Resolve = Callable[[str, int], Sequence[str]]
HTTPS_PORT = 443
NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
SIX_TO_FOUR = ip_network("2002::/16")
TEREDO = ip_network("2001::/32")
MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and as whom to speak."""

    url: str
    """With the address in place of the name."""
    host: str
    """The Host header."""
    name: str
    """Whose certificate it must be."""


def problem_of(url: str, allowed: Sequence[str] = ()) -> str | None:
    """Why nothing may be sent to it, as far as the text tells, as the end of a sentence; None where it may be."""
    parts = _split(url)
    if parts is None or len(url) > MAX_LENGTH or any(character <= " " or character > "~" for character in url):
        return "it is no URL"
    if "@" in parts.netloc:
        return "it has a login in it"
    if parts.fragment:
        return "it has a fragment"
    literal = _literal(parts.hostname or "")
    if literal is not None and not is_allowed(literal, allowed):
        return "its address isn't public"
    is_own = literal is not None and _is_in(literal, allowed)
    if parts.scheme != "https" and not is_own:
        return "it isn't https"
    if (parts.port or HTTPS_PORT) != HTTPS_PORT and not is_own:
        return f"its port isn't {HTTPS_PORT}"
    return None


def target_of(url: str, allowed: Sequence[str] = (), resolve: Resolve | None = None) -> Target | Refused | TryAgain:
    """Where a message to it goes. All addresses of its name must be allowed, whichever of them is asked."""
    problem = problem_of(url, allowed)
    parts = _split(url)
    if problem is not None or parts is None or parts.hostname is None:
        return Refused(f"nothing is sent to this URL: {problem}")
    name = parts.hostname
    port = parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)
    try:
        found = (resolve or _resolved)(name, port)
    except (OSError, UnicodeError) as error:
        return TryAgain(f"{name} can't be resolved: {error}")
    addresses = [ip_address(each.partition("%")[0]) for each in found]
    if not addresses:
        return TryAgain(f"{name} has no address")
    if not all(is_allowed(each, allowed) for each in addresses):
        return Refused(f"{name} is at an address that isn't public")
    first = addresses[0]
    shown = f"[{first}]" if isinstance(first, IPv6Address) else str(first)
    netloc = f"{shown}:{port}"
    return Target(urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, "")), parts.netloc, name)


def is_allowed(address: IPv4Address | IPv6Address, allowed: Sequence[str] = ()) -> bool:
    """Whether it is public, or in a network that is allowed. What is wrapped in an IPv6 address is looked at too."""
    if _is_in(address, allowed):
        return True
    wrapped = _wrapped(address)
    if wrapped is not None:
        return is_allowed(wrapped, allowed)
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False  # fec0::/10, which Python takes for global
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _wrapped(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in TEREDO and address.teredo is not None:
        return address.teredo[1]
    if address in SIX_TO_FOUR:
        return address.sixtofour
    if any(address in each for each in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_in(address: IPv4Address | IPv6Address, networks: Sequence[str]) -> bool:
    return any(address in network for network in map(ip_network, networks) if network.version == address.version)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _resolved(name: str, port: int) -> list[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))
