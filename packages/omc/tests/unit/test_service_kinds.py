"""Kinds of service that omc can't judge: refused by every command alike, and no false alarm of the morning check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from omc.actions.action import Verdict
from omc.actions.ecs.verdict import Expected, judge
from omc.checks.finding import Level
from omc.checks.load_balancing import targets
from omc.checks.services import rollouts, services_running
from omc.facts.deployments import History
from omc.facts.load_balancers import GroupHealth, Target, TargetGroup, TargetHealth
from omc.facts.registered import Registered
from omc.facts.rollouts import Rollout
from omc.facts.services import EcsService, Services, _service
from omc.judgement import service_kinds
from omc.judgement.service_kinds import KINDS, unsupported
from omc.model.plan import Plan
from omc.model.requests import DeployRequest, MigrateRequest, PruneRequest, RollbackRequest, RunTaskRequest
from omc.model.requests import RestartRequest as Restart
from omc.model.requests import ScaleRequest as Scale
from omc.procedures.preflight import service_refusals
from support import release_facts as example

UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"deploymentController": {"type": "CODE_DEPLOY"}}, "is deployed by CODE_DEPLOY, not by ECS"),
    ({"deploymentController": {"type": "EXTERNAL"}}, "EXTERNAL controller"),
    ({"deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}}, "ECS's BLUE_GREEN strategy"),
    ({"deploymentConfiguration": {"strategy": "LINEAR"}}, "ECS's LINEAR strategy"),
    ({"deploymentConfiguration": {"strategy": "CANARY"}}, "ECS's CANARY strategy"),
    ({"deploymentConfiguration": {"strategy": "SHADOW"}}, "has the strategy SHADOW, which this omc doesn't know"),
    ({"schedulingStrategy": "DAEMON"}, "DAEMON"),
    ({"launchType": "EC2"}, "runs on EC2"),
    ({"launchType": "EXTERNAL"}, "runs on EXTERNAL"),
    ({"launchType": "MANAGED_INSTANCES"}, "runs on MANAGED_INSTANCES"),
    ({"launchType": "QUANTUM"}, "has the launch type QUANTUM, which this omc doesn't know"),
    ({"capacityProviderStrategy": [{"capacityProvider": "my-asg", "weight": 1}]}, "capacity provider my-asg"),
    (
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}, {"capacityProvider": "my-asg"}]},
        "capacity provider my-asg",
    ),
]
SUPPORTED: list[dict[str, Any]] = [
    {},
    {"deploymentController": {"type": "ECS"}, "schedulingStrategy": "REPLICA", "launchType": "FARGATE"},
    {"deploymentConfiguration": {"strategy": "ROLLING", "bakeTimeInMinutes": 0}},
    {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]},
    {"serviceConnectConfiguration": {"enabled": True}, "vpcLatticeConfigurations": [{"portName": "http"}]},
]


def described_service(name: str = "backend", **more: Any) -> dict[str, Any]:
    """As DescribeServices tells it."""
    at, running = example.NOW, f"arn:aws:ecs:a:1:task-definition/ohmycoins-{name}:{7 if name == 'backend' else 3}"
    primary = {
        "id": "d",
        "status": "PRIMARY",
        "rolloutState": "COMPLETED",
        "taskDefinition": running,
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "createdAt": at,
        "updatedAt": at,
    }
    return {
        "serviceName": name,
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "taskDefinition": running,
        "deployments": [primary],
    } | more


def service(name: str = "backend", **more: Any) -> EcsService:
    answer: Any = described_service(name, **more)
    return _service(answer)


def plans(backend: EcsService) -> dict[str, Plan]:
    """A change of that service by each command."""
    services = Services((backend, example.service("frontend", 3)))
    facts = example.facts(services=services)
    old = example.definition("backend", 6, "b")
    before = History({**facts["history"].of, "backend": (*facts["history"].of["backend"],
                                                         example.deployed("ohmycoins-backend:6", 48))})  # fmt: skip
    registered = Registered({"backend": ("ohmycoins-backend:1", "ohmycoins-backend:7")}, frozenset())
    found = example.candidates(old, *facts["definitions"].running.values())
    return {
        "deploy": example.planned("deploy", DeployRequest({"backend": "image"}), **facts),
        "rollback": example.planned(
            "rollback", RollbackRequest(services=["backend"]), services=services, history=before, found=found
        ),
        "restart": example.planned("restart", Restart(["backend"]), services=services),
        "scale": example.planned("scale", Scale("backend", 3), services=services),
        "prune": example.planned("prune", PruneRequest(), services=services, registered=registered),
    }


@pytest.mark.parametrize(("more", "expected"), UNSUPPORTED, ids=[said for _, said in UNSUPPORTED])
def test_every_command_refuses_it_with_one_sentence(more: dict[str, Any], expected: str) -> None:
    backend = service(**more)
    why = unsupported(backend)
    assert expected in why
    assert why.startswith("backend ")
    for command, plan in plans(backend).items():
        assert why in plan.refusals, command


@pytest.mark.parametrize(("more", "expected"), UNSUPPORTED, ids=[said for _, said in UNSUPPORTED])
def test_a_task_of_its_own_runs_beside_a_service_of_any_kind(more: dict[str, Any], expected: str) -> None:
    """``omc migrate`` and ``omc exec --detach`` start a task as the service's are started, and judge that alone."""
    services = Services((service(**more), example.service("frontend", 3)))
    for command, request in (("migrate", MigrateRequest()), ("run-task", RunTaskRequest("backend", ("true",)))):
        plan = example.planned(command, request, services=services)
        assert not any(expected in refusal for refusal in plan.refusals), command
        assert plan.steps, command


