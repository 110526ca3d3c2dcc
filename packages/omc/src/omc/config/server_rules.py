"""What the keys of ``[server]`` must be together."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from omc.config.mistakes import shown
from omc.config.server_tables import ServerSettings
from omc.config.toml_lines import Path as KeyPath


def server_problems(server: ServerSettings) -> Iterator[tuple[KeyPath, str]]:
    host, _, port = (server.listen or "127.0.0.1:0").rpartition(":")
    if int(port) > 65535 or not _is_network(host.strip("[]").replace("localhost", "127.0.0.1")):
        yield ("listen",), f"is {shown(server.listen)}, which is not an address of a machine; write 0.0.0.0:8080."
    for number, network in enumerate(server.proxies):
        if not _is_network(network):
            yield ("proxies", number), f"is {shown(network)}; allowed is an address or a network, 10.0.0.0/16."
    roles = server.oidc.roles if server.oidc else None
    if roles and not (roles.viewer or roles.responder or roles.approver or roles.admin):
        yield ("oidc", "roles"), 'gives nobody a role; write viewer = ["everyone"] for example.'


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
