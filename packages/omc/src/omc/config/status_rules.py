"""What the keys of ``[status]`` and ``[contacts]`` must be together. See ``omc.config.rules``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from msgspec.structs import asdict

from omc.config.mistakes import shown
from omc.config.tables import StackTable
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean

PLACES = ("{components}", "{interval}")
"""What is filled in within a template."""


def status_problems(stack: StackTable) -> Iterator[tuple[KeyPath, str]]:
    """Of ``[status]``."""
    status = stack.status
    for number, name in enumerate(status.environments):
        if name not in stack.environments:
            near = did_you_mean(name, list(stack.environments))
            yield ("environments", number), f"is {shown(name)}; there are {', '.join(stack.environments)}.{near}"
    for name in status.components:
        if name not in stack.services:
            near = did_you_mean(name, list(stack.services))
            yield ("components", name), f"is no service; there are {', '.join(stack.services)}.{near}"
    for name, template in asdict(status.templates).items():
        strange = [each for each in re.findall(r"\{[^{}]*\}", template) if each not in PLACES]
        if strange:
            yield ("templates", name), f"has {shown(strange[0])}; only {' and '.join(PLACES)} are filled in."
    for number, network in enumerate(status.webhook_networks):
        try:
            ip_network(network)
        except ValueError:
            yield (
                ("webhook_networks", number),
                f"is {shown(network)}; allowed is an address or a network, 10.0.0.0/16.",
            )
    if status.subscriptions and stack.server.address is None:
        yield ("subscriptions",), "needs [server] address: what is sent has links that begin with it."
    if "email" in status.subscriptions and stack.notify.email is None:
        yield ("subscriptions",), 'has "email", and there is no [notify.email] that sends it.'


def contact_problems(stack: StackTable) -> Iterator[tuple[KeyPath, str]]:
    """Of ``[contacts]``."""
    for name, contact in stack.contacts.items():
        if not contact.reach and contact.plan is None:
            yield (name,), 'says no way to reach them; it needs reach = ["…"] or a plan of AWS Support.'
        if not contact.severities and not contact.groups:
            yield (name,), 'would never be shown; it needs severities = [1], groups = ["database"] or both.'
