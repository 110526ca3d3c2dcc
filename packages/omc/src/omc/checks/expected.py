"""Compares what should be there (services, ways in, alerts, and what keeps all of it safe) with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import INFRASTRUCTURE, SCALING
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.alarms import Alarms
from omc.facts.collector import Reading
from omc.facts.deviations import Changed, Count, Deviation, Deviations
from omc.facts.expected import Expected, Thing
from omc.facts.expected_kinds import Harm
from omc.facts.found import Found
from omc.facts.scope import Scope
from omc.facts.temporary import ScaledForAWhile
from omc.facts.terraform_values import tail
from omc.times import format_time, zone_named

NAME = "expected"
USERS = "expected-users"
"""The name of what cuts users off, which explains what they see."""
SERIOUS = frozenset({Harm.USERS, Harm.ALERTS})
"""Harms that are a failure by themselves."""
TOGETHER = 3
"""This many things of one kind with the same trouble, or more, are one finding."""
LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class _Judged:
    deviation: Deviation
    level: Level
    words: str
    """What is wrong, without the thing's name: ``is gone: it wakes nobody``."""
    procedure: Procedure
    cuts_off: bool = False
    """Users aren't served by it."""


@check(
    NAME,
    title="What should be there, against what is there",
    question="Is everything that Terraform made still there, and unchanged?",
    severity=Level.FAIL,
    runbook=INFRASTRUCTURE,
)
def expected(
    deviations: Deviations,
    found: Found,
    expected: Expected,
    alarms: Alarms | None,
    environment: Environment,
    scope: Scope,
) -> Iterator[Finding]:
    source = _source(expected, found, environment, scope)
    wanting = frozenset(alarms.wanting if alarms else ())
    ours = {service.name for service in environment.services}
    counts = [count for count in deviations.counts if count.service in ours or not scope.is_part]
    for count in counts:
        yield _count(count, deviations, environment, source)
    judged = [
        _judge(one, deviations, environment, wanting, {count.service for count in deviations.counts})
        for one in deviations.every
        if not scope.is_part or _is_of_services(one.thing, environment)
    ]
    for some in _together(judged):
        yield _finding(some, deviations, environment, source)
    yield from _not_known(expected, found, environment)
    if not judged and not counts:
        yield _all_there(expected, found, source)


def _source(expected: Expected, found: Found, environment: Environment, scope: Scope) -> str:
    """Where what is expected comes from: ``Terraform's state of 09:02``."""
    if expected.written:
        return f"Terraform's state of {_clock(expected.written, environment, scope)}"
    release = f" and release {found.release}" if found.release else ""
    return f"omc.toml{release}"


def _clock(at: datetime, environment: Environment, scope: Scope) -> str:
    zone = zone_named(environment.time_zone)
    local, now = at.astimezone(zone), scope.now.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%d %b %H:%M}"


# -- counts ----------------------------------------------------------------------------------------------------------


def _count(count: Count, deviations: Deviations, environment: Environment, source: str) -> Finding:
    scaled = deviations.temporary.of(count.service)
    least = f"at least {count.minimum} ({source})"
    if scaled and _set(scaled, count.desired):
        level = Level.WARN
        sentence = f"{count.service} wants {_tasks(count.desired)}, not {least}: {_for_a_while(scaled, environment)}."
    else:
        level = Level.FAIL
        serves = ": it serves nobody" if count.desired == 0 else ""
        sentence = f"{count.service} wants {_tasks(count.desired)}, not {least}{serves}.{_doubt(deviations)}"
    words = f"desired {count.desired}, minimum {count.minimum} by {source}"
    command = f"omc scale {count.service} {count.minimum} --env {environment.name}"
    return Finding(
        USERS if level is Level.FAIL else NAME,
        level,
        count.service,
        sentence,
        (Evidence(words, deviations.reading),),
        Procedure(SCALING.title, SCALING.document, command),
        place=f"services/{count.service}",
    )


def _tasks(count: int) -> str:
    return "no task" if count == 0 else "1 task" if count == 1 else f"{count} tasks"


