"""Actions that only look: how the environment was before a release, and whether it is as good after.

``cloudwatch.note_before`` outputs ``reading``. ``cloudwatch.settle`` outputs ``proof``, with ``watched``: whether three
whole minutes of the load balancer's figures were read, without which the release is not verified (in the local cloud:
whether its figures arrive at all); ``doubt``, why it isn't verified, in a word; and ``unhealthy``, what users get,
where that is no better than an incident before it, or better and still bad.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from msgspec import structs

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment, Thresholds
from omc.errors import OmcError
from omc.facts.alarms import read_alarms
from omc.facts.answers import Answers, read_answers, tells_of_hosts
from omc.facts.load_balancers import read_load_balancers
from omc.facts.services import EcsService, describe_service, short_name
from omc.facts.tasks import StoppedTask, read_stopped_tasks
from omc.judgement.alarms import is_firing
from omc.judgement.bake import (
    LOCAL_WATCHED_SECONDS,
    WATCHED_MINUTES,
    Health,
    Judged,
    Readings,
    State,
    figures_of,
    in_incident,
    judged,
    regression,
)
from omc.judgement.task_causes import cause_of, is_failure
from omc.model.arguments.base import known
from omc.model.arguments.cloudwatch import NoteBefore, Settle
from omc.model.plan import Json

BEFORE = timedelta(minutes=10)
"""How far back "before" reaches."""
PERIOD, LOCAL_PERIOD = 60, 10
"""Seconds of a datapoint: a load balancer's in AWS, and in the local cloud."""
LOCAL_FRESH = timedelta(seconds=30)
"""How old the local cloud's newest figures may be: it has them each ten seconds, unless it is told to be late."""
LOCAL_SLOWER = 5.0
"""The local cloud shares its machine with whatever else runs there: so many times slower answers are no fault yet."""
WHOLE_AGAIN = 60.0
"""Seconds that a service may take to be whole when the watch ends."""


def _nothing(context: Context, arguments: NoteBefore) -> bool:
    return False


def _note(context: Context, arguments: NoteBefore) -> Mapping[str, Json]:
    now = context.now()
    answers = _answers(context, now - BEFORE, now)
    return {"reading": asdict(Readings(_firing(context), answers.total, answers.error_percent, answers.p95_seconds))}


def _noted(context: Context, arguments: NoteBefore) -> Outcome:
    reading = context.state["reading"]
    firing = ", ".join(reading["firing"]) or "no alarm"
    slow = "" if reading["p95_seconds"] is None else f", 95th percentile {reading['p95_seconds']:.2f} s"
    sentence = (
        f"Before: {firing} fires, {reading['error_percent']:.1f} % of {reading['requests']:.0f} answers were 5xx{slow}."
    )
    return Outcome(Verdict.SUCCEEDED, sentence, {"reading": reading}, {"reading": reading})


def _begun(context: Context, arguments: Settle) -> bool:
    return "began" in context.state


def _begin(context: Context, arguments: Settle) -> Mapping[str, Json]:
    return {"began": context.now().isoformat()}


