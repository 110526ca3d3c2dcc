"""Tasks that were stopped by a person, by scaling or by AWS, and tasks that were killed while they stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omc.checks.finding import Finding
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.services import Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from support.causes_facts import (
    FAIL,
    OK,
    RATE,
    SERVED,
    SHORT,
    TARGETS,
    ago,
    minutes,
    run,
    service,
    stores,
    task,
    unpulled,
)

ONE_LEFT = Services((service(running=1),))
FEWER = Finding("services-running", FAIL, "backend", "1 of 2 tasks run, and none is starting.")
BY_AWS = (
    ("SpotInterruption", "Your Spot Task was interrupted.", "took the Spot capacity back"),
    ("ServiceSchedulerInitiated", "ECS is performing maintenance on the underlying infrastructure", "maintenance"),
    ("TerminationNotice", "Task stopped: scheduled for retirement", "retired"),
    ("InfrastructureHealth", "The task stopped due to an unhealthy host", "was ill"),
    ("ServiceSchedulerInitiated", "Host EC2 (instance i-0a1b) terminated.", "instance"),
)


def stopped(code: str, reason: str, minutes: float = 2, **more: Any) -> StoppedTask:
    ended = {"containers": (Container("backend", 0, ""),)} | more
    return task(1, stop_code=code, reason=reason, stopped=ago(minutes=minutes), **ended)


def checks_of(found: tuple[Finding, ...]) -> list[str]:
    return [each.check for each in found if each.level is not OK]


@pytest.mark.parametrize(("code", "reason", "words"), BY_AWS)
def test_aws_took_a_task_away_that_is_not_replaced_yet(code: str, reason: str, words: str) -> None:
    found = run((FEWER, TARGETS), [StoppedTasks((stopped(code, reason),)), ONE_LEFT, stores()])
    assert checks_of(found) == ["stopped-by-aws"]
    assert words in found[0].sentence
    assert "1 of 2 tasks run" in found[0].sentence


def test_what_aws_took_and_ecs_has_replaced_explains_nothing_of_now() -> None:
    tasks = StoppedTasks((stopped(*BY_AWS[0][:2], minutes=20),))
    found = run((RATE,), [tasks, stores()])
    assert "stopped-by-aws" not in {each.check for each in found if not each.is_past}
    assert RATE.sentence in {each.sentence for each in found}


@pytest.mark.parametrize(("minutes", "is_over"), [(1.0, False), (1.9, False), (3.0, True), (4.5, True)])
def test_a_stop_is_over_once_others_have_run_for_two_minutes(minutes: float, is_over: bool) -> None:
    found = run((RATE,), [StoppedTasks((stopped(*BY_AWS[0][:2], minutes),)), stores()])
    assert ("stopped-by-aws" in {each.check for each in found if not each.is_past}) is not is_over


def test_an_image_that_is_gone_goes_before_the_spot_task_that_it_can_not_replace() -> None:
    tasks = StoppedTasks((unpulled(2, 7), stopped(*BY_AWS[0][:2])))
    found = run((FEWER, TARGETS), [tasks, ONE_LEFT, stores()])
    assert found[0].check == "image-not-pulled"
    assert FEWER.sentence in {each.sentence for each in found[0].explains}


JO = Write(ago(minutes=2), "StopTask", "jo (role admin)", frozenset({f"{1:032x}"}))
STOPS = (
    ("Task stopped by user", JO, "jo (role admin)"),
    ("too much memory, says kim", None, 'with the reason "too much memory, says kim"'),
    ("", replace(JO, who="a-tool", names=frozenset({f"arn:aws:ecs:x:1:task/c/{1:032x}"})), "a-tool stopped 1 task"),
)


@pytest.mark.parametrize(("reason", "write", "words"), STOPS)
def test_a_person_stopped_a_task(reason: str, write: Write | None, words: str) -> None:
    facts = [
        StoppedTasks((stopped("UserInitiated", reason),)),
        ONE_LEFT,
        stores(),
        LastWrites((write,) if write else ()),
    ]
    found = run((FEWER, TARGETS), facts)
    assert checks_of(found) == ["stopped-by-person"]
    assert words in found[0].sentence


@pytest.mark.parametrize(
    ("findings", "tasks"),
    [
        ((), StoppedTasks((stopped("UserInitiated", "Task stopped by user"),))),
        (
            (FEWER,),
            StoppedTasks((stopped("EssentialContainerExited", "x", containers=(Container("backend", 1, ""),)),)),
        ),
    ],
)
def test_nobody_is_blamed_where_nothing_suffers_or_a_task_ended_by_itself(
    findings: tuple[Finding, ...], tasks: StoppedTasks
) -> None:
    assert "stopped-by-person" not in checks_of(run(findings, [tasks, ONE_LEFT, stores()]))


SCALING = "Scaling activity initiated by (deployment ecs-svc/1)"
ASKED = Write(ago(minutes=4), "UpdateService", "jo (role admin)", frozenset({"backend", "0"}))


@pytest.mark.parametrize(
    ("desired", "tasks", "writes", "words"),
    [
        (0, (), (ASKED,), "scaled to zero and serves nobody. jo (role admin) asked for it"),
        (1, (stopped("ServiceSchedulerInitiated", SCALING),), (), "scaled to 1, and 1 task stopped"),
        (1, (stopped("ServiceSchedulerInitiated", SCALING),), (ASKED,), "UpdateService"),
    ],
)
def test_scaling_left_too_few(
    desired: int, tasks: tuple[StoppedTask, ...], writes: tuple[Write, ...], words: str
) -> None:
    scaled = service(running=desired, desired=desired)
    found = run((SERVED, TARGETS), [StoppedTasks(tasks), Services((scaled,)), stores(), LastWrites(writes)])
    assert checks_of(found) == ["stopped-by-scaling"]
    assert words in found[0].sentence


@pytest.mark.parametrize(
    ("revision", "created", "minutes"),
    [(6, ago(days=2), 2.0), (7, ago(minutes=5), 2.0), (7, ago(minutes=1), 2.0), (7, ago(days=2), 40.0)],
)
def test_what_a_deployment_replaced_or_was_long_ago_is_no_scaling(revision: int, created: Any, minutes: float) -> None:
    old = stopped("ServiceSchedulerInitiated", SCALING, minutes, task_definition=f"b:{revision}")
    scaled = service(running=1, desired=1, created=created)
    found = run((SERVED, TARGETS), [StoppedTasks((old,)), Services((scaled,)), stores()])
    assert "stopped-by-scaling" not in checks_of(found)


def killed(seconds: float, code: int = 137, **more: Any) -> StoppedTask:
    end = ago(minutes=2)
    provided: dict[str, Any] = {"containers": (Container("backend", code, ""),), "ended": end} | more
    return stopped("ServiceSchedulerInitiated", SCALING, stopping=end - timedelta(seconds=seconds), **provided)


SHORT_STOP = LastWords({}, {"b:7": RevisionDetails(stop_timeouts={"backend": 5})})
BAD = replace(RATE, sentence="4 % of the answers were 5xx.")


@pytest.mark.parametrize(
    ("seconds", "words", "limit"), [(30.4, None, 30), (5.2, SHORT_STOP, 5), (66.0, None, 30), (29.0, None, 30)]
)
def test_tasks_that_stop_too_slowly_are_killed_with_their_requests(
    seconds: float, words: LastWords | None, limit: int
) -> None:
    settings = BalancerSettings(delays={"ohmycoins-staging-backend": 20.0})
    facts = [StoppedTasks((killed(seconds),)), stores(), settings, *([words] if words else [])]
    found = run((BAD,), facts)
    assert checks_of(found) == ["stop-timeout"]
    assert f"stopTimeout of {limit} s" in found[0].sentence
    assert any("drains for 20 s" in each.text for each in found[0].evidence)


@pytest.mark.parametrize(
    "one",
    [
        killed(3.0, 0),
        killed(3.0),
        killed(30.4, containers=(Container("backend", 137, "OutOfMemoryError: Container killed due to memory usage"),)),
        replace(killed(30.4), reason="Task failed ELB health checks in (target-group x)"),
        replace(killed(30.4), stopped=ago(minutes=9)),
    ],
)
def test_a_task_that_ended_in_time_or_for_another_reason_was_not_cut_off(one: StoppedTask) -> None:
    assert "stop-timeout" not in checks_of(run((BAD,), [StoppedTasks((one,)), stores()]))


@pytest.mark.parametrize(("bad_minutes", "is_told"), [((0, 0, 7, 0, 0), True), ((0, 0, 7, 3, 4), False), ((), True)])
def test_a_kill_cuts_off_nothing_that_fails_minutes_later(bad_minutes: tuple[float, ...], is_told: bool) -> None:
    tasks = StoppedTasks((replace(killed(30.4), stopped=ago(minutes=4)),))
    found = run((BAD,), [tasks, stores(), BalancerSettings(bad_gateways=minutes(*bad_minutes))])
    assert ("stop-timeout" in checks_of(found)) is is_told


def test_what_yields_takes_nothing_that_another_cause_explains() -> None:
    tasks = StoppedTasks((killed(30.4),))
    found = run((SHORT, BAD), [tasks, stores(database={"status": "stopped"})])
    assert checks_of(found) == ["database-not-available"]
