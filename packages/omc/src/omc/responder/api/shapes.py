"""Incidents as the API has them: the fields that `--output json` has, so that a program reads both alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from omc.config import Environment
from omc.incidents.document import incidents_document
from omc.incidents.events import TYPES
from omc.incidents.incident import SEVERITIES, Incident
from omc.model.events import Event, EventTypes, UnknownEvent
from omc.model.typed_json import to_json


def _is_number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("it must be a whole number")
    return value


def _is_time(value: object) -> object:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("it must be a time with its offset, such as 2026-12-24T18:00:00+11:00")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_is_time)]
"""A time as RFC 3339 writes it; never a number, which some read as seconds and some as milliseconds."""
WHOLE = BeforeValidator(_is_number)
"""As JSON Schema has it: 2 and 2.0, and neither "2" nor true."""
SOMETHING = r"^[^\x00]*[^\s\x00-\x1f][^\x00]*$"
"""A text in which something can be read. In every dialect of regular expressions alike."""
Sentence = Annotated[str, Field(min_length=1, max_length=500, pattern=SOMETHING)]
Text = Annotated[str, Field(min_length=1, max_length=10_000, pattern=SOMETHING)]
Level = Annotated[int, Field(ge=min(SEVERITIES), le=max(SEVERITIES), description="1 is the worst."), WHOLE]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The incident's number in its environment.")]
PersonId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Her id in [people] of omc.toml.")]


class Body(BaseModel):
    """A request's body: a field that it doesn't name is a mistake."""

    model_config = ConfigDict(extra="forbid")


class EventShape(BaseModel):
    """One thing that happened, as it is kept."""

    model_config = ConfigDict(title="Event")

    at: str
    by: str
    link: str | None
    type: str
    version: int
    payload: Any


class IncidentShape(BaseModel):
    """An incident as it is now. Later versions of omc have more fields."""

    model_config = ConfigDict(title="Incident", extra="allow")

    number: int
    environment: str
    severity: int
    summary: str
    state: str
    opened_by: str
    opened_at: str
    resolved_by: str | None
    resolved_at: str | None
    resolution: str | None
    events: list[EventShape] | None = None
    """All that happened, where it is asked for."""
    contacts: list[dict[str, Any]] | None = None
    """Who outside of the rotas can help, of one incident that is asked for."""


def incident_shape(incident: Incident, environment: Environment, *, events: bool = True) -> IncidentShape:
    document = incidents_document([incident], environment.name, environment.time_zone, everything=True)
    return IncidentShape(**document.data["incidents"][0], events=events_of(TYPES, incident.events) if events else None)


def events_of(types: EventTypes, events: Iterable[Event[Any]]) -> list[EventShape]:
    """From these a client makes the same value."""
    return [
        EventShape(at=to_json(each.at), by=each.by, link=each.link, type=name, version=version, payload=payload)
        for each in events
        for name, version, payload in [_written(types, each.payload)]
    ]


def _written(types: EventTypes, payload: Any) -> tuple[str, int, Any]:
    """What a newer omc wrote goes out as it is kept: the client may know it."""
    if isinstance(payload, UnknownEvent):
        return payload.type, payload.version, payload.body
    return types.write(payload)
