"""The link by which a page is acknowledged without a login: what it says, and whether it is one of ours. Pure.

Its token names the page, and so the incident and the person, and when it ends; a keyed hash (HMAC-SHA256) is the proof.
It is made when the page is sent and stands in no row. What many people read has none: whoever followed it would take
the incident in the name of the one who was paged. Opening it changes nothing, since filters of mail and previews
open whatever they find; what acknowledges is the button behind it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from omc.model.pages import Page
from omc.model.people import Channel, ContactMethod, Person

PATH = "/ack/"
LIFE = timedelta(hours=24)
"""At least so long a link is good; it ends at a full hour."""
MIN_SECRET = 32
"""Characters of a secret that isn't to be guessed."""
_PURPOSE = b"omc acknowledges by link\0"
_HOUR = 3600
_PAGE = re.compile(
    r"page:(?P<environment>[a-z][a-z0-9-]{0,31}):(?P<incident>[1-9][0-9]{0,8}):(?P<round>[a-z0-9.]{1,24}):"
    r"(?P<person>[a-z][a-z0-9_-]{0,62})"
)
_TOKEN = re.compile(r"(?P<page>[a-z0-9:._-]{1,180}):(?P<hour>[0-9a-f]{5,6}):(?P<proof>[A-Za-z0-9_-]{22})")


@dataclass(frozen=True, slots=True)
class AcknowledgeLink:
    """What a link is for."""

    environment: str
    incident: int
    person: str
    """Her id in ``[people]``."""
    ends_at: datetime


def token_for(key: str, secret: str, now: datetime) -> str | None:
    """The token for a page by its key; None for one that asks nobody to take an incident."""
    if not _PAGE.fullmatch(key):
        return None
    hour = int((now + LIFE).timestamp()) // _HOUR + 1
    signed = f"{key.removeprefix('page:')}:{hour:x}"
    return f"{signed}:{_proof(secret, signed)}"


def read_token(token: str, secrets: Iterable[str], now: datetime) -> AcknowledgeLink | None:
    """What a token is for. None where none of the secrets made it, or its time is over: which of the two isn't said."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    signed = f"{found['page']}:{found['hour']}"
    proofs = [_proof(each, signed) for each in secrets]
    is_ours = bool(sum(hmac.compare_digest(found["proof"], each) for each in proofs))
    page = _PAGE.fullmatch(f"page:{found['page']}")
    ends_at = datetime.fromtimestamp(int(found["hour"], 16) * _HOUR, UTC)
    if not is_ours or page is None or now >= ends_at:
        return None
    return AcknowledgeLink(page["environment"], int(page["incident"]), page["person"], ends_at)


def with_link(page: Page, address: str | None, secret: str | None, now: datetime) -> Page:
    """The page with a link by which its recipient takes the incident; as it is where it has a link already, asks for
    nothing, or there is no server that would answer."""
    if page.message.link or not address or not secret or "acknowledge" not in page.actions:
        return page
    token = token_for(page.key, secret, now)
    return (
        page if token is None else replace(page, message=replace(page.message, link=address.rstrip("/") + PATH + token))
    )


def is_read_by_many(method: ContactMethod, people: Iterable[Person], shared: Collection[str]) -> bool:
    """Whether others than the person who is paged read what is sent there: an integration, a receiver, a channel of
    Slack's, what two people have as their contact, or what omc.toml says is shared."""
    if method.channel in (Channel.PAGERDUTY, Channel.WEBHOOK):
        return True
    if method.channel is Channel.SLACK and method.address.startswith("#"):
        return True
    if method.channel is Channel.PUSH:  # each person's own browsers, by no address
        return False
    written = str(method).lower()
    holders = sum(any(str(each).lower() == written for each in person.contacts) for person in people)
    return holders > 1 or written in {each.lower() for each in shared}


def is_acknowledge_link(link: str) -> bool:
    """Whether it leads to the button that acknowledges."""
    return _TOKEN.fullmatch(link.rpartition(PATH)[2]) is not None and PATH in link


def _proof(secret: str, signed: str) -> str:
    digest = hmac.new(secret.encode(), _PURPOSE + signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
