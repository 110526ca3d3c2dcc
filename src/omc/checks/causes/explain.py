"""From the findings of many checks to one finding a cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from omc.checks.causes.places import place_of
from omc.checks.finding import Evidence, Finding, Level, worst
from omc.facts.collector import UNREAD, Readings

ORDER = ("failed-tasks", "rollouts", "task-starts", "services-running")
"""Of one service's findings, the one that says most of why goes first."""


def explained(
    findings: Iterable[Finding],
    readings: Readings,  # noqa: ARG001 - the causes that follow rest on them
    given: Mapping[type, Any],  # noqa: ARG001
) -> tuple[Finding, ...]:
    """The findings with those that one cause explains folded into one, in the order in which they came."""
    everything = tuple(findings)
    services: dict[str, list[Finding]] = {}
    for finding in everything:
        if finding.check in ORDER and finding.level in (Level.WARN, Level.FAIL) and not finding.ended:
            services.setdefault(place_of(finding), []).append(finding)
    folded: list[Finding] = []
    for finding in everything:
        together = services.get(place_of(finding), [])
        if len(together) < 2 or finding not in together:
            folded.append(finding)
        elif finding is together[0]:
            folded.append(_together(together))
    return tuple(folded)


def _together(findings: Sequence[Finding]) -> Finding:
    first, *others = sorted(findings, key=lambda finding: ORDER.index(finding.check))
    told = tuple(
        Evidence(finding.sentence, finding.evidence[0].reading if finding.evidence else UNREAD) for finding in others
    )
    begun = [finding.since for finding in findings if finding.since]
    return replace(
        first,
        level=worst(findings),
        place=place_of(first),
        evidence=(*first.evidence, *told),
        since=min(begun, default=None),
        explains=tuple(others),
    )
