"""What is learnt of an incident, written down: its post-mortem, by several people, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from omc.errors import Outdated
from omc.incidents.events import Captured, PostmortemChanged, PostmortemMoved
from omc.incidents.incident import Incident
from omc.responder.life import Doer
from omc.responder.postmortem import IMPACT, version_of
from omc.store.incidents import added, decide, required
from omc.store.opened import Store, Transaction


def change_postmortem(
    store: Store,
    environment: str,
    number: int,
    doer: Doer,
    changes: Sequence[PostmortemChanged | PostmortemMoved],
    seen: int | None = None,
) -> Incident:
    """All of these changes, or none. ``Outdated`` where the post-mortem isn't any more as whoever writes saw it."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        if seen is not None and seen != version_of(incident):
            raise Outdated(
                f"The post-mortem of incident {number} of {environment} has changed since you read it. Read it again; "
                "nothing was recorded."
            )
        return added(transaction, incident, *changes, link=doer.link)

    return decide(store, environment, doer.name, attempt)


def keep(store: Store, environment: str, number: int, doer: Doer, measured: Captured) -> Incident:
    """What was measured, unless somebody else was quicker."""

    def attempt(transaction: Transaction) -> Incident:
        incident = required(transaction.session, environment, number)
        return incident if IMPACT in incident.captured else added(transaction, incident, measured, link=doer.link)

    return decide(store, environment, doer.name, attempt)
