"""Addresses and networks as omc.toml has them."""

from __future__ import annotations

from ipaddress import ip_network


def is_network(text: str) -> bool:
    """An address, or a network without bits of a host: ``10.0.0.0/16``."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
