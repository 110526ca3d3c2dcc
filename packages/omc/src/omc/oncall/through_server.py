"""Rotas through omc's server: what is recorded of them, for what is compared with another stack file."""

from __future__ import annotations

from collections.abc import Mapping

from omc.api_client.events import events_of
from omc.api_client.http import Server
from omc.model.people import Person
from omc.oncall.escalation import World
from omc.oncall.events import ROTA, RotaRecord, replay_rota
from omc.oncall.model import Rota
from omc.oncall.records import rotas_with


def read_world(
    server: Server, configured: Mapping[str, Rota], persons: Mapping[str, Person]
) -> tuple[World, dict[str, RotaRecord]]:
    """All rotas with their overrides, who has confirmed what, and each rota's events."""
    answer = server.get("/v1/on-call/record")
    try:
        records = {name: replay_rota(name, events_of(ROTA, each)) for name, each in answer["rotas"].items()}
        confirmed = {person: tuple(methods) for person, methods in answer["confirmed"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise server.strange() from error
    return World(rotas_with(records, configured), persons, confirmed), records
