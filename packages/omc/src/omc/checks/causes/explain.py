"""From the findings of many checks to one finding for each cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from omc.checks.cache import NAME as ITEMS
from omc.checks.causes.balancers_closed import closed_to_users
from omc.checks.causes.cache import cache_trouble
from omc.checks.causes.changes import changed_before, failing_since_release, throttled
from omc.checks.causes.database import database_trouble
from omc.checks.causes.demand import held_back, noisy, surging
from omc.checks.causes.dependencies import ill_dependencies
from omc.checks.causes.deviations import CHECKS, is_same_thing, not_as_expected
from omc.checks.causes.entrance import not_led, taken_away
from omc.checks.causes.heard import heard, is_about, is_of_another
from omc.checks.causes.keep_alive import ended_too_soon
from omc.checks.causes.model import LIVE, Cause, Situation
from omc.checks.causes.paths import may_use
from omc.checks.causes.places import OF_SERVICES, depth_of, place_of_finding, service_at, suffers, watched_by
from omc.checks.causes.questions import is_trouble
from omc.checks.causes.releases import slowed_by_release
from omc.checks.causes.rollout import stuck, unplaced
from omc.checks.causes.servers import misdirected, misnamed, unreached
from omc.checks.causes.stops import killed_at_stop, stopped_on_purpose
from omc.checks.causes.tasks import failing_tasks
from omc.checks.causes.tasks_closed import closed_tasks
from omc.checks.finding import Evidence, Finding, Level, worst
from omc.config import Environment
from omc.facts.alarms import Alarm, Alarms
from omc.facts.collector import NO_READING, Readings
from omc.facts.logs import RecentErrors

CAUSES: tuple[Callable[[Situation], Iterator[Cause]], ...] = (
    misdirected,
    misnamed,
    database_trouble,
    cache_trouble,
    closed_to_users,
    not_as_expected,
    not_led,
    taken_away,
    closed_tasks,
    failing_tasks,
    slowed_by_release,
    unreached,
    unplaced,
    stopped_on_purpose,
    killed_at_stop,
    stuck,
    ill_dependencies,
    throttled,
    noisy,
    ended_too_soon,
    failing_since_release,
    surging,
    held_back,
    changed_before,
)
AT_ONCE = frozenset(
    {
        *("database-password", "database-schema", "database-wrong-name", "database-read-only"),
        *("database-connection-limit", "database-storage-full", "database-transaction-ids", "cache-login"),
        "cache-encryption",
        *("database-wrong-address", "cache-wrong-address", "database-down", "cache-down"),
    }
)
"""Causes that are answered at once, by an error: nobody waits for them."""
SLOW = frozenset({"task-hangs", "release-slow"})
"""What comes of waiting."""
SHUT = frozenset({"tasks-closed", "tasks-denied"})
"""Nothing gets to the tasks: that they give the load balancer no answer comes of it, at the same place."""
CAUSES_THAT_YIELD = (
    *("stopped-by-aws", "stopped-by-person", "stop-timeout", "stopped-by-scaling", "aws-throttles"),
    *("deployment-stuck", "scaling-suspended", "dependency-down", "dependency-slow", "noisy-client"),
    *("keep-alive-too-short", "release-errors", "traffic-surge", "scaling-capped", "changed-just-before"),
)
"""The names of those that take only what is left: what was read before what may be a coincidence."""
SLACK = timedelta(minutes=2)
"""A symptom that began this long before a cause can still come from it: readings come by the minute."""
ECHO = timedelta(seconds=30)
"""How long after a task's end its words may still arrive."""
AFTER = timedelta(minutes=5)
"""A cause that is over explains what was over within this time after it."""
TELL_WHAT_HAPPENED = frozenset({"failed-tasks", "task-starts", "rollouts"})
"""Checks that report what has happened, not the present state."""
OF_ALL = frozenset({"error-rate", "alarms"})
"""Checks of what is counted of all services together."""
OWN_CAUSE = frozenset({"pending-changes", "metrics-fresh", "backups-verified"})
ORDER = ("failed-tasks", "rollouts", "task-starts", "services-running")
"""Of one service's findings without a known cause, the one that says most of why goes first."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One root cause with what it brings about."""

    cause: Cause
    stations: tuple[Cause, ...]
    """Causes at services that this one is behind."""
    symptoms: tuple[Finding, ...]
    finding: Finding
    """All of it as one finding."""
    shared: tuple[Finding, ...] = ()
    """Symptoms that it brings about too, and that are told of a deeper cause."""
    possible: tuple[Finding, ...] = ()
    """All symptoms that may come from it, whichever cause they are told of."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was wrong, by its causes."""

    situation: Situation | None
    """None where nothing is or was wrong."""
    findings: tuple[Finding, ...]
    """All that was found, each with its place."""
    causes: tuple[Explained, ...]
    """Root causes, the deepest first; what is before what was."""
    rest: tuple[Finding, ...]
    """What no cause explains, and what is fine."""
    yielded: tuple[str, ...] = ()
    """Names of causes that are there and aren't told, since others explain all that they could: not ruled out."""


