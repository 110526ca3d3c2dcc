"""How sure each cause is, and what to do next. Pure; the figures and the steps are data beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files

from omc.checks.causes.explain import Explained, Explanation, is_its_deployment
from omc.checks.causes.heard import about, heard
from omc.checks.causes.model import Cause
from omc.checks.causes.places import place_of_finding
from omc.checks.finding import Evidence, Finding, Level
from omc.config import Environment
from omc.diagnosis.graph import path, reaches_users
from omc.diagnosis.kinds import KINDS, Kind, blind
from omc.diagnosis.model import Action, NotSeen, RankedCause, RuledOut
from omc.facts.collector import Readings, Unavailable
from omc.facts.dependencies import Dependencies
from omc.facts.followup.data_stores import DataStores
from omc.facts.followup.group_rules import GroupRules
from omc.times import format_time

JUST_BEFORE = timedelta(minutes=30)
"""A change so long before the first bad reading may have brought it."""


MOST_AGAINST = 2
"""So many contradictions count; a cause with more is as unlikely."""
WHO_USES = (GroupRules, DataStores)
"""Without these any service may need the database, or the cache (``paths.may_use``)."""


@dataclass(frozen=True, slots=True)
class _Weights:
    begins: Mapping[str, float]
    changes: Mapping[str, float]


@cache
def _weights() -> _Weights:
    read = tomllib.loads((files("omc.diagnosis") / "confidence.toml").read_text())
    return _Weights(read["begins"], read["changes"])


@cache
def _actions() -> tuple[tuple[tuple[str, ...], str, str], ...]:
    read = tomllib.loads((files("omc.diagnosis") / "actions.toml").read_text())
    return tuple((tuple(each["causes"]), each["sentence"], each["command"]) for each in read["action"])


def ranked(explanation: Explanation, environment: Environment, readings: Readings) -> tuple[RankedCause, ...]:
    """The causes, the likeliest first; of those that are as likely, the deeper."""
    made = [_ranked(each, explanation, environment, readings) for each in explanation.causes]
    return tuple(sorted(made, key=lambda each: (each.finding.is_past, -_level(each.finding), -each.score)))


def _level(finding: Finding) -> int:
    return tuple(Level).index(finding.level)


def _ranked(
    explained: Explained, explanation: Explanation, environment: Environment, readings: Readings
) -> RankedCause:
    cause = explained.cause
    weights = _weights()
    how = "told" if cause.heard else "read" if cause.is_direct else "concluded"
    score, reasons = weights.begins[how], [_HOW[how]]
    against = tuple(_against(explained, explanation))
    unread = [kind.title for kind in _kinds_of(cause.name) if _missing(kind, readings)]
    if cause.place in ("database", "cache") and any(isinstance(readings.get(one), Unavailable) for one in WHO_USES):
        unread.append(f"who uses the {cause.place}")
    for name, number in (
        ("reaches_users", int(reaches_users(explained.possible))),
        ("explains_more", int(len(explained.possible) >= 3)),
        ("changed_just_before", int(_changed_before(explained))),
        ("explains_nothing", int(not explained.possible and not cause.ended)),
        ("contradicted", min(len(against), MOST_AGAINST)),
        ("unread", int(bool(unread))),
        ("is_over", int(cause.ended is not None)),
    ):
        if number:
            score += weights.changes[name] * number
            reasons.append(_REASONS[name].format(number=len(explained.possible)))
    settled_by = "" if cause.is_direct and not against else _settled_by(unread)
    return RankedCause(
        explained,
        round(min(0.99, max(0.05, score)), 2),
        path(explained, environment, _reporting(explanation, readings)),
        tuple(reasons),
        against,
        action_for(explained, environment),
        settled_by,
    )


def _reporting(explanation: Explanation, readings: Readings) -> dict[str, list[str]]:
    """By place, the services whose status pages or logs report it."""
    pages = readings.get(Dependencies)
    found: dict[str, list[str]] = {}
    for page in pages.found if isinstance(pages, Dependencies) else ():
        if page.bad:
            found.setdefault(page.place, []).append(page.service)
    situation = explanation.situation
    for kind in ("database", "cache") if situation else ():
        logged_errors = about(getattr(situation.stores, kind), kind, heard(situation)) if situation else []
        found.setdefault(kind, []).extend(each.service for each in logged_errors if each.service)
    return found


_HOW = {
    "read": "the thing itself was read",
    "concluded": "it follows from several readings",
    "told": "services say so",
}
_REASONS = {
    "reaches_users": "what users suffer may come from it",
    "explains_more": "{number} findings may come from it",
    "changed_just_before": "somebody changed it just before",
    "explains_nothing": "nothing that was found can come from it",
    "contradicted": "something speaks against it",
    "unread": "what would show it could not all be read",
    "is_over": "it is over",
}


def _changed_before(explained: Explained) -> bool:
    """Whether a change of the very thing is among its evidence (``Situation.by_whom``)."""
    return any(" by " in each.text and " ago (" in each.text for each in explained.cause.evidence)


def _against(explained: Explained, explanation: Explanation) -> Iterator[str]:
    """What a cause at this place would also have shown, and what was read otherwise."""
    cause = explained.cause
    if cause.ended is not None:
        return
    yield from cause.doubts
    for finding in explanation.findings:
        if finding.check == "dependencies" and finding.level is Level.OK and cause.place in ("database", "cache"):
            if f" {cause.place}" in f" {finding.sentence}" and not cause.is_direct:
                yield finding.sentence
        elif (
            finding.check == "services-running"
            and finding.level is Level.OK
            and cause.place == place_of_finding(finding)
            and cause.level is Level.FAIL
            and not cause.is_direct
        ):
            yield finding.sentence
    for finding in explained.possible:
        if _is_before(finding, cause) and not _is_of_another(finding, explained, explanation):
            yield f"{place_of_finding(finding)} was ill before: {finding.sentence}"


def _is_before(finding: Finding, cause: Cause) -> bool:
    """Whether it was ill before the cause was there."""
    is_before = finding.since and cause.since and finding.since < cause.since - timedelta(minutes=1)
    return bool(is_before) and not is_its_deployment(cause, finding)


def _is_of_another(finding: Finding, explained: Explained, explanation: Explanation) -> bool:
    """Whether an earlier cause may have brought it about."""
    others = (each for each in explanation.causes if each is not explained and not each.cause.yields)
    return any(
        any(possible is finding for possible in each.possible) and not _is_before(finding, each.cause)
        for each in others
    )


def _settled_by(unread: Sequence[str]) -> str:
    return f"reading {', '.join(unread)}" if unread else ""


def action_for(explained: Explained, environment: Environment) -> Action:
    """The next step for a cause: what its own evidence gives, else what the table says of its name."""
    cause = explained.cause
    if cause.procedure and cause.procedure.command:
        return Action(f"{cause.procedure.title}.", cause.procedure.command)
    service = next(iter(sorted(cause.services or ())), "")
    if not service and cause.place.startswith("services/"):
        service = cause.place.partition("/")[2]
    if not service:
        service = next(
            (
                place.partition("/")[2]
                for place in map(place_of_finding, explained.symptoms)
                if place.startswith("services/")
            ),
            "",
        )
    for names, sentence, command in _actions():
        if any(cause.name.startswith(name) for name in names):
            filled = command.format(env=environment.name, service=service, subject=cause.subject)
            return Action(sentence, filled.rstrip())
    raise AssertionError(cause.name)  # the last row of the table fits all


def _kinds_of(name: str) -> list[Kind]:
    return [kind for kind in KINDS if any(name.startswith(begin) for begin in kind.names)]


def _missing(kind: Kind, readings: Readings) -> list[Unavailable]:
    return [value for fact in kind.facts if isinstance(value := readings.get(fact), Unavailable)]


def looked_for(
    explanation: Explanation, symptoms: Iterable[Finding], environment: Environment, readings: Readings
) -> tuple[tuple[RuledOut, ...], tuple[NotSeen, ...]]:
    """What was ruled out, and what could not be seen, of the kinds that could bring about these symptoms."""
    places = [place_of_finding(each) for each in symptoms]
    names = [each.cause.name for each in explanation.causes]
    names += [station.name for each in explanation.causes for station in each.stations]
    names += explanation.yielded
    out: list[RuledOut] = []
    unseen: list[NotSeen] = []
    for kind in KINDS:
        if not any(place.startswith(begin) for place in places for begin in kind.hurts):
            continue
        if any(name.startswith(begin) for name in names for begin in kind.names):
            continue
        if why := [*(each.error.message for each in _missing(kind, readings)), *blind(kind, readings)]:
            unseen.append(NotSeen(kind.title, " ".join(dict.fromkeys(why))))
        elif kind.names and all(fact in readings for fact in kind.facts):
            out.append(RuledOut(kind.title, _evidence(kind, environment, readings)))
    return tuple(out), tuple(unseen)


def _evidence(kind: Kind, environment: Environment, readings: Readings) -> Evidence:
    reading = readings[kind.facts[0]].reading
    calls = list(dict.fromkeys(f"{call.service} {call.operation}" for call in reading.calls))
    at = format_time(reading.at, environment.time_zone)
    return Evidence(f"{', '.join(calls) or 'what was read'} at {at}", reading)