def _set(scaled: ScaledForAWhile, desired: int) -> bool:
    """omc's temporary limits allow for this count."""
    return min(scaled.now) <= desired <= max(scaled.now)


def _for_a_while(scaled: ScaledForAWhile, environment: Environment) -> str:
    until = format_time(scaled.until, environment.time_zone)
    return f"{scaled.who} scaled it for a while, until {until} (timer {scaled.timer})"


def _doubt(deviations: Deviations) -> str:
    why = deviations.temporary.unknown
    return f" Whether this is a temporary change of omc's is unknown: {why}" if why else ""


# -- things ----------------------------------------------------------------------------------------------------------


def _judge(
    one: Deviation, deviations: Deviations, environment: Environment, wanting: frozenset[str], below: set[str]
) -> _Judged:
    """How bad, and in which words."""
    kind = one.thing.kind
    procedure = _procedure(environment)
    if words := _by_omc(one, deviations, environment):
        return _Judged(one, Level.OK, words, procedure)
    in_need = _is_in_need(one.thing, environment, wanting, below)
    if one.is_missing:
        serious = kind.harm in SERIOUS or (kind.harm is Harm.LOAD and in_need) or _is_needed(one.thing, environment)
        need = ", and it needs more tasks now" if kind.harm is Harm.LOAD and in_need else ""
        lost = f", and with it {_list(one.with_it)}" if one.with_it else ""
        words = f"is gone{lost}: {kind.without}{need}"
        return _Judged(one, Level.FAIL if serious else Level.WARN, words, procedure, kind.harm is Harm.USERS)
    harms = {change.field.harm for change in one.changes if change.is_weaker}
    serious = bool(harms & SERIOUS) or (Harm.LOAD in harms and in_need)
    need = ", and it needs more tasks now" if Harm.LOAD in harms and in_need else ""
    by = _for_good(one, deviations, environment)
    words = f"is changed: {'; '.join(_change(change) for change in one.changes)}{need}{by}"
    return _Judged(one, Level.FAIL if serious else Level.WARN, words, procedure, Harm.USERS in harms)


def _by_omc(one: Deviation, deviations: Deviations, environment: Environment) -> str:
    """The words for what omc changed for a while, where that is all of it; else empty."""
    if one.is_missing:
        return ""
    name = _service_of(one.thing, environment)
    scaled, off = deviations.temporary.of(name), deviations.temporary.alarms_of(name)
    labels = {change.label for change in one.changes}
    is_limits = one.thing.type == "aws_appautoscaling_target" and labels <= {"minimum", "maximum"}
    if is_limits and scaled and all(change.found in scaled.now for change in one.changes):
        return f"is changed: {'; '.join(map(_change, one.changes))}; {_for_a_while(scaled, environment)}"
    if one.thing.type == "aws_ecs_service" and off and off.is_under_way and labels == {"deployment alarms"}:
        return f"has its deployment alarms off while the run {off.run} by {off.who} is in progress"
    return ""


def _for_good(one: Deviation, deviations: Deviations, environment: Environment) -> str:
    """Which `omc scale` set the limits, where no timer gives them back."""
    name, labels = _service_of(one.thing, environment), {change.label for change in one.changes}
    for scaled in deviations.temporary.for_good:
        is_it = scaled.service == name and all(
            change.found in scaled.limits for change in one.changes if change.label in ("minimum", "maximum")
        )
        if is_it and labels & {"minimum", "maximum"}:
            at = format_time(scaled.at, environment.time_zone)
            return f"; {scaled.who} set it for good with `omc scale`, {at} (run {scaled.run})"
    return ""


def _is_in_need(thing: Thing, environment: Environment, wanting: frozenset[str], below: set[str]) -> bool:
    """Target tracking wants more tasks of the service, or it has fewer than its minimum."""
    return str(thing.values.get("resource_id")) in wanting or _service_of(thing, environment) in below


def _is_needed(thing: Thing, environment: Environment) -> bool:
    """A task can't start without its log group."""
    names = {service.log_group for service in environment.services}
    return thing.type == "aws_cloudwatch_log_group" and thing.values.get("name") in names


