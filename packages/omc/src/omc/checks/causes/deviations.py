"""Something that isn't as it should be is itself a cause: a listener's rule that is gone, a service scaled to zero.

It is no symptom of anything else, unless another cause says the same about the same thing: a missing rule of a security
group is why the database is closed.
"""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.causes.demand import is_held_otherwise
from omc.checks.causes.model import Cause, Situation
from omc.checks.causes.places import place_of_finding
from omc.checks.expected import NAME, USERS
from omc.checks.finding import Finding, Level

CHECKS = frozenset({NAME, USERS})
ON_THE_WAY = ("services/", "targets/", "load-balancer")
"""Places that users come through: what is gone there explains what they see."""


def not_as_expected(situation: Situation) -> Iterator[Cause]:
    """Each failure on the way from users to tasks."""
    for finding in situation.findings:
        place = place_of_finding(finding)
        if finding.check == USERS and finding.level is Level.FAIL and place.startswith(ON_THE_WAY):
            yield Cause(
                name=finding.check,
                place=place,
                subject=finding.subject,
                sentence=finding.sentence,
                evidence=finding.evidence,
                procedure=finding.procedure,
                since=finding.since,
            )


def is_same_thing(cause: Cause, finding: Finding) -> bool:
    """Whether the cause says the same as this finding of something that isn't as it should be."""
    if cause.name in CHECKS:
        return cause.sentence == finding.sentence
    if cause.name.endswith("-closed"):
        groups = {word for word in cause.sentence.split() if word.startswith("sg-")}
        return any(group in evidence.text for group in groups for evidence in finding.evidence)
    if is_held_otherwise(cause, finding):
        return True
    if place_of_finding(finding) in cause.also and " is gone" in finding.sentence:
        return True  # a secret that tasks can't read
    return (
        place_of_finding(finding) == cause.place
        and cause.place in ("database", "cache")
        and " is gone" in finding.sentence
    )