def explained(findings: Iterable[Finding], readings: Readings, provided: Mapping[type, Any]) -> tuple[Finding, ...]:
    """The findings with those that one cause explains folded into one. Causes come first; what no cause explains and
    what is fine stays as it is, in the order in which it came."""
    explanation = explain(findings, readings, provided)
    return (*(each.finding for each in explanation.causes), *explanation.rest)


def explain(findings: Iterable[Finding], readings: Readings, provided: Mapping[type, Any]) -> Explanation:
    """The causes of what was found, each with its symptoms, and the rest."""
    everything = tuple(
        finding if finding.place else replace(finding, place=place_of_finding(finding)) for finding in findings
    )
    situation = Situation.of(everything, readings, provided)
    if situation is None or not any(is_trouble(finding) or finding.ended for finding in everything):
        return Explanation(situation, everything, (), tuple(_folded(everything, situation)))
    found = fact.alarms if (fact := situation.fact(Alarms)) else ()
    causes = _ranked(_once([cause for look in CAUSES for cause in look(situation)]))
    symptoms = [finding for finding in everything if _is_symptom(finding)]
    taken: dict[int, list[Finding]] = {number: [] for number in range(len(causes))}
    shared: dict[int, list[Finding]] = {number: [] for number in range(len(causes))}
    possible: dict[int, list[Finding]] = {number: [] for number in range(len(causes))}
    ill = frozenset(service for each in symptoms if (service := _whose_users(each, situation.environment)))
    for finding in symptoms:
        able = [number for number, cause in enumerate(causes) if _explains(cause, finding, situation, found)]
        able.sort(
            key=lambda number: (
                _spares_all(causes[number], finding, ill),
                causes[number].yields,
                causes[number].ended is not None,
                _takes_late(causes[number], finding),
                number,
            )
        )
        for number in able:
            possible[number].append(finding)
        for owner in able[:1]:
            taken[owner].append(finding)
        for other in able[1:]:
            is_shared = not causes[other].yields and _shares(causes[other], finding)
            if is_shared and not _spares_all(causes[other], finding, ill):
                shared[other].append(finding)
    kept = [number for number, cause in enumerate(causes) if taken[number] or not cause.yields]
    yielded = tuple(cause.name for number, cause in enumerate(causes) if number not in kept and possible[number])
    causes, taken = [causes[number] for number in kept], dict(enumerate(taken[number] for number in kept))
    roots = tuple(
        replace(root, possible=tuple(possible[kept[number]]), shared=tuple(shared[kept[number]]))
        for number, root in _stations(causes, taken, situation)
    )
    gone = {id(each) for some in taken.values() for each in some}
    rest = [finding for finding in everything if id(finding) not in gone]
    return Explanation(situation, everything, roots, tuple(_folded(rest, situation, found)), yielded)


def _whose_users(finding: Finding, environment: Environment) -> str:
    place = place_of_finding(finding)
    return service_at(place, environment) if place.startswith("users/") else ""


