"""Each morning check is a function of plain values: what it says of a state, and at which level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.checks.alarms import alarms
from omc.checks.finding import Finding, Level
from omc.checks.freshness import data_fresh, metrics_fresh
from omc.checks.load_balancing import error_rate, load_balancer, targets
from omc.checks.logs import recent_errors
from omc.checks.services import rollouts, services_running, task_starts
from omc.checks.tasks import failed_tasks
from omc.config import load
from omc.facts.alarms import Alarm, Alarms
from omc.facts.data_age import DataAge, ServiceData
from omc.facts.load_balancers import GroupHealth, LoadBalancer, LoadBalancers, Target, TargetGroup, TargetHealth
from omc.facts.logs import ErrorGroup, RecentErrors
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.scope import Scope
from omc.facts.services import Deployment, EcsService, Event, Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from omc.facts.traffic import MetricsAge, Minute, ServiceMetric, Traffic
from omc.judgement.task_causes import cause_of, is_failure

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
SCOPE = Scope(NOW)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def deployment(**changes: Any) -> Deployment:
    return replace(
        Deployment(
            "ecs-svc/7", "PRIMARY", "COMPLETED", "", 2, 2, 0, 0, "ohmycoins-backend:7", ago(days=2), ago(days=2)
        ),
        **changes,
    )


def service(**changes: Any) -> EcsService:
    made = EcsService("backend", "ACTIVE", 2, 2, 0, "ohmycoins-backend:7", (deployment(),), ())
    return replace(made, **changes)


def services(*some: EcsService) -> Services:
    return Services(some)


def only(found: Iterator[Finding]) -> Finding:
    everything = list(found)
    assert len(everything) == 1, everything
    assert everything[0].evidence, "what is said can be proved"
    assert everything[0].level is OK or everything[0].procedure, "what isn't ok has an answer"
    return everything[0]


def sentences_of(found: Iterable[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.sentence) for finding in found]


# Services


@pytest.mark.parametrize(
    ("changes", "level", "sentence"),
    [
        ({}, OK, "2 of 2 tasks run."),
        ({"running": 1, "pending": 0}, FAIL, "1 of 2 tasks run, and none is starting."),
        ({"running": 0, "pending": 2}, FAIL, "0 of 2 tasks run, 2 more are starting."),
        ({"running": 2, "desired": 4, "pending": 2}, WARN, "2 of 4 tasks run, 2 more are starting."),
        ({"running": 2, "desired": 4, "pending": 1}, FAIL, "2 of 4 tasks run, 1 more is starting."),
        ({"running": 3, "desired": 2}, OK, "3 of 2 tasks run."),
        ({"running": 0, "desired": 0}, WARN, "Scaled to zero (desired 0), below its minimum of 2: it serves nobody."),
        ({"running": 1, "desired": 1}, WARN, "1 of 1 tasks run, fewer than its minimum of 2."),
        ({"running": 10, "desired": 10}, WARN, "10 of 10 tasks run, its maximum: it can't scale out further."),
        ({"status": "DRAINING"}, FAIL, "The service is DRAINING, not ACTIVE."),
    ],
)
def test_running_against_desired(changes: dict[str, Any], level: Level, sentence: str) -> None:
    finding = only(services_running(services(service(**changes)), STAGING))
    assert (finding.level, finding.sentence) == (level, sentence)
    assert (finding.procedure is None) == (level is OK)
    assert finding.evidence


def test_scaled_to_zero_is_fine_where_the_stack_allows_it() -> None:
    resting = replace(STAGING, services=(replace(STAGING.services[0], minimum=0),))
    assert only(services_running(services(service(running=0, desired=0)), resting)).level is OK


def test_a_service_that_is_not_there() -> None:
    found = list(services_running(Services((), ("backend",)), STAGING))
    assert sentences_of(found) == [(FAIL, "backend does not exist in the cluster ohmycoins-staging.")]


@pytest.mark.parametrize(
    ("primary", "events", "level", "part"),
    [
        ({}, (), OK, "ohmycoins-backend:7 is deployed, since Sun 22 Nov 08:15:00 AEDT (Sat 21:15 UTC)."),
        ({"rollout": "FAILED", "rollout_reason": "tasks failed to start."}, (), FAIL, "failed. tasks failed to start."),
        ({"rollout": "IN_PROGRESS", "running": 1, "created": ago(minutes=3)}, (), WARN, "for 3 min; 1 of 2 tasks run."),
        ({"rollout": "IN_PROGRESS", "failed": 2}, (), FAIL, "is failing: 2 of its tasks failed to start."),
        (
            {"rollout": "IN_PROGRESS", "rollout_reason": "ECS deployment circuit breaker: rolling back to x."},
            (),
            FAIL,
            "is being rolled back to ohmycoins-backend:7",
        ),
        (
            {},
            (Event(ago(hours=3), "(service backend) rolling back to deployment ecs-svc/7."),),
            WARN,
            "A deployment failed and was rolled back; ",
        ),
        (
            {"created": ago(hours=1)},
            (Event(ago(hours=3), "(service backend) rolling back to deployment ecs-svc/7."),),
            OK,
            "is deployed",
        ),
        ({}, (Event(ago(days=3), "(service backend) rolling back to deployment ecs-svc/7."),), OK, "is deployed"),
    ],
)
def test_rollouts(primary: dict[str, Any], events: tuple[Event, ...], level: Level, part: str) -> None:
    finding = only(rollouts(services(service(deployments=(deployment(**primary),), events=events)), STAGING, SCOPE))
    assert finding.level is level, finding
    assert part in finding.sentence


def test_tasks_that_ecs_could_not_place() -> None:
    events = (
        Event(
            ago(minutes=5),
            "(service backend) was unable to place a task. Reason: Capacity is unavailable.",
        ),
        Event(
            ago(minutes=9),
            "(service backend) was unable to place a task. Reason: Capacity is unavailable.",
        ),
        Event(ago(hours=2), "(service backend) was unable to place a task. Reason: old."),
        Event(ago(minutes=1), "(service backend) has reached a steady state."),
    )
    short = only(task_starts(services(service(running=1, events=events)), STAGING, SCOPE))
    assert short.level is FAIL
    assert short.sentence == (
        "ECS could not start tasks, 2 times in the last hour: "
        "was unable to place a task. Reason: Capacity is unavailable."
    )
    assert only(task_starts(services(service(events=events)), STAGING, SCOPE)).level is WARN
    assert only(task_starts(services(service(events=events[2:])), STAGING, SCOPE)).level is OK


# Stopped tasks


def task(**changes: Any) -> StoppedTask:
    made = StoppedTask(
        id="0123456789abcdef0123456789abcdef",
        service="backend",
        task_definition="ohmycoins-backend:7",
        stop_code="EssentialContainerExited",
        reason="Essential container in task exited",
        containers=(Container("backend", 1, ""),),
        started=ago(minutes=5),
        stopped=ago(minutes=4),
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "fails", "cause"),
    [
        ({}, True, "Essential container in task exited; backend exited with 1"),
        (
            {"containers": (Container("backend", 137, "OutOfMemoryError: Container killed due to memory usage"),)},
            True,
            "Essential container in task exited; backend exited with 137 (it was killed, SIGKILL), "
            "OutOfMemoryError: Container killed due to memory usage",
        ),
        (
            {
                "stop_code": "TaskFailedToStart",
                "reason": "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found",
                "containers": (Container("backend", None, ""),),
                "started": None,
            },
            True,
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found",
        ),
        (
            {
                "stop_code": "ServiceSchedulerInitiated",
                "reason": "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:ap-southeast-2:"
                "123456789012:targetgroup/ohmycoins-staging-backend/0123456789abcdef)",
                "containers": (Container("backend", 0, ""),),
            },
            True,
            "Task failed ELB health checks in (target-group ohmycoins-staging-backend); backend exited with 0",
        ),
        (
            {
                "stop_code": "ServiceSchedulerInitiated",
                "reason": "Scaling activity initiated by (deployment ecs-svc/1)",
                "containers": (Container("backend", 143, ""),),
            },
            False,
            None,
        ),
        ({"stop_code": "UserInitiated", "reason": "Task stopped by user"}, False, None),
        ({"service": None, "containers": (Container("migrate", 0, ""),)}, False, None),
        (
            {"containers": (Container("backend", 0, ""),)},
            True,
            "Essential container in task exited; backend exited with 0",
        ),
    ],
)
def test_which_stops_are_failures_and_why(changes: dict[str, Any], fails: bool, cause: str | None) -> None:
    stopped = task(**changes)
    assert is_failure(stopped) is fails
    if cause is not None:
        assert cause_of(stopped).text == cause


def test_failed_tasks_are_grouped_by_cause() -> None:
    stopped = StoppedTasks(
        (
            task(id="a" * 32),
            task(id="b" * 32, stopped=ago(minutes=9), started=None),
            task(id="c" * 32, stop_code="UserInitiated"),
        )
    )
    finding = only(failed_tasks(stopped, services(service()), STAGING, SCOPE))
    assert finding.level is WARN, "all wanted tasks run again"
    assert finding.sentence.startswith("2 tasks failed, the newest 4 min ago: ")
    assert [evidence.text.split(",")[1] for evidence in finding.evidence] == [" ran 1 min", " never started"]
    assert only(failed_tasks(stopped, services(service(running=1)), STAGING, SCOPE)).level is FAIL
    often = StoppedTasks(
        tuple(task(id=str(number) * 32, started=ago(minutes=2), stopped=ago(minutes=1)) for number in range(3))
    )
    assert only(failed_tasks(often, services(service()), STAGING, SCOPE)).level is FAIL, "it keeps failing"


def test_a_migration_that_failed_is_past_once_one_of_its_family_went_well() -> None:
    bad = task(service=None, task_definition="ohmycoins-migrate:7", stopped=ago(minutes=6))
    well = task(
        service=None,
        task_definition="ohmycoins-migrate:8",
        containers=(Container("backend", 0, ""),),
        stopped=ago(minutes=2),
    )
    again = only(failed_tasks(StoppedTasks((well, bad)), services(service()), STAGING, SCOPE))
    assert (again.level, again.ended) == (WARN, ago(minutes=2))
    for other in (
        replace(well, stopped=ago(minutes=8)),
        replace(well, task_definition="ohmycoins-other:8"),
        replace(well, containers=(Container("backend", None, ""),)),
        replace(well, service="backend"),
    ):
        newest_first = tuple(sorted((bad, other), key=lambda each: each.stopped, reverse=True))
        found = [
            each
            for each in failed_tasks(StoppedTasks(newest_first), services(service()), STAGING, SCOPE)
            if each.place == "tasks/ohmycoins-migrate:7"
        ]
        assert [(each.level, each.ended) for each in found] == [(FAIL, None)]


def test_failed_tasks_are_past_once_their_revision_is_gone_or_long_has_had_none() -> None:
    failed = StoppedTasks(tuple(task(id=str(number) * 32) for number in range(3)))
    past = only(failed_tasks(failed, services(service()), STAGING, SCOPE))
    assert (past.level, past.ended, past.since) == (WARN, ago(minutes=4), ago(minutes=4))
    lately = StoppedTasks((task(stopped=ago(seconds=30)),))
    assert only(failed_tasks(lately, services(service()), STAGING, SCOPE)).ended is None
    gone = StoppedTasks((task(stopped=ago(seconds=30), task_definition="ohmycoins-backend:6"),))
    assert only(failed_tasks(gone, services(service()), STAGING, SCOPE)).ended == ago(seconds=30)
    old = [task(id=f"{n:032x}", stopped=ago(minutes=3 + n), task_definition="ohmycoins-backend:6") for n in range(3)]
    older = [task(id="c" * 32, stopped=ago(minutes=16)), task(id="d" * 32, stopped=ago(minutes=28))]
    stories = StoppedTasks((*old, *older))
    ended = [each.ended for each in failed_tasks(stories, services(service()), STAGING, SCOPE)]
    assert ended == [ago(minutes=3), ago(minutes=16)], "nobody wants the one; the service was well for long in between"
    both = StoppedTasks((task(stopped=ago(seconds=20)), *old))
    assert only(failed_tasks(both, services(service()), STAGING, SCOPE)).ended is None, "the current one fails, too"
    again = service(deployments=(deployment(rollout="IN_PROGRESS"),))
    assert only(failed_tasks(failed, services(again), STAGING, SCOPE)).ended is None, "its deployment goes on"
    slow = StoppedTasks((task(stopped=ago(minutes=4)), task(id="b" * 32, stopped=ago(minutes=8))))
    assert only(failed_tasks(slow, services(service()), STAGING, SCOPE)).ended is None, "they come far apart"


@pytest.mark.parametrize(
    ("lives", "seconds", "is_past"),
    [
        ((5, 5, 9, 600), 100, True),
        ((5, 5, 600, 600), 100, False),
        ((5, 5, 600, 600), 160, True),
        ((5,), 80, False),
        ((5,), 100, True),
        ((600,), 100, False),
        ((70, 70, 70), 130, False),
        ((70, 70, 70), 145, True),
    ],
)
def test_a_service_is_well_again_when_its_tasks_outlive_most_that_failed(
    lives: tuple[int, ...], seconds: int, *, is_past: bool
) -> None:
    stopped = ago(seconds=seconds)
    tasks = [
        task(id=f"{n:032x}", started=stopped - timedelta(seconds=each), stopped=stopped) for n, each in enumerate(lives)
    ]
    found = only(failed_tasks(StoppedTasks(tuple(tasks)), services(service()), STAGING, SCOPE))
    assert found.is_past is is_past


@pytest.mark.parametrize(("seconds", "is_past"), [(20, False), (200, False), (290, False), (400, True), (900, True)])
def test_what_failed_long_before_a_deployment_is_not_why_its_tasks_do_not_run_yet(
    seconds: int, *, is_past: bool
) -> None:
    failed = StoppedTasks((task(stopped=ago(seconds=seconds)),))
    new = service(deployments=(deployment(rollout="IN_PROGRESS", created=ago(seconds=10), running=0),), running=0)
    found = next(iter(failed_tasks(failed, services(new), STAGING, SCOPE)))
    assert found.is_past is is_past


@pytest.mark.parametrize(("revision", "is_past"), [("ohmycoins-backend:6", True), ("ohmycoins-backend:7", False)])
def test_a_revision_that_nobody_wants_is_not_why_tasks_are_lacking(revision: str, *, is_past: bool) -> None:
    failed = StoppedTasks((task(stopped=ago(minutes=2), task_definition=revision),))
    found = only(failed_tasks(failed, services(service(running=1)), STAGING, SCOPE))
    assert found.is_past is is_past
    assert found.level is (WARN if is_past else FAIL)


@pytest.mark.parametrize(
    ("minutes", "rollout", "reason", "is_past"),
    [
        (1, "IN_PROGRESS", "rolling back to x", False),
        (4, "IN_PROGRESS", "rolling back to x", False),
        (19, "IN_PROGRESS", "rolling back to x", True),
        (19, "IN_PROGRESS", "", True),
        (1, "IN_PROGRESS", "", False),
        (4, "FAILED", "", False),
        (19, "COMPLETED", "", True),
    ],
)
def test_a_rollback_makes_no_failure_of_long_ago_new(minutes: int, rollout: str, reason: str, *, is_past: bool) -> None:
    failed = StoppedTasks((task(stopped=ago(minutes=minutes)),))
    old = deployment(created=ago(days=1), status="ACTIVE")
    new = deployment(rollout=rollout, rollout_reason=reason, created=ago(seconds=10))
    found = next(iter(failed_tasks(failed, services(service(deployments=(new, old))), STAGING, SCOPE)))
    assert found.is_past is is_past


@pytest.mark.parametrize(("seconds", "is_past"), [(10, False), (80, False), (100, True), (480, True)])
def test_a_service_that_wants_no_task_has_none_that_fails(seconds: int, *, is_past: bool) -> None:
    failed = StoppedTasks((task(stopped=ago(seconds=seconds)),))
    found = only(failed_tasks(failed, services(replace(service(), desired=0, running=0)), STAGING, SCOPE))
    assert found.is_past is is_past


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ((1,), [(1, False)]),
        ((1, 5), [(2, False)]),
        ((1, 6), [(2, False)]),
        ((1, 7), [(1, False), (1, True)]),
        ((1, 1, 11, 11), [(2, False), (2, True)]),
        ((1, 1, 11, 11, 30), [(2, False), (3, True)]),
        ((1, 4, 8, 12), [(4, False)]),
        ((2, 20, 21), [(1, True), (2, True)]),
        ((3, 20, 50), [(1, True), (2, True)]),
        ((1, 58), [(1, False), (1, True)]),
    ],
)
def test_what_a_service_was_well_for_long_after_was_another_time(
    stops: tuple[int, ...], expected: list[tuple[int, bool]]
) -> None:
    def stopped(minutes: int) -> datetime:
        return ago(minutes=minutes)

    tasks = tuple(
        task(id=f"{n:032x}", started=stopped(each) - timedelta(seconds=20), stopped=stopped(each))
        for n, each in enumerate(stops)
    )
    found = list(failed_tasks(StoppedTasks(tasks), services(service()), STAGING, SCOPE))
    assert [(len(each.evidence), each.is_past) for each in found] == expected
    assert all(each.sentence.startswith(f"{len(each.evidence)} task") for each in found)


def test_no_failed_task() -> None:
    assert only(failed_tasks(StoppedTasks(()), services(service()), STAGING, SCOPE)).level is OK


# Load balancer


def group(*states: str, name: str = "ohmycoins-staging-backend", is_used: bool = True) -> GroupHealth:
    some = tuple(
        Target(f"10.0.11.{number}", 8000, state, "" if state == "healthy" else f"Target.{state}", "")
        for number, state in enumerate(states)
    )
    return GroupHealth(TargetGroup(name, "arn", is_used), some)


@pytest.mark.parametrize(
    ("health", "level", "sentence"),
    [
        (group("healthy", "healthy"), OK, "2 of 2 targets are healthy."),
        (group("healthy", "healthy", "draining"), OK, "2 of 2 targets are healthy (1 more draining)."),
        (
            group("healthy", "draining"),
            WARN,
            "1 of 1 targets are healthy (1 more draining), but 2 tasks of its service run: 1 of them gets no request.",
        ),
        (
            group("healthy"),
            WARN,
            "1 of 1 targets are healthy, but 2 tasks of its service run: 1 of them gets no request.",
        ),
        (group("healthy", "unhealthy"), FAIL, "1 of 2 targets are healthy; 1 unhealthy: Target.unhealthy."),
        (group("healthy", "initial"), WARN, "1 of 2 targets are healthy; 1 initial: Target.initial."),
        (group("initial"), FAIL, "0 of 1 targets are healthy; 1 initial: Target.initial."),
        (group(), FAIL, "No target is registered."),
        (group("draining"), FAIL, "No target is registered (1 more draining)."),
        (group("unused", is_used=False), WARN, "No load balancer sends to it; 1 unused: Target.unused."),
    ],
)
def test_targets(health: GroupHealth, level: Level, sentence: str) -> None:
    finding = only(targets(TargetHealth((health,)), services(service()), STAGING))
    assert (finding.level, finding.sentence) == (level, sentence)
    assert len(finding.evidence) == max(1, len(health.targets))


def test_no_target_of_a_service_at_zero_is_a_warning() -> None:
    finding = only(targets(TargetHealth((group(),)), services(service(desired=0, running=0)), STAGING))
    assert finding.level is WARN


@pytest.mark.parametrize(("state", "level"), [("active", OK), ("provisioning", WARN), ("failed", FAIL)])
def test_load_balancer(state: str, level: Level) -> None:
    found = LoadBalancers((LoadBalancer("ohmycoins-staging", "app/x/1", "x.elb", state, ""),))
    assert only(load_balancer(found, STAGING)).level is level


def test_nothing_to_send_from_or_to_fails() -> None:
    assert only(load_balancer(LoadBalancers(()), STAGING)).level is FAIL
    assert only(targets(TargetHealth(()), services(), STAGING)).level is FAIL


FRESH = MetricsAge((ServiceMetric("backend", ago(minutes=2)), ServiceMetric("frontend", ago(minutes=2))))
STALE = MetricsAge((ServiceMetric("backend", ago(minutes=20)), ServiceMetric("frontend", None)))


def minutes(*records: tuple[float, float, float]) -> Traffic:
    """(minutes ago, answers, of those 5xx)"""
    return Traffic(
        tuple(Minute(ago(minutes=when), total, errors) for when, total, errors in sorted(records, reverse=True))
    )


@pytest.mark.parametrize(
    ("traffic", "metrics", "level", "part"),
    [
        (minutes((1, 100, 0), (2, 100, 1)), FRESH, OK, "1 of 200 answers were 5xx in the last 5 minutes."),
        (minutes((1, 100, 6), (2, 100, 6), (3, 100, 6)), FRESH, FAIL, "above 5 % in 3 of those minutes"),
        (minutes((1, 100, 6), (2, 100, 6), (3, 100, 5)), FRESH, WARN, "above 5 % in 2 minutes of the last 24 h"),
        (minutes((1, 19, 19), (2, 19, 19), (3, 19, 19)), FRESH, OK, "below the floor of 20 requests a minute"),
        (minutes((1, 100, 0), (300, 100, 50)), FRESH, WARN, "in 1 minute of the last 24 h"),
        (minutes(), FRESH, OK, "0 of 0 answers"),
        (minutes(), STALE, UNKNOWN, "no fresh metric"),
        (minutes((30, 100, 0)), STALE, UNKNOWN, "no fresh metric"),
        (minutes((1, 100, 0)), STALE, OK, "0 of 100"),
    ],
)
def test_error_rate(traffic: Traffic, metrics: MetricsAge, level: Level, part: str) -> None:
    finding = only(error_rate(traffic, metrics, STAGING, SCOPE))
    assert finding.level is level, finding
    assert part in finding.sentence


# Alarms


def alarm(name: str = "backend-unhealthy", state: str = "OK", **changes: Any) -> Alarm:
    made = Alarm(f"ohmycoins-staging-{name}", "arn", "metric", state, ago(minutes=42), "Threshold Crossed.", True, "")
    return replace(made, **changes)


def test_alarms_in_alarm_most_severe_first() -> None:
    response = Alarms(
        (
            alarm("a", "ALARM", tags={"severity": "SEV-3"}),
            alarm("b", "ALARM", tags={"severity": "SEV-1", "runbook": "docs/runbook/alerts.md:service-unhealthy"}),
            alarm("c", "ALARM", kind="composite", suppressed_by="maintenance", suppression="WaitPeriod"),
            alarm("d"),
            replace(alarm("d", "ALARM"), name="someone-elses"),
        )
    )
    found = list(alarms(response, STAGING))
    assert [finding.subject[-1] for finding in found] == ["b", "a", "c", "s"]
    assert [finding.level for finding in found] == [FAIL, FAIL, FAIL, WARN]
    assert found[3].sentence.endswith("It is not one of staging's.")
    assert (found[0].sentence, found[0].since) == (f"{found[0].subject}: SEV-1, in ALARM.", ago(minutes=42))
    assert found[0].procedure is not None
    assert found[0].procedure.document == "docs/runbook/alerts.md#service-unhealthy"
    assert found[0].evidence[0].text.endswith(": Threshold Crossed.")
    assert found[2].sentence.endswith(
        "Its actions are suppressed by maintenance while CloudWatch waits to see whether that one goes into ALARM."
    )


WATCHED_LB = "app/ohmycoins-staging/50dc6c495c0c9188"


@pytest.mark.parametrize(
    ("name", "more", "ours"),
    [
        ("ohmycoins-staging-5xx", {}, True),
        ("5xx", {"dimensions": (WATCHED_LB,)}, True),
        ("5xx", {"dimensions": ("targetgroup/ohmycoins-staging-backend/0123456789abcdef",)}, True),
        ("5xx", {"dimensions": ("other", "ohmycoins-staging")}, True),
        ("redis", {"dimensions": ("ohmycoins-staging-redis-001",)}, True),
        ("made-by-hand", {"tags": {"project": "ohmycoins", "environment": "staging"}}, True),
        ("someone-elses", {}, False),
        ("ohmycoins-staging2-5xx", {}, False),
        ("5xx", {"dimensions": ("app/ohmycoins-staging2/50dc6c495c0c9188",)}, False),
        ("5xx", {"dimensions": ("app/payments/50dc6c495c0c9188", "i-0123456789")}, False),
        ("theirs", {"tags": {"project": "payments", "environment": "staging"}}, False),
        ("theirs", {"tags": {"environment": "staging"}}, False),
        ("my-ohmycoins-staging-5xx", {}, False),
    ],
)
def test_only_an_alarm_of_the_environment_is_a_failure(name: str, more: dict[str, Any], ours: bool) -> None:
    """By its name, its tags or what it watches; another's is a warning, and hides no state of ours."""
    response = Alarms((alarm("a"), replace(alarm("x", "ALARM", **more), name=name)))
    found = list(alarms(response, STAGING))
    assert [finding.level for finding in found] == ([FAIL] if ours else [WARN, OK])
    assert ours or found[1].sentence.startswith("None of staging's 1 alarms is in ALARM")


