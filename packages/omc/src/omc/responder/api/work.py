"""What every route has that does something with an incident: who does it, where, and that it is done once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends

from omc.config import Environment
from omc.incidents.incident import Incident
from omc.responder.api.callers import Responder
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.once import AlreadyDone, Once, store_for
from omc.responder.api.shapes import IncidentShape, incident_shape
from omc.responder.life import Doer
from omc.store.incidents import incident_of
from omc.store.opened import Store

Act: TypeAlias = Callable[[Store, Doer], Incident]
"""Does something to an incident in one transaction of this store; what it comes to then."""


@dataclass(frozen=True, slots=True)
class Work:
    """A request that does something."""

    context: ApiContext
    environment: Environment
    doer: Doer
    identity: str | None
    """Of the request, where it may come again."""

    @property
    def name(self) -> str:
        """The environment's."""
        return self.environment.name

    def done(self, act: Act, before: Callable[[], Incident]) -> Incident:
        """What the incident comes to by this; if it was done already, ``before``."""
        try:
            done = act(store_for(self.context, self.identity), self.doer)
        except AlreadyDone:
            return before()
        self.context.wake()
        return done

    def on(self, number: int, act: Act) -> IncidentShape:
        """The answer of a route about one incident."""
        changed = self.done(act, lambda: incident_of(self.context.store, self.name, number))
        return incident_shape(changed, self.environment)


def work_of(context: Context, caller: Responder, environment: Chosen, once: Once) -> Work:
    return Work(context, environment, Doer(caller.name, None, caller.person), once.of(caller))


Working = Annotated[Work, Depends(work_of)]
