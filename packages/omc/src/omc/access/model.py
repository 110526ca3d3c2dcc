"""Roles, what each may do, and API tokens as events. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import TypeAlias

from omc.errors import OmcError, Refused, WrongUse
from omc.model.events import Event, EventTypes, Stream, UnknownEvent


class Permission(StrEnum):
    """What a request does."""

    READ = "read"
    """Incidents, alerts, who is on call, metrics."""
    RESPOND = "respond"
    """Work on incidents, silence alerts, change who is on call."""
    APPROVE = "approve"
    """Say yes to a plan."""
    ADMINISTER = "administer"
    """See and revoke API tokens."""


class Role(StrEnum):
    VIEWER = "viewer"
    RESPONDER = "responder"
    APPROVER = "approver"
    ADMIN = "admin"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.RESPONDER: frozenset({Permission.READ, Permission.RESPOND}),
    Role.APPROVER: frozenset({Permission.READ, Permission.RESPOND, Permission.APPROVE}),
    Role.ADMIN: frozenset({Permission.READ, Permission.RESPOND, Permission.APPROVE, Permission.ADMINISTER}),
}
"""From the lowest to the highest: each may do what the one before may."""


def role_for(permission: Permission) -> Role:
    """The lowest role that may do this."""
    return next(role for role, permissions in PERMISSIONS.items() if permission in permissions)


class NotAuthenticated(OmcError):
    """The request names nobody whom omc knows."""


class NotAllowed(OmcError):
    """The caller's role may not do this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, once that is proven."""

    name: str
    """As the record names whoever does something: ``token grafana``, ``oidc:jo@example.com``."""
    role: Role
    person: str = ""
    """Her id in ``[people]``; empty where she isn't in it."""

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]


def require(caller: Caller, permission: Permission) -> None:
    """``NotAllowed`` where the caller's role may not do this."""
    if not caller.may(permission):
        raise NotAllowed(
            f"{caller.name} has the role {caller.role}, and this needs {role_for(permission)}. Nothing was done."
        )


# ── API tokens ──────────────────────────────────────────────────────────────────────────────────────────────────

PREFIX = "omc_"
"""By which scanners and people tell what was found in a log or a repository."""
RANDOM_BYTES = 32
TOKEN_LENGTH = len(PREFIX) + 43
"""32 bytes in base64url without padding are 43 characters."""
ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Created:
    """A token was made."""

    name: str
    role: str
    digest: str
    """SHA-256 of the whole token, in hexadecimal digits. A slow hash protects what people choose and can be guessed;
    nobody guesses 256 random bits, so one pass is enough, and costs a request nothing."""
    expires: datetime | None = None
    person: str = ""
    """Whose it is, by her id in ``[people]``."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """It is worth nothing from now on."""

    why: str = ""


Payload: TypeAlias = Created | Revoked
TokenEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes("token", {"created": Created, "revoked": Revoked})


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is after its events; the secret itself is kept nowhere."""

    id: str
    """The beginning of its digest. It says nothing of the secret, and finds the token's events by their key."""
    name: str
    role: Role | None
    """None where a newer omc gave it one that this one doesn't know: it may do nothing here."""
    digest: str
    created_by: str
    created_at: datetime
    expires: datetime | None
    person: str
    revoked_by: str | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires is None or now < self.expires)

    @property
    def actor(self) -> str:
        return f"token {self.name}"


def token_of(random: bytes) -> str:
    """The token that these random bytes make."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"A token is made of {RANDOM_BYTES} random bytes, and not of {len(random)}.")
    return PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def is_token(text: str) -> bool:
    """Whether a text has the form of one of omc's tokens."""
    return text.startswith(PREFIX)


def matches(token: ApiToken, text: str) -> bool:
    """Whether the text is this token; takes the same time wherever the two differ."""
    return hmac.compare_digest(token.digest.encode(), digest_of(text).encode())


def stream_of(token_id: str) -> Stream:
    """Where a token's events are: tokens belong to the store, and so to all environments that are kept in it."""
    return Stream(TYPES.kind, "", token_id)


def replay(token_id: str, events: Iterable[TokenEvent]) -> ApiToken | None:
    """What a token's events come to; None where this omc can't read the first."""
    first, *rest = events
    if not isinstance(first.payload, Created):
        return None
    created = first.payload
    role = next((each for each in Role if each == created.role), None)
    token = ApiToken(token_id, created.name, role, created.digest, first.by, first.at, created.expires, created.person)
    return reduce(apply, rest, token)


def apply(token: ApiToken, event: TokenEvent) -> ApiToken:
    """The token after one more event. ``Refused`` where it may not follow."""
    if isinstance(event.payload, UnknownEvent):
        # Whatever a newer omc did to it: one that might be worth nothing any more is worth nothing here.
        return replace(token, role=None)
    if isinstance(event.payload, Created):
        raise Refused(f"The token {token.name} was created already.")
    if token.revoked_at is not None:
        raise Refused(f"The token {token.name} was revoked already, by {token.revoked_by}. Nothing was recorded.")
    return replace(token, revoked_by=event.by, revoked_at=event.at)


def require_name(name: str) -> None:
    """``WrongUse`` where a token can't be called this."""
    if not name.strip() or len(name) > 60 or name != " ".join(name.split()):
        raise WrongUse("A token's name has 1 to 60 characters, without spaces around it: grafana, or ci of backend.")
