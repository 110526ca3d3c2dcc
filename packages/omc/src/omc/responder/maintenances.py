"""A maintenance that overruns its window is an alert like any other: an incident is opened, who is on call is paged,
and it ends when the last step is done or all is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from omc.config import Stack
from omc.maintenance.model import Maintenance
from omc.maintenance.work import overran, tell_notices, watch_over
from omc.responder.model import Notification, State, alert_key, digest
from omc.responder.records import take
from omc.responder.rules import Rules
from omc.store.opened import Store
from omc.times import iso

SOURCE = "omc"
SEVERITY: Final = 2
"""Users may be served badly, and nobody knows until when."""


def notifications(found: Iterable[Maintenance]) -> tuple[Notification, ...]:
    """What is to be told of those that overran: that they do, and that they no longer do."""
    made: list[Notification] = []
    for each in found:
        if each.overran_at is None:
            continue
        made.append(_notification(each, "firing"))
        if each.is_over or (each.aborted_at is None and each.are_steps_over):
            made.append(_notification(each, "ended"))
    return tuple(made)


def _notification(found: Maintenance, state: State) -> Notification:
    key = alert_key(SOURCE, found.environment, f"maintenance {found.number}")
    ended = found.ended_at or max((each.at for each in found.steps if each.at), default=None)
    at = found.overran_at if state == "firing" else ended
    assert found.overran_at is not None  # the caller has looked  # noqa: S101
    name = f"maintenance-{found.number}-overran"
    return Notification(
        id=digest(key, state, iso(found.overran_at) or ""),
        source=SOURCE,
        environment=found.environment,
        alert_key=key,
        name=name,
        state=state,
        at=max(at or found.overran_at, found.overran_at),
        severity=SEVERITY,
        service=None,
        title=f"Maintenance {found.number} ({found.title}) overran its window",
        description=(
            f"{found.stopped or 'Its last step is not done.'} Go on or take it back: omc maintenance status "
            f"{found.number} --env {found.environment}"
        ),
        labels={"maintenance": str(found.number)},
    )


@dataclass(slots=True)
class Overruns:
    """Watches over the maintenances of some environments, and tells of them in time, as long as a responder lives."""

    store: Store
    stack: Stack
    environments: Sequence[str]
    rules_of: Callable[[str], Rules]
    wake: Callable[[], None]
    _told: set[str] = field(default_factory=set)
    """The notifications that were taken in here; what another responder did, the inbox knows."""

    def once(self) -> bool:
        """Look once; there is never more to do at once."""
        ended = watch_over(self.store, self.stack, self.environments)
        ended = tell_notices(self.store, self.stack, self.environments) or ended
        for environment in self.environments:
            found = notifications(overran(self.store, environment))
            if new := [each for each in found if each.id not in self._told]:
                take(self.store, self.rules_of(environment), new)
                self._told |= {each.id for each in new}
                ended = True
        if ended:
            self.wake()
        return False