def _change(change: Changed) -> str:
    """``threshold is 500, not 64``."""
    old, new = _value(change.expected), _value(change.found)
    if isinstance(change.expected, tuple) and isinstance(change.found, tuple):
        lacks = [_short(str(one)) for one in change.expected if one not in change.found]
        more = [_short(str(one)) for one in change.found if one not in change.expected]
        parts = [f"{word} {_list(some)}" for word, some in (("without", lacks), ("with", more)) if some]
        return f"{change.label} {' and '.join(parts)}"
    is_several = change.label.endswith("s") and not change.label.endswith("ss")
    return f"{change.label} {'are' if is_several else 'is'} {new}, not {old}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return _list([_short(str(one)) for one in value]) or "nobody"
    return _short(str(value))


def _short(text: str) -> str:
    text = text.rpartition(":")[2] if text.startswith("arn:") else text
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _list(some: Sequence[str]) -> str:
    if len(some) > TOGETHER:
        return f"{', '.join(some[:TOGETHER])} and {len(some) - TOGETHER} more"
    return " and ".join([", ".join(some[:-1]), some[-1]] if len(some) > 1 else list(some))


def _procedure(environment: Environment) -> Procedure:
    command = "omc infra plan" if environment.has_terraform else "omc stack show"
    return Procedure(INFRASTRUCTURE.title, INFRASTRUCTURE.document, f"{command} --env {environment.name}")


# -- findings --------------------------------------------------------------------------------------------------------


def _together(judged: Iterable[_Judged]) -> list[list[_Judged]]:
    """Many of one kind with the same trouble are one finding; else each thing is its own."""
    alike: dict[tuple[Any, ...], list[_Judged]] = {}
    for one in judged:
        labels = tuple(change.label for change in one.deviation.changes)
        alike.setdefault((one.deviation.thing.kind.noun, one.deviation.is_missing, labels, one.level), []).append(one)
    return [some for each in alike.values() for some in ([each] if len(each) >= TOGETHER else [[one] for one in each])]


def _finding(some: Sequence[_Judged], deviations: Deviations, environment: Environment, source: str) -> Finding:
    first = some[0]
    thing, kind = first.deviation.thing, first.deviation.thing.kind
    says = "" if first.level is Level.OK else f" ({source})"
    if len(some) == 1:
        name = f"{kind.noun} {thing.name}"
        sentence = f"{name[0].upper()}{name[1:]} {first.words}{says}.{_author(first.deviation, environment)}"
        place, subject = _place(thing, environment), thing.name
    else:
        names = _list([one.deviation.thing.name for one in some])
        sentence = f"{len(some)} {_plural(kind.noun)} are {_in_common(some)}{says}: {names}."
        place, subject = _common(some, environment), f"{len(some)} {_plural(kind.noun)}"
    doubt = _doubt(deviations) if first.level is Level.FAIL and _service_of(thing, environment) else ""
    return Finding(
        USERS if first.cuts_off else NAME,
        first.level,
        subject,
        sentence + doubt,
        tuple(evidence for one in some for evidence in _evidence(one, deviations.reading, environment)),
        None if first.level is Level.OK else first.procedure,
        place=place,
        since=first.deviation.author.at,
    )


def _in_common(some: Sequence[_Judged]) -> str:
    """The trouble of several: their own words where they are alike, else what it is about."""
    first = some[0]
    if all(one.words == first.words for one in some):
        return first.words.removeprefix("is ")
    if first.deviation.is_missing:
        return f"gone: {first.deviation.thing.kind.without}"
    return f"changed ({_list([change.label for change in first.deviation.changes])})"


def _evidence(one: _Judged, reading: Reading, environment: Environment) -> Iterator[Evidence]:
    thing = one.deviation.thing
    name, known = f"{thing.kind.noun} {thing.name}", thing.kind.mention(thing.values)
    if one.deviation.is_missing:
        also = f" ({known})" if known and known not in name else ""
        yield Evidence(f"{name} is in none of AWS's listings{also}", reading)
    for change in one.deviation.changes:
        yield Evidence(f"{name}: {change.label} {_value(change.found)}, expected {_value(change.expected)}", reading)
    for other in one.deviation.with_it:
        yield Evidence(f"{other} is gone with it", reading)
    if author := _author(one.deviation, environment):
        yield Evidence(author.strip(), reading)


