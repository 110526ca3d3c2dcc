"""A listener or a rule that leads nowhere is why users don't get what they ask for."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.causes.model import Cause, Situation
from omc.checks.causes.places import place_of
from omc.checks.finding import Level

CHECK = "listeners"
PLACE = "load-balancer"


def not_led(situation: Situation) -> Iterator[Cause]:
    """The first failure of the listeners, unless what should be there says it better: with who changed it, and when."""
    failed = [one for one in situation.findings if place_of(one) == PLACE and one.level is Level.FAIL and not one.ended]
    if any(one.check.startswith("expected") for one in failed):
        return
    names = {service.name for service in situation.environment.services}
    broken = [one for one in failed if one.check == CHECK]
    for finding in broken[:1]:
        hurt = {one.subject for one in broken}
        yield Cause(
            name=CHECK,
            place=PLACE,
            subject=finding.subject,
            sentence=finding.sentence,
            evidence=finding.evidence,
            procedure=finding.procedure,
            services=frozenset(hurt) if hurt <= names else None,
        )
