"""Events as the API has them, as the values that the store gives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from omc.model.events import Event, EventTypes


def events_of(types: EventTypes, documents: Sequence[Any]) -> list[Event[Any]]:
    """``KeyError``, ``TypeError`` or ``ValueError`` for what is no event; one of a newer omc is an ``UnknownEvent``."""
    return [
        Event(
            datetime.fromisoformat(each["at"]),
            each["by"],
            types.read(each["type"], each["version"], each["payload"]),
            each["link"],
        )
        for each in documents
    ]
