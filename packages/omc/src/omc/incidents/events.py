"""What can happen to an incident, and how it is written down. A new kind is a class and its line in ``KINDS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

from omc.errors import WrongUse


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event of each incident."""

    severity: int
    summary: str
    """What users suffer, in a sentence."""


@dataclass(frozen=True, slots=True)
class SeverityChanged:
    """It turned out to be worse, or less bad."""

    severity: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What somebody saw or did."""

    text: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """Users are served again."""

    how: str
    """What ended it."""


Payload: TypeAlias = Opened | SeverityChanged | Noted | Resolved
KINDS: Mapping[str, type[Payload]] = {
    "opened": Opened,
    "severity changed": SeverityChanged,
    "noted": Noted,
    "resolved": Resolved,
}
"""What each event is called in the record. Names are added, never changed."""
_NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one incident."""

    at: datetime
    """UTC."""
    by: str
    what: Payload

    @property
    def kind(self) -> str:
        return _NAMES[type(self.what)]


def payload_to_json(what: Payload) -> dict[str, Any]:
    """An event's own values, as JSON has them; its kind goes beside them."""
    return asdict(what)


def payload_from_json(kind: str, body: Mapping[str, Any]) -> Payload:
    """The event that was ``written``. ``WrongUse`` for a kind that only a newer omc knows."""
    if kind not in KINDS:
        raise WrongUse(f'This omc has no event "{kind}" of an incident. Update it.')
    return KINDS[kind](**body)
