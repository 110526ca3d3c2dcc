"""What may be asked about: the runbook's issues, an alarm, a place, or whatever is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Finding
from omc.checks.issues import ISSUES
from omc.config import Environment
from omc.errors import Unknown, WrongUse, did_you_mean


def is_asked_about(finding: Finding, symptom: str, environment: Environment) -> bool:
    """Whether a symptom is among what was asked about. Nothing asked: all are."""
    if not symptom:
        return True
    place = place_of_finding(finding)
    if issue := ISSUES.get(symptom):
        return any(place.startswith(begin) for begin in issue.places)
    names = {symptom, f"alarms/{symptom}", f"alarms/{environment.alarm_prefix}{symptom}"}
    return (
        place in names
        or place.startswith(f"{symptom.rstrip('/')}/")
        or finding.check == symptom
        or (place.rpartition("/")[2] == symptom)
    )


def require_known(symptom: str, findings: Iterable[Finding], environment: Environment) -> None:
    """Raises ``WrongUse`` for a symptom that is neither an issue nor anything that was looked at; ``Unknown`` where
    something couldn't be looked at, which may be it."""
    if not symptom or symptom in ISSUES:
        return
    everything = list(findings)
    if any(is_asked_about(each, symptom, environment) for each in everything):
        return
    places = sorted({place_of_finding(each) for each in everything if place_of_finding(each)})
    known = [*ISSUES, *places, *(each.partition("/")[2] for each in places)]
    unread = [each for each in everything if each.unread]
    if unread:
        raise Unknown(
            f'Whether anything in {environment.name} is called "{symptom}" is not known, since not all could be read: '
            f"{unread[0].sentence}"
        )
    raise WrongUse(
        f'Nothing that was looked at in {environment.name} is called "{symptom}".{did_you_mean(symptom, known)} '
        f"Issues: {', '.join(ISSUES)}; or a place or an alarm that the morning check names."
    )