def _author(one: Deviation, environment: Environment) -> str:
    if one.author.at is None:
        return ""
    return f" By {one.author.who}, {format_time(one.author.at, environment.time_zone)}."


def _plural(noun: str) -> str:
    """``rules of the security group``, ``load balancers``, ``listeners' rules``: the noun of a kind as several."""
    thing, of, whole = noun.removeprefix("the ").partition(" of")
    if of and not whole:  # ``the autoscaling of``, before a service's name
        return f"{thing} settings"
    thing = f"{thing[:-1]}ies" if thing.endswith(("cy", "ry")) else f"{thing}s"
    return thing.replace("'s ", "s' ") + of + whole


def _common(some: Sequence[_Judged], environment: Environment) -> str:
    places = {_place(one.deviation.thing, environment) for one in some}
    if len(places) == 1:
        return places.pop()
    return next(iter(sorted(places))).partition("/")[0]


def _place(thing: Thing, environment: Environment) -> str:
    """By omc's own word for a service."""
    place = thing.kind.place(thing.values)
    return f"services/{_service_of(thing, environment)}" if place.startswith("services/") else place


def _service_of(thing: Thing, environment: Environment) -> str:
    """omc's word for the service that it is, or is of; ECS's for one that isn't in omc.toml. Empty: of none."""
    if thing.type == "aws_ecs_service":
        cluster, name = tail(thing.values.get("cluster")), str(thing.values.get("name"))
    else:
        cluster, _, name = str(thing.values.get("resource_id") or "").removeprefix("service/").partition("/")
    own = environment.service_in(cluster, name)
    return own.name if own else name


def _is_of_services(thing: Thing, environment: Environment) -> bool:
    """Where only some services were asked for: what is theirs."""
    name = _service_of(thing, environment) or str(thing.values.get("alarm_name") or thing.values.get("name") or "")
    return any(
        name in (service.name, *service.target_groups, service.log_group)
        or name.startswith(f"{environment.alarm_prefix}{service.name}-")
        for service in environment.services
    )


def _not_known(expected: Expected, found: Found, environment: Environment) -> Iterator[Finding]:
    """What could not be read, and what is compared instead."""
    if expected.problem and not expected.is_none:
        yield Finding(
            NAME,
            Level.WARN,
            "Terraform's state",
            f"{expected.problem.rstrip('.')}. Only what omc.toml and ECS name is compared with what is there. "
            f'If that is intended, set terraform_state = "" in [environments.{environment.name}] of omc.toml.',
            (Evidence(f"{expected.place} could not be read", expected.reading),),
            INFRASTRUCTURE,
            action=expected.action,
            place="infrastructure/terraform-state",
        )
    not_told = [one for one in found.not_listed if not one.is_reported]
    if not_told:
        first = not_told[0]
        kinds = _list(sorted({kind.removeprefix("aws_") for one in not_told for kind in one.types}))
        yield Finding(
            NAME,
            Level.UNKNOWN,
            "what should be there",
            f"It is unknown whether every {kinds} is there: {first.why}",
            tuple(Evidence(f"{', '.join(one.types)}: {one.why}", found.reading) for one in not_told),
            INFRASTRUCTURE,
            unread=True,
            action=first.action,
            place="infrastructure/listings",
        )


def _all_there(expected: Expected, found: Found, source: str) -> Finding:
    unknown = {kind for one in found.not_listed for kind in one.types}
    number = sum(thing.type not in unknown for thing in found.wanted)
    none = f" {expected.problem}" if expected.is_none else ""
    return Finding(
        NAME,
        Level.OK,
        "what should be there",
        f"All {number} things that {source} names are there, as they should be.{none}",
        (Evidence(f"{number} of {len(found.wanted)} things compared with AWS's listings", found.reading),),
        place="infrastructure",
    )
