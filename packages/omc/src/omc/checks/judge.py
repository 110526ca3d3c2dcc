"""Each check gets the facts that its parameters name; where one could not be read, its answer is *unknown*."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import MORNING_CHECKS
from omc.errors import AccessDenied, OmcError, contained
from omc.facts.collector import NO_READING, Reading, Readings, Unavailable, arguments_from

Check: TypeAlias = "Callable[..., Iterator[Finding]]"


def name_of(check: Check) -> str:
    """``services_running`` is the check ``services-running``."""
    return check.__name__.replace("_", "-")


def judge(
    checks: Iterable[Check],
    readings: Readings,
    known: Mapping[type, Any],
    otherwise: Procedure = MORNING_CHECKS,
) -> list[Finding]:
    """The findings of every check, in the checks' order; ``otherwise`` answers what could not be read."""
    return [finding for check in checks for finding in _findings(check, readings, known, otherwise)]


def _findings(check: Check, readings: Readings, known: Mapping[type, Any], otherwise: Procedure) -> Iterable[Finding]:
    arguments = arguments_from(check, {**readings, **known})
    for value in arguments.values():
        if isinstance(value, Unavailable):
            return [_unknown(check, "read", value.error, value.reading, otherwise)]
    try:
        return list(check(**arguments))
    except Exception as error:  # noqa: BLE001 - a mistake inside one check costs that check, never the report
        rests = [value.reading for value in arguments.values() if hasattr(value, "reading")]
        mistake = contained(f"the check {name_of(check)}", error)
        return [_unknown(check, "judged", mistake, rests[0] if rests else NO_READING, otherwise)]


def _unknown(check: Check, done: str, error: OmcError, reading: Reading, otherwise: Procedure) -> Finding:
    title = (check.__doc__ or name_of(check)).partition("\n")[0].rstrip(".")
    return Finding(
        check=name_of(check),
        level=Level.UNKNOWN,
        subject=title,
        sentence=error.message,
        evidence=(Evidence(f"could not be {done}: {title.lower()}", reading),),
        procedure=otherwise,
        unread=True,
        action=error.action if isinstance(error, AccessDenied) else "",
    )
