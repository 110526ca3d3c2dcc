"""The actions of a release against answers as AWS gives them: a way back that ECS takes, a migration that is found
again, and a watch that says when it saw nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omc.actions.action import Outcome, Verdict, action_named
from omc.actions.cloudwatch import _quiet
from omc.actions.ecs.roll_service import _alarms_on_again, _apply
from omc.errors import AwsRefused
from omc.facts.deployments import History
from omc.facts.releases import Ledger
from omc.judgement.bake import Readings
from omc.model.arguments.cloudwatch import Settle
from omc.model.arguments.ecs import RollService, RunTask
from omc.procedures.candidates import candidates, last_good, last_release
from support import release_facts as example
from support.fake_gateway import FakeGateway, context

ALARMS = {"alarmNames": ["backend-unhealthy"], "enable": True, "rollback": True}
OFF = {**ALARMS, "enable": False, "rollback": False}
BREAKER = {"enable": True, "rollback": True}
SENT = {"maximumPercent": 200, "minimumHealthyPercent": 100, "deploymentCircuitBreaker": BREAKER}
NOT_TAKEN = AwsRefused("ecs UpdateService was refused: bakeTimeInMinutes.", "InvalidParameterException")
UPDATED = {"service": {"currentServiceDeployment": "new"}}


def test_a_watch_says_how_many_tasks_failed_and_which_alarm_fires_still() -> None:
    """Fewer than it takes for a release to be taken back are not none."""
    assert _quiet(Readings(), 180) == "no alarm fired and no task failed for 180 s"
    noisy = Readings(firing=("cpu-high",), failed_tasks={"backend": 1, "frontend": 0})
    assert _quiet(noisy, 180) == (
        "no further alarm fired (cpu-high did before) and 1 task of the new backend failed in 180 s"
    )


def ecs(record: Mapping[str, Any], update: Any = UPDATED) -> FakeGateway:
    """A service with this deployment configuration."""
    at = example.NOW
    service = {
        "serviceName": "backend",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "taskDefinition": "x/ohmycoins-backend:8",
        "createdAt": at,
        "deploymentConfiguration": dict(record),
    }
    return FakeGateway(
        {
            ("ecs", "describe_services"): {"services": [service]},
            ("ecs", "list_service_deployments"): {"serviceDeployments": []},
            ("ecs", "update_service"): update,
        }
    )


BACK = RollService(service="backend", task_definition="ohmycoins-backend:7", digests={}, back=True)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"strategy": "ROLLING"},
        {"strategy": "ROLLING", "bakeTimeInMinutes": 0},
        {"lifecycleHooks": []},
        {"strategy": "ROLLING", "bakeTimeInMinutes": 0, "lifecycleHooks": [], "earlySuccessCriteria": {}},
        {"linearConfiguration": {}, "canaryConfiguration": {}},
        {"somethingNew": 1},
    ],
)
def test_the_way_back_sends_only_what_ecs_takes_of_a_rolling_service(more: dict[str, Any]) -> None:
    gateway = ecs({**SENT, "alarms": ALARMS, **more})
    where = context(gateway)
    assert _apply(where, BACK) == {"deployment": "new"}
    assert gateway.calls("update_service")[0]["deploymentConfiguration"] == {**SENT, "alarms": OFF}

    gateway.answers["ecs", "describe_services"]["services"][0]["deploymentConfiguration"]["alarms"] = OFF
    assert _alarms_on_again(where, "backend") == ""
    assert gateway.calls("update_service")[1]["deploymentConfiguration"] == {**SENT, "alarms": ALARMS}


@pytest.mark.parametrize("expected", [{}, SENT, {**SENT, "alarms": OFF}, {**SENT, "alarms": {"alarmNames": []}}])
def test_without_alarms_the_configuration_is_left_alone(expected: dict[str, Any]) -> None:
    gateway = ecs(expected)
    _apply(context(gateway), BACK)
    assert "deploymentConfiguration" not in gateway.calls("update_service")[0]


@pytest.mark.parametrize("code", ["InvalidParameterException", "ClientException", "UnsupportedFeatureException"])
def test_if_ecs_refuses_the_configuration_it_goes_back_without_and_says_so(code: str) -> None:
    gateway = ecs({**SENT, "alarms": ALARMS}, [AwsRefused("ecs UpdateService was refused: no.", code), UPDATED])
    memory: dict[str, Any] = {}
    where = context(gateway, state=memory)
    assert _apply(where, BACK) == {"deployment": "new"}
    first, second = gateway.calls("update_service")
    assert "deploymentConfiguration" in first
    assert "deploymentConfiguration" not in second
    assert second["taskDefinition"] == "ohmycoins-backend:7"
    assert action_named("ecs.roll_service").pending_notice(where, BACK) == "", "its alarms are on"
    memory["declined"] = "ohmycoins-backend:9"
    outcome = action_named("ecs.roll_service").poll(where, BACK)
    assert outcome is not None
    assert (
        "ECS watched its deployment alarms during the rollback, since it refused to turn them off"
    ) in outcome.sentence


def test_another_error_of_the_way_back_is_not_swallowed() -> None:
    gateway = ecs({**SENT, "alarms": ALARMS}, AwsRefused("busy", "ServiceNotActiveException"))
    with pytest.raises(AwsRefused):
        _apply(context(gateway), BACK)
    assert len(gateway.calls("update_service")) == 1


def test_alarms_that_can_not_be_turned_on_again_are_reported() -> None:
    gateway = ecs({**SENT, "alarms": OFF}, NOT_TAKEN)
    message = _alarms_on_again(context(gateway, state={"alarms": ALARMS}), "backend")
    assert "Its deployment alarms are off, and ECS refused to turn them on again" in message
    assert "omc infra apply" in message


# A migration


def tasks(*records: tuple[str, str, str]) -> FakeGateway:
    """(id, startedBy, RUNNING or STOPPED); ListTasks as its contract says."""

    def list_tasks(params: Mapping[str, Any]) -> Mapping[str, Any]:
        filters = set(params) - {"cluster", "nextToken", "maxResults"}
        assert "startedBy" not in filters or filters == {"startedBy"}, "startedBy must be the only filter"
        wanted = params.get("desiredStatus", "RUNNING")
        found = [i for i, by, status in records if status == wanted and params.get("startedBy") in (None, by)]
        assert params.get("family") in (None, "ohmycoins-backend")
        size, begin = 2, int(params.get("nextToken", "0"))
        more = {"nextToken": str(begin + size)} if begin + size < len(found) else {}
        return {"taskArns": found[begin : begin + size], **more}

    def describe(params: Mapping[str, Any]) -> Mapping[str, Any]:
        by = {identifier: started_by for identifier, started_by, _ in records}
        return {"tasks": [{"taskArn": arn, "startedBy": by[arn]} for arn in params["tasks"]]}

    return FakeGateway({("ecs", "list_tasks"): list_tasks, ("ecs", "describe_tasks"): describe})


OURS = "omc/r1/s1"
MIGRATE = RunTask(
    task_definition="a:1", container="backend", command=("migrate",), what="the migration", network={}, launch={}
)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([], None),
        ([("a", OURS, "RUNNING")], "a"),
        ([("a", OURS, "STOPPED")], "a"),
        ([("a", "omc/r2/s1", "STOPPED")], None),
        ([("a", "omc/r2/s1", "RUNNING")], None),
        ([("a", "", "STOPPED"), ("b", OURS, "STOPPED")], "b"),
        ([("a", "omc/r2/s1", "RUNNING"), ("b", OURS, "STOPPED")], "b"),
        ([*[(str(number), "ecs-svc/1", "STOPPED") for number in range(7)], ("b", OURS, "STOPPED")], "b"),
        ([("a", OURS, "RUNNING"), ("b", "omc/r1/s2", "STOPPED")], "a"),
        ([("a", "omc/r1/s1/again", "STOPPED")], None),
        ([("a", "omc/r1/s", "STOPPED")], None),
    ],
)
def test_a_migration_is_found_again_within_the_contract_of_list_tasks(
    expected: list[tuple[str, str, str]], found: str | None
) -> None:
    memory: dict[str, Any] = {}
    where = context(tasks(*expected), state=memory)
    arguments = replace(MIGRATE, task_definition="arn:aws:ecs:a:1:task-definition/ohmycoins-backend:8")
    assert action_named("ecs.run_task").is_applied(where, arguments) is (found is not None)
    assert memory.get("task") == found


@pytest.mark.parametrize(("seconds", "verdict"), [(0, None), (3, None), (59, None), (60, Verdict.UNKNOWN)])
def test_a_task_that_was_just_started_may_not_be_shown_yet(seconds: float, verdict: Verdict | None) -> None:
    started = {"tasks": [{"taskArn": "arn:aws:ecs:a:1:task/c/t"}], "failures": []}
    missing = {"tasks": [], "failures": [{"arn": "arn:aws:ecs:a:1:task/c/t", "reason": "MISSING"}]}
    gateway = FakeGateway({("ecs", "run_task"): started, ("ecs", "describe_tasks"): missing})
    memory: dict[str, Any] = {}
    run_task = action_named("ecs.run_task")
    memory |= run_task.apply(context(gateway, state=memory, now=lambda: example.NOW), MIGRATE)
    later = example.NOW + timedelta(seconds=seconds)
    outcome = run_task.poll(context(gateway, state=memory, now=lambda: later), MIGRATE)
    assert (outcome.verdict if outcome else None) is verdict


# The watch


def settled(whole_minutes: int, *, seconds: float = 420, is_local: bool = False, hosts: bool = True) -> Outcome:
    """The watch's end, where CloudWatch tells of so many whole minutes of a quiet, healthy service."""
    environment = example.environment(local_state=Path("/nowhere") if is_local else None)
    began = example.NOW + timedelta(seconds=20)
    now = began + timedelta(seconds=seconds)
    first = example.NOW + timedelta(minutes=1)

    def metric_data(params: Mapping[str, Any]) -> Mapping[str, Any]:
        begin, end = params["StartTime"], params["EndTime"]
        if "Expression" in params["MetricDataQueries"][0]:
            assert timedelta(0) < end - begin <= timedelta(seconds=30)
            healthy = {"Timestamps": [begin], "Values": [3.0]} if hosts else {"Values": []}
            return {"MetricDataResults": [{"Id": "h0", **healthy}]}
        period = params["MetricDataQueries"][0]["MetricStat"]["Period"]
        # the minute in which the watch began is not a whole one of it
        times = [example.NOW, *(first + timedelta(minutes=number) for number in range(whole_minutes))]
        records = [at for at in times if begin <= at < end] if period == 60 else []
        results = [
            {"Id": query["Id"], "Timestamps": records, "Values": [40.0 if "2XX" in str(query) else 0.0] * len(records)}
            for query in params["MetricDataQueries"]
        ]
        return {"MetricDataResults": results}

    service = {
        "serviceName": "backend",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "taskDefinition": "x/ohmycoins-backend:8",
    }
    gateway = FakeGateway(
        {
            ("ecs", "describe_services"): {"services": [service]},
            ("ecs", "list_tasks"): {"taskArns": []},
            ("cloudwatch", "describe_alarms"): {},
            ("cloudwatch", "get_metric_data"): metric_data,
            ("elbv2", "describe_load_balancers"): {
                "LoadBalancers": [
                    {"LoadBalancerName": "ohmycoins-staging", "LoadBalancerArn": "a:loadbalancer/app/ohmycoins/1"}
                ]
            },
        },
        environment,
    )
    where = context(gateway, state={"began": began.isoformat()}, now=lambda: now)
    before = {"firing": [], "requests": 100.0, "error_percent": 0.0, "p95_seconds": None, "failed_tasks": {}}
    arguments = Settle(seconds=seconds, before=before, services={"backend": "ohmycoins-backend:8"})
    outcome = action_named("cloudwatch.settle").poll(where, arguments)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("whole_minutes", "seconds", "watched"),
    [
        (0, 420, False),
        (1, 420, False),
        (2, 420, False),
        (3, 420, True),
        (4, 420, True),
        (6, 420, True),
        (0, 120, False),
        (1, 120, False),
        (0, 0, False),
        (3, 300, True),
        (2, 300, False),
        (29, 1800, True),
    ],
)
def test_verified_needs_three_whole_minutes_or_it_says_unwatched(
    whole_minutes: int, seconds: float, watched: bool
) -> None:
    outcome = settled(whole_minutes, seconds=seconds)
    assert outcome.verdict is Verdict.SUCCEEDED
    proof: Any = outcome.outputs["proof"]
    assert (proof["watched"], proof["whole_minutes"]) == (watched, whole_minutes)
    assert outcome.sentence.startswith("Unwatched: ") is not watched
    if not watched:
        assert f"cover only {whole_minutes} whole minutes, and verifying a release takes 3" in outcome.sentence