def _spares_all(cause: Cause, finding: Finding, ill: frozenset[str]) -> bool:
    """Whether it is at services whose users are served, while those of others aren't: what is counted of all services
    together comes of those."""
    if cause.services is None or not ill or finding.check not in OF_ALL:
        return False
    return place_of_finding(finding).partition("/")[0] in ("load-balancer", "alarms") and not cause.services & ill


def _is_symptom(finding: Finding) -> bool:
    if is_trouble(finding) or (finding.ended and finding.level in (Level.WARN, Level.FAIL)):
        return finding.check not in OWN_CAUSE
    return (
        finding.level is Level.UNKNOWN
        and not finding.action
        and (finding.check == ITEMS or place_of_finding(finding).startswith(("data-fresh/", "users/")))
    )


def _once(causes: Sequence[Cause]) -> list[Cause]:
    """What two looks found is told once, by the first. What is only heard of, and not after what is over, is over."""
    over = {cause.about: cause.ended for cause in causes if cause.about and cause.ended}
    found: dict[object, Cause] = {}
    for cause in causes:
        ended = over.get(cause.about)
        if cause.heard and ended and cause.heard <= ended + ECHO:
            continue
        found.setdefault((cause.about, cause.ended is None) if cause.about else id(cause), cause)
    kept = list(found.values())
    return [cause for cause in kept if cause.is_direct or not any(_is_better(other, cause) for other in kept)]


def _is_better(other: Cause, cause: Cause) -> bool:
    """What was read at a place goes before what is concluded of it."""
    reaches = other.services is None or (cause.services or frozenset()) <= other.services
    stands = other.ended is None and cause.ended is None and other.is_direct
    return stands and reaches and cause.place in ("database", "cache") and cause.place in (other.place, *other.also)


def _ranked(causes: Sequence[Cause]) -> list[Cause]:
    """The deepest before what it may bring about; what was read before what is concluded; what is before what was; what
    may be a coincidence last, in the order of ``CAUSES``."""
    return sorted(
        causes,
        key=lambda cause: (
            cause.ended is not None,
            CAUSES_THAT_YIELD.index(cause.name) if cause.yields else -1,
            -depth_of(cause.place),
            cause.place == "cache",  # what the database can explain it does: a service mostly lives without its cache
            not cause.is_direct,
        ),
    )


def _explains(cause: Cause, finding: Finding, situation: Situation, alarms: Iterable[Alarm]) -> bool:
    place = place_of_finding(finding)
    if finding.check == ITEMS:
        return cause.place == "cache"
    if cause.ended and finding.ended is None and not _is_its_own(cause, finding, place):
        return False
    if finding.check in CHECKS:
        return is_same_thing(cause, finding)
    if cause.checks is not None and finding.check not in cause.checks:
        return False
    if cause.serves and cause.place not in (place, *_watched(place, situation.environment, alarms)):
        return False
    if cause.ended and finding.check not in OF_SERVICES:
        return _was_then(cause, finding) and place in (f"logs/{each}" for each in _logs_of(cause, situation))
    if cause.ended is None and finding.ended is not None and finding.check not in OF_SERVICES:
        return False
    if finding.since and cause.since and finding.since < cause.since - SLACK and not is_its_deployment(cause, finding):
        return False
    if finding.check == "recent-errors" and not _may_log(cause, finding, situation):
        return False
    service = service_at(place, situation.environment)
    if cause.services is not None and service and service not in cause.services:
        return False
    if service and not may_use(situation, service, cause.place):
        return False
    return place in cause.also or suffers(place, cause.place, situation.environment, alarms)


def is_its_deployment(cause: Cause, finding: Finding) -> bool:
    """A deployment that fails does so from its start on, and is known to when its tasks have failed."""
    return finding.check == "rollouts" and place_of_finding(finding) == cause.place and not cause.yields


def _takes_late(cause: Cause, finding: Finding) -> bool:
    """Whether a symptom comes from it only if nothing else explains it."""
    return _is_lived_with(cause) and place_of_finding(finding) != cause.place


def _is_lived_with(cause: Cause) -> bool:
    """A service mostly lives without its cache and without servers of others, and while old tasks serve."""
    return cause.place == "cache" or cause.name.startswith("server-") or cause.spares_users


