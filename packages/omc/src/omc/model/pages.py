"""What reaches people: a page to one person, and a message to a channel, as values that any chapter may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from omc.model.people import ContactMethod

SHORT = 160
"""Characters of a page's short form: what fits in one SMS of the GSM alphabet."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, whatever carries it. Its texts may hold words from outside: each channel escapes for its medium."""

    short: str
    """At most ``SHORT`` characters: what is wrong, and the one next step."""
    lines: tuple[str, ...] = ()
    """The long form's further lines: one line of evidence, the last change, the runbook's section."""
    link: str | None = None
    """Where more is to be seen; an address of omc's own, or of the runbook."""


@dataclass(frozen=True, slots=True)
class Room:
    """A channel of an incident's own, which is made where there is none yet."""

    name: str
    """Without the number sign."""
    topic: str
    members: tuple[str, ...] = ()
    """Ids of Slack's members who are called into it."""
    id: str | None = None
    """Once it has been made."""

    def is_at(self, address: str) -> bool:
        """Whether a method's address is this channel's: another one may stand in for it."""
        return address in (f"#{self.name}", self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """A message that must reach one person, by whichever of her methods works first; or a channel, by its own."""

    key: str
    """The idempotency key: the same page asked for twice is sent once, and each attempt carries it."""
    environment: str
    recipient: str
    """A person's id, or a channel's name."""
    methods: tuple[ContactMethod, ...]
    """In the order in which they are tried."""
    message: Message
    incident: int | None = None
    """Which incident it is about; None for a test, a reminder or a digest."""
    severity: int | None = None
    is_urgent: bool = True
    """Whether it may wake somebody up; else it is a notice that needs no answer."""
    actions: tuple[str, ...] = ()
    """What the recipient may answer with, of ``acknowledge``, ``snooze`` and ``resolve``."""
    room: Room | None = None
    """Where the recipient is an incident's own channel."""