@pytest.mark.parametrize(
    ("states", "level", "part"),
    [
        (["OK", "OK"], OK, "None of 2 alarms is in ALARM (3 of autoscaling's own left out)."),
        (["OK", "INSUFFICIENT_DATA"], WARN, "; 1 has too little data to say."),
        (["INSUFFICIENT_DATA", "INSUFFICIENT_DATA"], UNKNOWN, "; 2 have too little data to say."),
    ],
)
def test_no_alarm_in_alarm(states: list[str], level: Level, part: str) -> None:
    response = Alarms(tuple(alarm(str(number), state) for number, state in enumerate(states)), autoscaling=3)
    finding = only(alarms(response, STAGING))
    assert finding.level is level
    assert part in finding.sentence


def test_no_alarms_at_all_page_nobody() -> None:
    assert only(alarms(Alarms(()), STAGING)).level is FAIL


def test_alarms_without_an_action_are_named() -> None:
    found = list(alarms(Alarms((alarm("a", acts=False), alarm("b"))), STAGING))
    assert [finding.level for finding in found] == [WARN, OK]
    assert found[0].evidence[0].text == "ohmycoins-staging-a has no action"


@pytest.mark.parametrize(
    ("traffic", "ended"),
    [
        (minutes((1, 100, 6), (2, 100, 6), (3, 100, 6)), None),
        (minutes((1, 100, 0), (2, 100, 6), (3, 100, 6), (4, 100, 6)), None),  # one good minute after many is a chance
        (minutes((1, 100, 0), (2, 100, 0), (3, 100, 6), (4, 100, 6), (5, 100, 6)), 2),
        (minutes((1, 100, 5), (2, 100, 5), (3, 100, 60), (4, 100, 60), (5, 100, 60)), 2),
        (minutes((1, 100, 0), (2, 100, 6)), 1),
        (minutes((1, 100, 0), (2, 100, 0), (300, 100, 50)), 299),
        (minutes((0.5, 100, 0), (2, 100, 6)), None),  # the running minute isn't whole
        (minutes((0.5, 100, 50), (1.5, 100, 0), (3, 100, 6)), None),
        (minutes((1, 10, 9), (2, 100, 0), (3, 100, 6)), None),  # also what is too little to be judged
        (minutes((2, 100, 6)), None),
        (minutes((9, 100, 6)), None),
        (minutes((12, 100, 6)), 11),  # nobody was answered since: for others to say
        (minutes((1, 100, 0)), None),
    ],
)
def test_the_rate_of_5xx_is_past_once_whole_minutes_are_well(traffic: Traffic, ended: int | None) -> None:
    found = only(error_rate(traffic, FRESH, STAGING, SCOPE))
    assert found.ended == (ago(minutes=ended) if ended else None)