@pytest.mark.parametrize("more", SUPPORTED)
def test_every_command_takes_fargate_rolled_by_ecs(more: dict[str, Any]) -> None:
    backend = service(**more)
    assert unsupported(backend) == ""
    for command, plan in plans(backend).items():
        assert plan.refusals == (), command


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (service_kinds.CONTROLLER, "DeploymentControllerType"),
        (service_kinds.STRATEGY, "DeploymentStrategy"),
        (service_kinds.SCHEDULING, "SchedulingStrategy"),
        (service_kinds.LAUNCH, "LaunchType"),
    ],
)
def test_the_table_knows_every_value_of_ecs_model(kind: str, shape: str) -> None:
    model = botocore.session.get_session().get_service_model("ecs")
    assert set(model.shape_for(shape).metadata["enum"]) == set(KINDS[kind])


@pytest.mark.parametrize(("more", "expected"), UNSUPPORTED, ids=[said for _, said in UNSUPPORTED])
def test_what_became_of_it_is_unknown_and_never_undone(more: dict[str, Any], expected: str) -> None:
    found = judge(Rollout(service(**more), None, None), Expected("backend", "ohmycoins-backend:8"), "")
    assert found.verdict is Verdict.UNKNOWN
    assert expected in found.sentence


@pytest.mark.parametrize(("more", "expected"), UNSUPPORTED, ids=[said for _, said in UNSUPPORTED])
def test_the_morning_check_has_no_false_failure_for_it(more: dict[str, Any], expected: str) -> None:
    environment = example.environment()
    by_others = more.get("deploymentController", {}).get("type") in ("CODE_DEPLOY", "EXTERNAL")
    changes: dict[str, Any] = more | ({"deployments": []} if by_others else {})
    found = Services((service(**changes),))
    levels = {finding.level for finding in rollouts(found, environment, example.SCOPE)}
    assert levels == {Level.WARN if by_others else Level.OK}
    assert {finding.level for finding in services_running(found, environment)} == {Level.OK}


def test_a_daemon_service_has_as_many_tasks_as_instances() -> None:
    daemon = service(schedulingStrategy="DAEMON", desiredCount=14, runningCount=14)
    assert [each.level for each in services_running(Services((daemon,)), example.environment())] == [Level.OK]


def test_the_idle_group_of_a_pair_is_no_failure_and_two_empty_ones_are() -> None:
    balancers = [{"targetGroupArn": "blue", "advancedConfiguration": {"alternateTargetGroupArn": "green"}}]
    pair = service(loadBalancers=balancers, deploymentConfiguration={"strategy": "BLUE_GREEN"})
    blue, green = (TargetGroup(f"ohmycoins-staging-{name}", name, is_used=True) for name in ("blue", "green"))
    there = tuple(Target(f"10.0.0.{number}", 8000, "healthy", "", "") for number in (1, 2))

    def levels(*groups: GroupHealth) -> list[Level]:
        return [each.level for each in targets(TargetHealth(groups), Services((pair,)), example.environment())]

    assert levels(GroupHealth(blue, there), GroupHealth(green, ())) == [Level.OK, Level.OK]
    assert levels(GroupHealth(blue, ()), GroupHealth(green, there)) == [Level.OK, Level.OK]
    assert levels(GroupHealth(blue, ()), GroupHealth(green, ())) == [Level.FAIL, Level.FAIL]
    sick = (replace(there[0], state="unhealthy"),)
    assert levels(GroupHealth(blue, sick), GroupHealth(green, ())) == [Level.FAIL, Level.OK]


def test_a_service_of_which_ecs_tells_no_deployment_is_not_known_to_be_fine() -> None:
    found = Services((service(deployments=[]),))
    assert [each.level for each in rollouts(found, example.environment(), example.SCOPE)] == [Level.UNKNOWN]


@pytest.mark.parametrize(
    ("more", "expected", "overridable"),
    [
        ({}, "", False),
        ({"status": "DRAINING"}, "backend is DRAINING, not ACTIVE", False),
        ({"desiredCount": 0}, "scaled to zero", False),
        (
            {"deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}},
            "omc knows rolling only",
            False,
        ),
        (
            {"deployments": [{**described_service()["deployments"][0], "rolloutState": "IN_PROGRESS"}]},
            "is in progress",
            True,
        ),
    ],
)
def test_of_one_service_the_tables_own_rows_say_what_a_deployment_is_refused_for(
    more: dict[str, Any], expected: str, overridable: bool
) -> None:
    found = list(service_refusals(service(**more), History({"backend": ()})))
    assert [refusal.overridable for refusal in found] == ([overridable] if expected else [])
    assert all(expected in refusal.sentence for refusal in found)