def _shares(cause: Cause, finding: Finding) -> bool:
    """Whether a symptom that is told of another cause lies on this one's path too."""
    return not _is_lived_with(cause) and cause.ended is None and finding.check not in CHECKS


def _is_its_own(cause: Cause, finding: Finding, place: str) -> bool:
    """What is over takes nothing that goes on, but what was told of itself before it was known to be over."""
    return (
        place == cause.place
        and finding.check in TELL_WHAT_HAPPENED
        and (finding.check == "failed-tasks" or finding.level is Level.WARN)
    )


def _watched(place: str, environment: Environment, alarms: Iterable[Alarm]) -> Iterator[str]:
    """What an alarm watches; of another place nothing."""
    for alarm in alarms:
        if place == f"alarms/{alarm.name}":
            yield from watched_by(alarm, environment)


def _was_then(cause: Cause, finding: Finding) -> bool:
    """Whether what is over was there while the cause was."""
    if cause.ended is None or finding.ended is None:
        return False
    return (
        finding.ended >= (cause.since or cause.ended) - SLACK
        and (finding.since or finding.ended) <= cause.ended + AFTER
    )


def _logs_of(cause: Cause, situation: Situation) -> Iterator[str]:
    for service in situation.environment.services:
        if cause.services is None or service.name in cause.services:
            yield service.log_group


def _may_log(cause: Cause, finding: Finding, situation: Situation) -> bool:
    """Lines that are all about one store are not brought about by the other, nor those of another dependency by
    either."""
    other = {"database": "cache", "cache": "database"}.get(cause.place)
    errors = situation.fact(RecentErrors)
    known = {each.place for each in situation.findings if each.check == "dependencies" and "/" not in each.place}
    lines = [
        group.sample
        for group in (errors.groups if errors else ())
        if group.log_group == finding.subject and situation.scope.now - group.last <= LIVE
    ]
    if other and lines and all(is_of_another(line, known - {"", "database", "cache"}) for line in lines):
        return False
    reports = [each.message for each in heard(situation) if each.log_group == finding.subject]
    return (
        not other or not reports or not all(is_about(getattr(situation.stores, other), other, each) for each in reports)
    )


def _stations(
    causes: Sequence[Cause], taken: Mapping[int, list[Finding]], situation: Situation
) -> Iterator[tuple[int, Explained]]:
    """By number: a cause at a service whose tasks fail for what is wrong with a store is a station of that one's."""
    normalised: set[int] = set()
    below: dict[int, list[Cause]] = {}
    for number, cause in enumerate(causes):
        deeper = next(
            (
                other
                for other in (*range(number), *_named(causes, cause, number))
                if other not in normalised and _brings_about(causes[other], cause, situation)
            ),
            None,
        )
        if deeper is not None:
            normalised.add(number)
            below.setdefault(deeper, []).append(cause)
    for number, cause in enumerate(causes):
        if number in normalised:
            continue
        stations = below.get(number, [])
        symptoms = [*taken[number], *(each for n in normalised for each in taken[n] if causes[n] in stations)]
        finding = _finding(cause, stations, symptoms, situation)
        yield number, Explained(cause, tuple(stations), tuple(symptoms), finding)


def _named(causes: Sequence[Cause], cause: Cause, number: int) -> Iterator[int]:
    """Later ones at the very place that a cause names."""
    yield from (other for other in range(number + 1, len(causes)) if causes[other].place == cause.based_on != "")


def _brings_about(deeper: Cause, cause: Cause, situation: Situation) -> bool:
    if deeper.ended or cause.ended:
        return False
    if deeper.name in SHUT and cause.name == "task-hangs" and cause.place in (deeper.place, *deeper.also):
        return True
    if depth_of(deeper.place) <= depth_of(cause.place):
        return False
    if cause.based_on not in ("", deeper.place) or deeper.serves:
        return False
    if _is_lived_with(deeper) and not cause.based_on and not deeper.place.startswith("services/"):
        return False
    if cause.is_direct or (deeper.services is not None and cause.services and not deeper.services & cause.services):
        return False
    if deeper.since and cause.since and cause.since < deeper.since - SLACK:
        return False
    if not all(may_use(situation, service, deeper.place) for service in cause.services or ()):
        return False
    if deeper.name in AT_ONCE and cause.name in SLOW:
        return False
    return suffers(cause.place, deeper.place, situation.environment)


