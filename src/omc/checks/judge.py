"""Each check gets the facts that its parameters name; where one could not be read, its answer is *unknown*."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MORNING_CHECKS
from omc.errors import AccessDenied
from omc.facts.collector import Readings, Unreadable, needs

Check: TypeAlias = "Callable[..., Iterator[Finding]]"


def name_of(check: Check) -> str:
    """``services_running`` is the check ``services-running``."""
    return check.__name__.replace("_", "-")


def judge(checks: Iterable[Check], readings: Readings, given: Mapping[type, Any]) -> list[Finding]:
    """The findings of every check, in the checks' order."""
    return [finding for check in checks for finding in _findings(check, readings, given)]


def _findings(check: Check, readings: Readings, given: Mapping[type, Any]) -> Iterable[Finding]:
    arguments = {name: given[kind] if kind in given else readings[kind] for name, kind in needs(check).items()}
    for value in arguments.values():
        if isinstance(value, Unreadable):
            return [_unknown(check, value)]
    return check(**arguments)


def _unknown(check: Check, missing: Unreadable) -> Finding:
    title = (check.__doc__ or name_of(check)).partition("\n")[0].rstrip(".")
    error = missing.error
    return Finding(
        check=name_of(check),
        level=Level.UNKNOWN,
        subject=title,
        sentence=error.message,
        evidence=(Evidence(f"could not be read: {title.lower()}", missing.reading),),
        procedure=MORNING_CHECKS,
        unread=True,
        action=error.action if isinstance(error, AccessDenied) else "",
    )