@pytest.mark.parametrize("hosts", [True, False])
def test_the_local_cloud_has_no_such_minutes_but_figures_that_arrive(hosts: bool) -> None:
    outcome = settled(0, seconds=15, is_local=True, hosts=hosts)
    assert outcome.sentence.startswith("Unwatched: ") is not hosts
    assert ("has no figures of the load balancer's targets for the last 30 s" in outcome.sentence) is not hosts
    proof: Any = outcome.outputs["proof"]
    assert proof["watched"] is hosts


# What rollback trusts


def released(*watched: bool | None) -> Ledger:
    """Releases of backend:1, :2 …; None is one that was rolled back to."""
    return example.ledger(
        *(
            example.release(
                number,
                100 - number,
                number,
                3,
                proof={} if seen is None else {"watched": seen},
                is_rollback=seen is None,
            )
            for number, seen in enumerate(watched, 1)
        )
    )


@pytest.mark.parametrize(
    ("watched", "chosen"),
    [
        ((True, True, True), 2),
        ((True, False, True), 1),
        ((False, False, True), 2),
        ((True, False, False), 1),
        ((False, True, False), 2),
        ((False, False, False), 2),
        ((False, True, False, False, True), 2),
        ((True, False, False, False, False), 1),
        ((True, True, False, True, False), 4),
        ((True,), None),
        ((False,), None),
    ],
)
def test_what_was_watched_goes_before_what_only_ran(watched: tuple[bool, ...], chosen: int | None) -> None:
    ledger = released(*watched)
    running = f"ohmycoins-backend:{len(watched)}"
    found = last_good(candidates("backend", running, History({}), ledger, example.NOW))
    assert (found.task_definition if found else None) == (f"ohmycoins-backend:{chosen}" if chosen else None)
    release = last_release({"backend": running, "frontend": "ohmycoins-frontend:3"}, ledger)
    assert (release.number if release else None) == chosen


def test_a_revision_that_was_gone_back_to_is_as_trusted_as_when_it_was_released() -> None:
    back = replace(example.release(4, 1, 1, 3, is_rollback=True), proof={"backend": 2.0})
    assert back.watched is False
    first = example.release(1, 9, 1, 3, proof={"watched": True})
    found = candidates(
        "backend", "ohmycoins-backend:9", example.facts()["history"], example.ledger(first, back), example.NOW
    )
    by_name = {candidate.task_definition: candidate for candidate in found}
    assert by_name["ohmycoins-backend:1"].watched
    assert not by_name["ohmycoins-backend:7"].watched, "only ECS knows it"
