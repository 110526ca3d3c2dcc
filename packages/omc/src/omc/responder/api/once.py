"""A request that comes again takes effect once: whoever got no answer may ask again without fear.

The header ``Idempotency-Key`` makes a request one that may come again. Its effect and the note that it took effect are
one transaction, by ``omc.store.inbox``, so that neither is there without the other whenever a process dies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from omc.access.model import Caller
from omc.errors import Refused
from omc.responder.api.context import ApiContext
from omc.store import inbox
from omc.store.opened import Store, Transaction

SOURCE = "api"


class AlreadyDone(Refused):
    """The request took effect when it came before."""


@dataclass(slots=True)
class OnceStore(Store):
    """The store, for one request that takes effect in one transaction, and in none if it has already."""

    request: str = ""

    @contextmanager
    def transaction(self, actor: str = "") -> Iterator[Transaction]:
        with Store.transaction(self, actor) as transaction:
            if not inbox.take(transaction, SOURCE, self.request):
                raise AlreadyDone("This was done when it was asked for before.")
            yield transaction


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes a request the same as one before."""

    key: str | None
    """None: it may not come again."""
    content: bytes
    """Method, address and body: another request with the same key is another request."""

    def of(self, caller: Caller) -> str | None:
        """The request's identity; nobody can know another caller's."""
        if self.key is None:
            return None
        parts = (caller.name.encode(), self.key.encode(), self.content)
        return hashlib.sha256(b"".join(len(each).to_bytes(4, "big") + each for each in parts)).hexdigest()


async def repeatable_of(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(pattern=r"^[A-Za-z0-9._:-]{1,100}$", description="Chosen by the client, one a request.")
    ] = None,
) -> Repeatable:
    head = f"{request.method} {request.url.path}\n".encode()
    return Repeatable(idempotency_key, head + await request.body())


Once = Annotated[Repeatable, Depends(repeatable_of)]


def store_for(context: ApiContext, identity: str | None) -> Store:
    """The store in which this request takes effect."""
    store = context.store
    if identity is None:
        return store
    return OnceStore(store.place, store.engine, store.now, store.revive, identity)
