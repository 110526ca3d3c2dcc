"""Who is told? That follows from the severity; the incident's escalation does it."""

from __future__ import annotations

from omc.responder.pipeline.passing import Passing
from omc.responder.pipeline.situation import Join, Open, Raise, Reopen, Situation

STAGE = "route"
WHO = {
    1: "the whole on-call chain is paged at once",
    2: "the primary on-call is paged at once, then the chain",
    3: "the primary on-call is paged in business hours",
}
"""By severity (docs/runbook/incident-response.md#severity-levels)."""


def route(passing: Passing, situation: Situation) -> Passing:
    number = passing.incident
    view = situation.incidents.get(number) if number is not None else None
    severity, is_new = passing.the_facts().severity, view is None
    for effect in passing.effects:
        if isinstance(effect, Open | Reopen | Raise):
            severity, is_new = getattr(effect, "severity", view.severity if view else severity), True
    joined = any(isinstance(effect, Join) for effect in passing.effects)
    if is_new or view is None:
        return passing.step(STAGE, "passed", f"Incident {number} is a SEV-{severity}: {WHO[severity]}.")
    if not joined:
        return passing.step(STAGE, "passed", f"Incident {number} knows: nobody is paged again.")
    why = f"Incident {number} is open, a SEV-{view.severity}: it is told, and nobody is paged again."
    return passing.step(STAGE, "passed", why)
