"""What omc changed for a while, in a plan or in drift: told with who and until when, and never ended silently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from omc.config import Environment
from omc.facts.temporary import AlarmsOff, ScaledForAWhile, Temporary
from omc.facts.terraform_json import Change, ChangeAction, Difference
from omc.facts.trail import Author
from omc.times import format_time

LIMITS = frozenset({"min_capacity", "max_capacity"})


def service_of(change: Change) -> str:
    """The ECS service that an autoscaler's target or a service resource is about; empty for anything else."""
    values = change.before or change.after
    if change.kind == "aws_appautoscaling_target":
        return str(values.get("resource_id", "")).rpartition("/")[2]
    return str(values.get("name", "")) if change.kind == "aws_ecs_service" else ""


def words(one: ScaledForAWhile, environment: Environment) -> str:
    """``alice's temporary change until Mon …: backend is kept at 4-10 tasks (timer 0vqk3m7x)``."""
    until = format_time(one.until, environment.time_zone)
    return f"{one.who}'s temporary change until {until}: {one.words} (timer {one.timer})"


def alarms_words(one: AlarmsOff, environment: Environment) -> str:
    """Of deployment alarms that a way back turned off."""
    since = format_time(one.since, environment.time_zone)
    end = "until the run ends" if one.is_under_way else "and ECS never turned them on again"
    return f"the run {one.run} by {one.who} turned the deployment alarms of {one.service} off, {since}, {end}"


def ends_early(changes: tuple[Change, ...], temporary: Temporary, environment: Environment) -> Iterator[str]:
    """Why an apply that would end a temporary change is refused, and how to end that openly."""
    for change in changes:
        if change.does not in {ChangeAction.UPDATE, ChangeAction.REPLACE, ChangeAction.DESTROY}:
            continue
        scaled, off = temporary.of(service_of(change)), temporary.alarms_of(service_of(change))
        if (
            change.kind == "aws_appautoscaling_target"
            and scaled
            and (change.does is not ChangeAction.UPDATE or _limits(change))
        ):
            yield (
                f"The apply would end {words(scaled, environment)}, by {change.address}. Wait until then, or end it "
                f"openly first: omc runs cancel {scaled.timer}"
            )
        if change.kind == "aws_ecs_service" and off and off.is_under_way and _alarms(change):
            yield f"The apply would interfere: {alarms_words(off, environment)}. Wait for it: omc runs show {off.run}"


def named(change: Change, temporary: Temporary, environment: Environment) -> tuple[list[Difference], str]:
    """Which differences of what was changed outside of Terraform are omc's own for a while, and the words for it."""
    scaled, off = temporary.of(service_of(change)), temporary.alarms_of(service_of(change))
    if change.kind == "aws_appautoscaling_target" and scaled:
        set_now = {str(number) for number in scaled.now}
        mine = [one for one in _limits(change) if one.after in set_now]
        return mine, words(scaled, environment)
    if change.kind == "aws_ecs_service" and off and (mine := _alarms(change)):
        return mine, alarms_words(off, environment)
    return [], ""


def scaled_by(change: Change, temporary: Temporary) -> Author | None:
    """Which run of ``omc scale`` set the limits that Terraform finds, where it set all of them."""
    limits = _limits(change)
    if change.kind != "aws_appautoscaling_target" or not limits:
        return None
    for one in temporary.for_good:
        set_now = dict(zip(("min_capacity", "max_capacity"), map(str, one.limits), strict=True))
        if one.service == service_of(change) and all(each.after == set_now[each.path] for each in limits):
            return Author(f"{one.who} by omc scale (run {one.run})", one.at)
    return None


def only(change: Change, differences: list[Difference]) -> Change:
    return replace(change, differences=tuple(differences))


def _limits(change: Change) -> list[Difference]:
    return [one for one in change.differences if one.path in LIMITS]


def _alarms(change: Change) -> list[Difference]:
    return [one for one in change.differences if one.path.startswith("alarms")]
