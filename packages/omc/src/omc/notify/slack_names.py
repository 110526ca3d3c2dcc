"""Names in Slack: of an incident's own channel, and of members; and what a message of a person's says in plain text.
Pure, so that whoever decides what is posted needs no HTTP client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from omc.model.people import Channel, Person
from omc.notify.text import cut

MAX_NAME = 80
"""Characters of a channel's name (docs.slack.dev, conversations.create)."""
INCIDENT_CHANNEL = re.compile(r"inc-[a-z0-9_-]{1,76}")
MEMBER = re.compile(r"[UW][A-Z0-9]{6,20}")
CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{6,20}")
_MARKED = re.compile(r"<(?P<sign>[@#!]?)(?P<of>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")


def channel_name(environment: str, incident: int, words: str = "") -> str:
    """``inc-staging-3-backend-answers-5xx``: of an incident, in the letters that Slack allows."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    start = re.sub(r"[^a-z0-9_-]+", "-", f"inc-{environment}-{incident}".lower())
    return cut(f"{start}-{slug}".replace("-", " ").strip(), MAX_NAME, mark="").replace(" ", "-").strip("-")


def members_of(person: Person) -> tuple[str, ...]:
    """Her ids in Slack."""
    return tuple(
        each.address for each in person.contacts if each.channel is Channel.SLACK and MEMBER.fullmatch(each.address)
    )


def member(persons: Mapping[str, Person], user: str) -> Person | None:
    """The person whose contact this member's id is."""
    for person in persons.values():
        if any(each.channel is Channel.SLACK and each.address == user for each in person.contacts):
            return person
    return None


def plain_text(text: str, persons: Mapping[str, Person]) -> str:
    """What Slack shows of a message's text: its marks for people, channels and addresses in words."""

    def shown(found: re.Match[str]) -> str:
        if found["sign"] == "@":
            person = member(persons, found["of"])
            return f"@{person.name if person else found['label'] or found['of']}"
        label = found["label"] or found["of"]
        return f"#{label}" if found["sign"] == "#" else f"@{label}" if found["sign"] == "!" else found["of"]

    return unescape(_MARKED.sub(shown, text))
