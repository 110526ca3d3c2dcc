"""API tokens in the event log: creating, revoking, listing, and finding the one that a request brings."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from omc.access.model import (
    ID_LENGTH,
    RANDOM_BYTES,
    TOKEN_LENGTH,
    TYPES,
    ApiToken,
    Created,
    Revoked,
    Role,
    apply,
    digest_of,
    matches,
    replay,
    require_name,
    stream_of,
    token_of,
)
from omc.errors import Missing, Refused, WrongUse
from omc.output.text import shell_word
from omc.store import eventlog
from omc.store.opened import Store, Transaction

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

QUEUE = (TYPES.kind, "")


def create_token(
    store: Store,
    name: str,
    role: Role,
    actor: str,
    expires: datetime | None = None,
    person: str = "",
    link: str | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is known to nobody but the caller. ``Refused`` where a valid one has the name:
    the record names whoever acts with it by that."""
    require_name(name)
    secret = token_of(secrets.token_bytes(RANDOM_BYTES))
    digest = digest_of(secret)

    def decide(transaction: Transaction) -> ApiToken:
        if expires is not None and expires <= transaction.at:
            raise WrongUse("The token would have expired before it is made. Nothing was recorded.")
        if any(each.name == name and each.is_valid(transaction.at) for each in _all(transaction.session)):
            raise Refused(
                f"There is a token {name} already. Choose another name, or: omc token revoke {shell_word(name)}"
            )
        created = Created(name, role.value, digest, expires, person)
        token_id = digest[:ID_LENGTH]
        event = eventlog.append(transaction, TYPES, stream_of(token_id), created, seen=0, link=link)
        made = replay(token_id, [event])
        if made is None or made.digest != digest or made.name != name:
            raise WrongUse("The token's name looks like a secret, which the record doesn't keep. Choose another.")
        return made

    return eventlog.retry_on_conflict(store, actor, QUEUE, decide), secret


def revoke_token(store: Store, name: str, actor: str, why: str = "", link: str | None = None) -> ApiToken:
    """Have a token, by its name or its id, be worth nothing from now on, for every server of this store."""

    def decide(transaction: Transaction) -> ApiToken:
        every = _all(transaction.session)
        found = [each for each in every if each.id == name] or [each for each in every if each.name == name]
        if not found:
            raise Missing(f"There is no token {name}. See: omc token list")
        token = next((each for each in found if each.revoked_at is None), found[-1])
        stream = stream_of(token.id)
        seen = eventlog.last_sequence(transaction.session, stream)
        return apply(token, eventlog.append(transaction, TYPES, stream, Revoked(why), seen=seen, link=link))

    return eventlog.retry_on_conflict(store, actor, QUEUE, decide)


def tokens_of(store: Store) -> list[ApiToken]:
    """All that there were, the oldest first."""
    with store.reading() as session:
        return _all(session)


def find_token(session: Session, text: str) -> ApiToken | None:
    """The token that this text is, valid or not; None where it is none. One look at one key of the event log: an
    unknown token costs no more than a known one."""
    if len(text) != TOKEN_LENGTH or not text.isascii():
        return None
    token_id = digest_of(text)[:ID_LENGTH]
    events = eventlog.read_stream(session, TYPES, stream_of(token_id))
    found = replay(token_id, events) if events else None
    return found if found is not None and matches(found, text) else None


def _all(session: Session) -> list[ApiToken]:
    streams = eventlog.read_streams(session, TYPES, "")
    found = [replay(stream.id, events) for stream, events in streams.items()]
    return [each for each in found if each is not None]