# Logs


def errors(count: int, shape: str = "no table <text>") -> ErrorGroup:
    return ErrorGroup("/ecs/ohmycoins-staging/backend", shape, count, ago(hours=2), ago(minutes=1), "no table 'x'", 2)


@pytest.mark.parametrize(("count", "level"), [(1, WARN), (99, WARN), (100, FAIL)])
def test_recent_errors(count: int, level: Level) -> None:
    finding = only(recent_errors(RecentErrors((errors(count),), matched=count, scanned=900), STAGING, SCOPE))
    assert finding.level is level
    assert finding.sentence.endswith("in the last 24 h; most often: no table <text>")


def served(service: str, status: int = 200, seconds: float = 0.1) -> Probes:
    return Probes((ProbeRequest(service, "http://x/", Source.PUBLIC, (Answer(status, seconds=seconds),)),), {})


@pytest.mark.parametrize(
    ("seconds", "probes", "is_past"),
    [
        (30, None, False),
        (30, served("backend"), False),
        (65, None, False),
        (65, served("backend"), True),
        (65, served("backend", 503), False),
        (65, served("backend", seconds=4.9), False),
        (65, served("frontend"), False),
        (65, Probes((), {}), False),
        (119, served("backend"), True),
        (121, None, True),
        (121, served("backend", 503), True),
        (180, served("backend"), True),
    ],
)
def test_errors_are_past_once_none_comes_and_users_are_served(
    seconds: int, probes: Probes | None, is_past: bool
) -> None:
    old = replace(errors(139, "UndefinedTable"), last=ago(seconds=seconds))
    found = only(recent_errors(RecentErrors((old,), matched=139, scanned=900), STAGING, SCOPE, probes))
    assert found.is_past is is_past
    assert found.level is (WARN if is_past else FAIL)