def _finding(cause: Cause, stations: Sequence[Cause], symptoms: Sequence[Finding], situation: Situation) -> Finding:
    started = [each for each in (cause.since, *(finding.since for finding in symptoms)) if each]
    evidences = [Evidence(each.sentence, _reading(each)) for each in symptoms if each.sentence != cause.sentence]
    on_the_way = [
        Evidence(each.sentence, each.evidence[0].reading if each.evidence else NO_READING) for each in stations
    ]
    level = worst([Finding("", cause.level, "", ""), *(each for each in symptoms if each.level is not Level.UNKNOWN)])
    return Finding(
        check=cause.name,
        level=Level.WARN if cause.ended else level,
        subject=cause.subject,
        sentence=cause.sentence,
        evidence=(*cause.evidence, *on_the_way, *evidences, *(Evidence(text, NO_READING) for text in situation.unread)),
        procedure=cause.procedure,
        place=cause.place,
        since=cause.since or min(started, default=None),
        ended=cause.ended,
        explains=tuple(each for each in symptoms if each.sentence != cause.sentence),
    )


def _reading(finding: Finding) -> Any:
    return finding.evidence[0].reading if finding.evidence else NO_READING


def _folded(
    findings: Sequence[Finding], situation: Situation | None, alarms: Iterable[Alarm] = ()
) -> Iterator[Finding]:
    """What no cause explains: at each service, and along the way from users to it, the deepest finding has the others
    as its evidence. It says its symptom, and what could be looked at."""
    open_ = [finding for finding in findings if is_trouble(finding) and finding.check not in OWN_CAUSE | CHECKS]
    ordered = sorted(open_, key=_depth, reverse=True)
    owner: dict[int, Finding] = {}
    for finding in ordered:
        for deeper in ordered:
            if deeper is finding or id(deeper) in owner or _depth(deeper) < _depth(finding):
                continue
            if _depth(deeper) == _depth(finding) and place_of_finding(deeper) != place_of_finding(finding):
                continue
            if ordered.index(deeper) < ordered.index(finding) and _is_below(deeper, finding, situation, alarms):
                owner[id(finding)] = deeper
                break
    for finding in findings:
        if id(finding) in owner:
            continue
        mine = [each for each in ordered if owner.get(id(each)) is finding]
        yield _with_symptoms(finding, mine, situation) if mine else finding


def _depth(finding: Finding) -> tuple[int, int]:
    rank = -ORDER.index(finding.check) if finding.check in ORDER else -len(ORDER)
    return depth_of(place_of_finding(finding)), rank


def _is_below(deeper: Finding, finding: Finding, situation: Situation | None, alarms: Iterable[Alarm]) -> bool:
    if place_of_finding(deeper) == place_of_finding(finding):
        return deeper.check in ORDER and finding.check in ORDER
    if situation is None or (deeper.level is Level.WARN and finding.level is Level.FAIL):
        return False
    if finding.since and deeper.since and finding.since < deeper.since - SLACK:
        return False
    return place_of_finding(deeper).startswith(("services/", "targets/", "database", "cache")) and suffers(
        place_of_finding(finding), place_of_finding(deeper), situation.environment, alarms
    )


def _with_symptoms(finding: Finding, symptoms: Sequence[Finding], situation: Situation | None) -> Finding:
    started = [each.since for each in (finding, *symptoms) if each.since]
    unread = [Evidence(text, NO_READING) for text in situation.unread] if situation else []
    return replace(
        finding,
        level=worst([finding, *symptoms]),
        evidence=(*finding.evidence, *(Evidence(each.sentence, _reading(each)) for each in symptoms), *unread),
        since=min(started, default=None),
        is_under_way=finding.is_under_way and all(each.is_under_way for each in symptoms),
        explains=tuple(symptoms),
    )
