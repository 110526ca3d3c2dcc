"""What every route has that changes something which is no incident: who does it, and that it is done once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends

from omc.access.model import Caller
from omc.engine.actors import Actor
from omc.responder.api.callers import Approver, Responder
from omc.responder.api.context import ApiContext, Context
from omc.responder.api.once import AlreadyDone, Once, store_for
from omc.store.opened import Store

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes something."""

    context: ApiContext
    caller: Caller
    identity: str | None
    """Of the request, where it may come again."""

    @property
    def actor(self) -> Actor:
        """Whoever asks, as the record names her."""
        return Actor(self.caller.name, of=self.caller.person)

    def done(self, act: Callable[[Store], Result], before: Callable[[], Result], part: str = "") -> Result:
        """What comes of it; if it was done already, ``before``. A request that takes effect in several transactions
        gives each a name, ``part``."""
        identity = f"{self.identity}:{part}" if self.identity and part else self.identity
        try:
            result = act(store_for(self.context, identity))
        except AlreadyDone:
            return before()
        self.context.wake()
        return result


def change_of(context: Context, caller: Responder, once: Once) -> Change:
    return Change(context, caller, once.of(caller))


def approver_change_of(context: Context, caller: Approver, once: Once) -> Change:
    return Change(context, caller, once.of(caller))


Changing = Annotated[Change, Depends(change_of)]
Approving = Annotated[Change, Depends(approver_change_of)]
