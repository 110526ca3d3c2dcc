"""Rotas through omc's server: what is recorded of them, and one more event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.api_client.events import events_of
from omc.api_client.http import Server
from omc.errors import BadAnswer
from omc.model.people import Person
from omc.oncall.escalation import World
from omc.oncall.events import ROTA, OverrideAdded, RotaPayload, RotaRecord, Undone, replay_rota
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


def record(server: Server, name: str, payload: RotaPayload) -> int:
    """Have it recorded, if the caller may; its number."""
    body: dict[str, Any]
    match payload:
        case OverrideAdded():
            verb = "overrides"
            body = {
                "begin": payload.begin.isoformat(),
                "end": payload.end.isoformat(),
                "people": list(payload.people),
                "instead_of": payload.instead_of,
                "reason": payload.reason,
            }
        case Undone(number, reason):
            verb, body = "undo", {"number": number, "reason": reason}
        case _:
            raise TypeError(f"No request says {type(payload).__name__}.")
    answer = server.post(f"/v1/on-call/rotas/{name}/{verb}", body)
    recorded = answer.get("number") if isinstance(answer, dict) else None
    if not isinstance(recorded, int):
        raise BadAnswer(f"omc's server at {server.address} recorded it and didn't say under which number.")
    return recorded