def _settle(context: Context, arguments: Settle) -> Outcome | None:
    began, now = datetime.fromisoformat(context.state["began"]), context.now()
    limits, passed = _limits(context.environment), (now - began).total_seconds()
    before, health = Readings.from_json(known(arguments.before)), _health(arguments)
    incident = in_incident(before, limits)
    seconds, if_incident = arguments.seconds, arguments.incident_seconds
    if incident and if_incident is not None:
        seconds = if_incident
    revisions = {name: short_name(known(revision)) for name, revision in arguments.services.items()}
    services = {name: describe_service(context.gateway, name) for name in revisions}
    for name, service in services.items():
        if service is None or service.task_definition != revisions[name]:
            there = service.task_definition if service else "nothing"
            return Outcome(Verdict.SUPERSEDED, f"{name} runs {there} now, which somebody else deployed.")
    there_now = [service for service in services.values() if service]
    failed = _failed_tasks(context, revisions, began)
    answers = _answers(context, began, now)
    whole = Readings(
        firing=_firing(context),
        requests=answers.total,
        error_percent=answers.error_percent,
        p95_seconds=answers.p95_seconds,
        failed_tasks={name: len(tasks) for name, tasks in failed.items()},
        desired={service.name: service.desired for service in there_now},
    )
    newest, stretch = answers.newest(WATCHED_MINUTES), min(passed, WATCHED_MINUTES * _period(context))
    recent = replace(whole, requests=newest.total, error_percent=newest.error_percent, p95_seconds=newest.p95_seconds)
    evidence: dict[str, Json] = {
        "seconds": round(passed, 1),
        "before": asdict(before),
        "health": asdict(health) if health else None,
        "after": asdict(whole),
        "newest": {"seconds": stretch, **asdict(recent)},
        "whole_minutes": None if context.environment.is_local else answers.whole_periods,
    }
    why = regression(before, whole, limits, passed, health) or regression(before, recent, limits, stretch, health)
    found = judged(before, recent, limits, stretch, health, [name for each in there_now for name in each.alarms])
    if not why and passed >= seconds and found.state is State.WORSE:
        why = f"{found.sentence}."
    if why:
        causes = [cause_of(task).text for tasks in failed.values() for task in tasks]
        message = f" {causes[0]}." if causes else ""
        return Outcome(Verdict.FAILED, f"The release is worse than the one before: {why}{message}", evidence)
    if passed < seconds:
        longer = " (users were served badly before it)" if incident else ""
        context.report(f"watching for {seconds - passed:.0f} s more{longer}: {figures_of(whole)}")
        return None
    lacking = [_lacking(service) for service in there_now if service.running < service.desired]
    if lacking and passed < seconds + WHOLE_AGAIN:
        context.report(lacking[0])
        return None
    if lacking:
        return Outcome(Verdict.FAILED, f"The release is incomplete: {lacking[0]}.", evidence)
    sentence, proof = _concluded(context, revisions, answers, whole, found, passed, seconds, now)
    return Outcome(Verdict.SUCCEEDED, sentence, evidence | proof, {"proof": evidence | proof})


def _limits(environment: Environment) -> Thresholds:
    limits = environment.thresholds
    return structs.replace(limits, slow_seconds=LOCAL_SLOWER * limits.slow_seconds) if environment.is_local else limits


def _health(arguments: Settle) -> Health | None:
    payload = arguments.health
    return Health(**{**payload, "readings": Readings.from_json(payload["readings"])}) if payload else None


def _concluded(
    context: Context,
    services: Collection[str],
    answers: Answers,
    whole: Readings,
    found: Judged,
    passed: float,
    seconds: float,
    now: datetime,
) -> tuple[str, dict[str, Json]]:
    """The sentence of a watch that found nothing against the release, and what it proves."""
    so_long, bad = f"for {seconds:.0f} s", found.state in (State.BETTER, State.UNHEALED)
    is_led = _is_led_to(context.environment, services)
    watched = not is_led or _is_watched(context, answers, now)
    proof: dict[str, Json] = {"state": found.state.value, "watched": watched and not bad}
    if bad:
        return f"Watched {so_long}: {found.sentence}.", proof | {"doubt": "not healthy", "unhealthy": found.sentence}
    if not watched:
        figures = (
            f"CloudWatch has no figures of the load balancer's targets for the last {LOCAL_FRESH.total_seconds():.0f} s"
            if context.environment.is_local
            else f"the load balancer's figures cover only {answers.whole_periods} whole minutes, and verifying a "
            f"release takes {WATCHED_MINUTES}"
        )
        sentence = f"Unwatched: {_quiet(whole, seconds)}, but {figures}."
        return sentence, proof | {"doubt": "unwatched"}
    if not is_led:
        by = f"By tasks and alarms only, as no load balancer leads to {' and '.join(services)}"
        return f"{by}: {_quiet(whole, seconds)}.", proof | {"doubt": ""}
    if found.state is State.UNCOMPARED:
        quiet = _quiet(whole, seconds)
        return f"{quiet[:1].upper()}{quiet[1:]}; {found.sentence}.", proof | {"doubt": "not compared"}
    if context.environment.is_local and passed < LOCAL_WATCHED_SECONDS:
        least = f"a release is verified by {LOCAL_WATCHED_SECONDS:.0f} s at least"
        return f"Watched {so_long} only, and {least}: {found.sentence}.", proof | {"doubt": f"watched {so_long} only"}
    return f"Watched {so_long}: {found.sentence}.", proof | {"doubt": ""}