def test_many_errors_that_are_over_make_one_that_goes_on_no_failure() -> None:
    old, new = replace(errors(139), last=ago(minutes=3)), replace(errors(1, "slow"), last=ago(seconds=20))
    found = only(recent_errors(RecentErrors((old, new), matched=140, scanned=900), STAGING, SCOPE))
    assert (found.level, found.is_past) == (WARN, False)
    assert found.sentence.startswith("140 errors of 2 kinds")
    assert found.sentence.endswith("slow")


def test_no_error_is_ok_but_no_log_is_not() -> None:
    assert only(recent_errors(RecentErrors((), scanned=10), STAGING, SCOPE)).level is OK
    assert only(recent_errors(RecentErrors((), scanned=0), STAGING, SCOPE)).level is WARN
    assert only(recent_errors(RecentErrors((), missing=("/ecs/x",)), STAGING, SCOPE)).level is UNKNOWN


def test_more_errors_than_a_query_gives_are_reported() -> None:
    finding = only(recent_errors(RecentErrors((errors(10_000),), matched=52_000, scanned=90_000), STAGING, SCOPE))
    assert "(among the newest 10,000 of 52,000 lines)" in finding.sentence


# Freshness


@pytest.mark.parametrize(("age", "level"), [(0.0, OK), (900.0, OK), (901.0, FAIL), (None, UNKNOWN)])
def test_data_fresh(age: float | None, level: Level) -> None:
    data_age = DataAge((ServiceData("backend", "http://x/status", age, "" if age is not None else "It answered 503."),))
    assert only(data_fresh(data_age, STAGING)).level is level


def test_metrics_fresh() -> None:
    running = services(service(), service(name="frontend"))
    assert sentences_of(metrics_fresh(FRESH, running, STAGING, SCOPE)) == [
        (OK, "CloudWatch's newest metric is 2 min old.")
    ]
    assert [finding.level for finding in metrics_fresh(STALE, running, STAGING, SCOPE)] == [UNKNOWN, UNKNOWN]
    assert list(metrics_fresh(STALE, services(service(running=0)), STAGING, SCOPE)) == [], "nothing runs: no metric"
