"""A person who can be paged, and the ways in which she is reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """How a message reaches somebody."""

    SLACK = "slack"
    """A member's id, ``U024BE7LH``, for a direct message; a channel's name, ``#incidents``, for everybody in it."""
    EMAIL = "email"
    SMS = "sms"
    """A number with its country, ``+61400000000``."""
    PAGERDUTY = "pagerduty"
    """The name of an integration in ``[notify.pagerduty]``: its key is a secret and stands nowhere in omc.toml."""
    NTFY = "ntfy"
    """A topic."""
    WEBHOOK = "webhook"
    """The name of a receiver in ``[notify.webhook]``."""
    PUSH = "push"
    """The browsers in which a person has allowed it; without an address."""
    SUBSCRIBER = "subscriber"
    """A customer who subscribed to the status: her id and what is sent, ``0f1e2d3c4b5a6978/update``. Her address stands
    in one table alone, and is looked up when it is sent. Nobody is paged by it."""


@dataclass(frozen=True, slots=True)
class ContactMethod:
    """One way to reach somebody: ``sms:+61400000000`` in omc.toml."""

    channel: Channel
    address: str

    def __str__(self) -> str:
        return f"{self.channel}:{self.address}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of ``[people]``."""

    id: str
    """The key in omc.toml: ``jo``."""
    name: str
    """As others call her: ``Jo Smith``."""
    contacts: tuple[ContactMethod, ...]
    """In the order in which they are tried. Empty: she can't be reached."""
