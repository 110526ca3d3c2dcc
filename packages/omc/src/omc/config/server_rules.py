"""What the keys of ``[server]`` must be together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from omc.config.environment_tables import EnvironmentTable
from omc.config.mistakes import shown
from omc.config.networks import is_network
from omc.config.server_tables import ServerSettings
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean


def server_problems(
    server: ServerSettings, environments: Mapping[str, EnvironmentTable]
) -> Iterator[tuple[KeyPath, str]]:
    host, _, port = (server.listen or "127.0.0.1:0").rpartition(":")
    if int(port) > 65535 or not is_network(host.strip("[]").replace("localhost", "127.0.0.1")):
        yield ("listen",), f"is {shown(server.listen)}, which is not an address of a machine; write 0.0.0.0:8080."
    for number, network in enumerate(server.proxies):
        if not is_network(network):
            yield ("proxies", number), f"is {shown(network)}; allowed is an address or a network, 10.0.0.0/16."
    roles = server.oidc.roles if server.oidc else None
    if roles and not (roles.viewer or roles.responder or roles.approver or roles.admin):
        yield ("oidc", "roles"), 'gives nobody a role; write viewer = ["everyone"] for example.'
    yield from _sns_problems(server, environments)


def _sns_problems(
    server: ServerSettings, environments: Mapping[str, EnvironmentTable]
) -> Iterator[tuple[KeyPath, str]]:
    """A topic says which environment its messages are of, so it belongs to one, and is confirmed in its region."""
    owners: dict[str, str] = {}
    for name, table in server.sns.items():
        if name not in environments:
            known = ", ".join(environments)
            yield ("sns", name), f"is no environment; there are {known}.{did_you_mean(name, list(environments))}"
            continue
        region = environments[name].region
        for number, topic in enumerate(table.topics):
            place = ("sns", name, "topics", number)
            if owners.setdefault(topic, name) != name:
                yield place, f"is {shown(topic)}, which is of {owners[topic]} already; a topic is of one environment."
            elif topic.split(":")[3] != region:
                yield place, f"is {shown(topic)}, which isn't in {region}, where {name} is."
