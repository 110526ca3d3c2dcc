"""Has somebody said that nobody is to be told? A silence holds what fires while it lasts."""

from __future__ import annotations

from omc.responder.alerts import Hold, labels_of
from omc.responder.pipeline.passing import Passing, utc
from omc.responder.pipeline.situation import LookAgain, Situation, UseSilence

STAGE = "silence"


def silence(passing: Passing, situation: Situation) -> Passing:
    facts = passing.the_facts()
    labels = labels_of(facts, passing.notification)
    active = [each for each in situation.silences.values() if each.is_active(passing.now)]
    found = [each for each in active if each.matches(labels)]
    if not found:
        why = "No silence is active." if not active else f"None of {len(active)} active silences matches."
        return passing.step(STAGE, "passed", why)
    # The one that lasts longest: what ends before it would only hand the alert on.
    longest = max(found, key=lambda each: (each.until, -each.number))
    why = f"Held by {longest.title}, until {utc(longest.until)}: {longest.reason.strip().rstrip('.')}."
    held = passing.held(STAGE, Hold("silence", str(longest.number), longest.until), why)
    if not longest.first_used:
        held = held.then(UseSilence(longest.number, passing.key, facts.name))
    return held.then(LookAgain(passing.key, longest.until))
