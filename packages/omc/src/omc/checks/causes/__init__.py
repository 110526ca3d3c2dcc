"""One cause, one finding: what several checks saw of one trouble becomes one answer, with the rest as its evidence.

``follow_up`` says what is worth reading now that something is wrong; ``explained`` folds findings into causes. Both are
pure. A healthy stack has nothing to follow up and nothing to explain: it doesn't even load what would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Finding, Level

__all__ = ["explained", "follow_up"]


def follow_up(findings: Iterable[Finding]) -> tuple[Callable[..., Any], ...]:
    """What names a cause and costs little, for the places where something is wrong. Empty for a healthy stack."""
    found = tuple(findings)
    if not any(map(_is_or_was_wrong, found)):
        return ()
    from omc.checks.causes.questions import follow_up as questions_for

    return questions_for(found)


def explained(
    findings: Iterable[Finding], readings: Mapping[type, Any], provided: Mapping[type, Any]
) -> tuple[Finding, ...]:
    """The findings with those that one cause explains folded into one. Causes come first; what no cause explains and
    what is fine stays as it is, in the order in which it came."""
    found = tuple(
        finding if finding.place else replace(finding, place=place_of_finding(finding)) for finding in findings
    )
    if not any(map(_is_or_was_wrong, found)):
        return found
    from omc.checks.causes.explain import explained as explained_findings

    return explained_findings(found, readings, provided)


def _is_or_was_wrong(finding: Finding) -> bool:
    return finding.level in (Level.WARN, Level.FAIL) or finding.is_past