def _is_led_to(environment: Environment, services: Collection[str]) -> bool:
    """Whether the load balancer's figures say anything of one of these services."""
    named = (environment.service_named(name) for name in services)
    return environment.has_load_balancer and any(each is None or each.target_groups for each in named)


def _quiet(whole: Readings, seconds: float) -> str:
    """What alarms and tasks did in a watch that found nothing against the release: few failures are not none, and an
    alarm that fired before may fire still."""
    failed = [
        f"{count} task{'s' * (count != 1)} of the new {name}"
        for name, count in sorted(whole.failed_tasks.items())
        if count
    ]
    alarms = f"no further alarm fired ({', '.join(whole.firing)} did before)" if whole.firing else "no alarm fired"
    if failed:
        return f"{alarms} and {' and '.join(failed)} failed in {seconds:.0f} s"
    return f"{alarms} and no task failed for {seconds:.0f} s"


def _is_watched(context: Context, answers: Answers, now: datetime) -> bool:
    """In the local cloud, whose watch is shorter than a minute: whether the load balancer's metrics arrive at all."""
    if not context.environment.is_local:
        return answers.whole_periods >= WATCHED_MINUTES
    balancers = read_load_balancers(context.gateway, context.environment).load_balancers
    end = now.astimezone(UTC)
    return not balancers or tells_of_hosts(context.gateway, balancers, end - LOCAL_FRESH, end)


def _lacking(service: EcsService) -> str:
    return f"{service.running} of {service.desired} tasks of {service.name} run"


def _firing(context: Context) -> list[str]:
    alarms = read_alarms(context.gateway)
    return [alarm.name for alarm in alarms.alarms if is_firing(alarm.name, alarms, context.environment)]


def _answers(context: Context, begin: datetime, end: datetime) -> Answers:
    balancers = read_load_balancers(context.gateway, context.environment).load_balancers
    try:
        return read_answers(context.gateway, balancers, begin.astimezone(UTC), end.astimezone(UTC), _period(context))
    except OmcError as error:
        context.report(f"CloudWatch can't be read: {error.message}")
        raise


def _period(context: Context) -> int:
    return LOCAL_PERIOD if context.environment.is_local else PERIOD


def _failed_tasks(context: Context, revisions: Mapping[str, str], since: datetime) -> dict[str, list[StoppedTask]]:
    stopped = read_stopped_tasks(context.gateway, context.environment).tasks
    return {
        name: [
            task
            for task in stopped
            if task.service == name and task.task_definition == revision and task.stopped >= since and is_failure(task)
        ]
        for name, revision in revisions.items()
    }


def _look_commands(environment: Environment, arguments: NoteBefore | Settle) -> Sequence[str]:
    return [
        f"aws cloudwatch describe-alarms --state-value ALARM --region {environment.region} "
        "--query 'MetricAlarms[*].[AlarmName,StateReason]'"
    ]


NOTE_BEFORE = register(Action(NoteBefore, _note, _nothing, _noted, _look_commands))
SETTLE = register(Action(Settle, _begin, _begun, _settle, _look_commands, poll_interval=2.0))
