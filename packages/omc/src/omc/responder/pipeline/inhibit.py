"""Is it explained by another one? What follows from an alert that people know of already is held while that one fires.

Only what is at least as bad may hold another: an alert that is worse than its cause is told, in the cause's incident.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from omc.responder.alerts import Hold
from omc.responder.pipeline.passing import Passing
from omc.responder.pipeline.situation import LookAgain, Situation

STAGE = "inhibit"
LOOK_AGAIN = timedelta(minutes=15)
"""A cause that ends releases what it holds; this is for one whose incident people resolved while it fires."""


def inhibit(passing: Passing, situation: Situation) -> Passing:
    facts = passing.the_facts()
    causes = list(situation.causes_of(passing.key, facts, passing.notification))
    if not causes:
        return passing.step(STAGE, "passed", "Nothing that fires in an open incident explains it.")
    for cause, view in causes:
        if cause.facts is not None and min(cause.facts.severity, view.severity) <= facts.severity:
            why = f"{cause.facts.name} explains it, of which incident {view.number} knows: held while that one fires."
            at = passing.now + LOOK_AGAIN
            return passing.held(STAGE, Hold("inhibition", cause.key, at), why).then(LookAgain(passing.key, at))
    cause, view = causes[0]
    name = cause.facts.name if cause.facts else cause.key
    why = f"{name} explains it, but it is worse than that one: incident {view.number} is told."
    return replace(passing.step(STAGE, "passed", why), incident=view.number)
