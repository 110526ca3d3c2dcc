"""A stack whose ECS services are called otherwise than omc calls them: what is asked of AWS, and what people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.actions.cloudwatch import _is_led_to
from omc.actions.ecs import await_services, roll_service, run_task
from omc.actions.ecs.verdict import Expected, all_healthy
from omc.actions.scaling import _commands as scaling_commands
from omc.aws.command_permissions import needs_of_commands
from omc.checks.causes.places import service_at, watched_by
from omc.checks.finding import Level
from omc.checks.jobs import is_often, jobs
from omc.checks.load_balancing import load_balancer, targets
from omc.checks.runbook import MORNING_CHECKS, TASKS_RESTARTING, placed
from omc.checks.services import services_running
from omc.config import Environment
from omc.config.model import PRODUCTION_POLICY, Job
from omc.config.people import People
from omc.config.tables import RunbookTable
from omc.facts.alarms import Alarm
from omc.facts.jobs import Jobs, JobState, Schedule, Starts, read_jobs
from omc.facts.load_balancers import GroupHealth, LoadBalancers, Target, TargetGroup, TargetHealth
from omc.facts.rollouts import Rollout, healthy_tasks, own_targets
from omc.facts.scaling import read_scaling, resource_id
from omc.facts.services import Services, describe_service, read_services
from omc.facts.tasks import Container, RunningTask, StoppedTask, list_running_tasks, read_stopped_tasks
from omc.model.arguments.data_stores import AwaitServices
from omc.model.arguments.ecs import RollService, RunTask
from omc.model.arguments.scaling import SetCapacity
from support import release_facts as example
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
GROUP = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/{}/1"


def acme(**more: Any) -> Environment:
    """api and web share a target group in one cluster; worker is in another and serves no requests."""
    first = example.environment().services[0]
    api = replace(
        first, name="api", ecs_service="acme-prod-api", cluster="acme", port=8080, target_groups=("shared", "inner")
    )
    web = replace(api, name="web", ecs_service="acme-prod-web", port=3000, target_groups=("shared",))
    none: dict[str, Any] = dict.fromkeys(("port", "minimum", "maximum", "cpu_target", "memory_target"))
    worker = replace(web, name="worker", ecs_service="worker", cluster="batch", target_groups=(), **none)
    return example.environment(cluster="acme", services=(api, web, worker), **more)


def described(name: str, **more: Any) -> dict[str, Any]:
    return {
        "serviceName": name,
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "taskDefinition": "arn:aws:ecs:a:1:task-definition/acme:1",
        "loadBalancers": [],
        **more,
    }


def gateway(environment: Environment | None = None, **answers: Any) -> FakeGateway:
    known = {("ecs", name): answer for name, answer in answers.items()}
    return FakeGateway(known, environment or acme())


def services_of(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"services": [described(name) for name in params["services"]]}


def test_services_are_asked_for_by_ecs_names_in_their_clusters_and_told_by_omcs() -> None:
    aws = gateway(describe_services=services_of)
    found = read_services(aws, acme())
    assert sorted((params["cluster"], tuple(params["services"])) for _, params in aws.requests) == [
        ("acme", ("acme-prod-api", "acme-prod-web")),
        ("batch", ("worker",)),
    ]
    assert [service.name for service in found.services] == ["api", "web", "worker"]
    assert found.missing == ()
    one = describe_service(aws, "api")
    assert one is not None
    assert one.name == "api"


def test_what_is_missing_is_named_with_both_names_and_its_cluster() -> None:
    found = Services((), ("api", "worker"))
    sentences = [finding.sentence for finding in services_running(found, acme())]
    assert sentences == [
        "api (acme-prod-api in ECS) does not exist in the cluster acme.",
        "worker does not exist in the cluster batch.",
    ]


def test_tasks_are_those_of_the_services_in_their_clusters() -> None:
    def listed(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"taskArns": [f"arn:aws:ecs:a:1:task/{params['cluster']}/1"]}

    def tasks(params: Mapping[str, Any]) -> dict[str, Any]:
        names = {"acme": ("acme-prod-api", "api"), "batch": ("worker",)}[params["cluster"]]
        return {"tasks": [
            {"taskArn": f"task/{name}", "taskDefinitionArn": "task-definition/acme:1", "group": f"service:{name}",
             "lastStatus": "STOPPED", "createdAt": NOW, "stoppedAt": NOW}
            for name in names
        ]}  # fmt: skip

    aws = gateway(list_tasks=listed, describe_tasks=tasks)
    assert [task.service for task in read_stopped_tasks(aws, acme()).tasks] == ["api", "acme/api", "worker"]
    list_running_tasks(aws, "api")
    assert {"cluster": "acme", "serviceName": "acme-prod-api"} in [params for _, params in aws.requests]


def test_autoscaling_and_alarms_know_ecs_names() -> None:
    aws = FakeGateway(
        {
            ("application-autoscaling", "describe_scaling_policies"): {"ScalingPolicies": []},
            ("application-autoscaling", "describe_scalable_targets"): {
                "ScalableTargets": [{"ResourceId": "service/acme/acme-prod-web", "MinCapacity": 1, "MaxCapacity": 3}]
            },
        },
        acme(),
    )
    assert resource_id(acme(), "worker") == "service/batch/worker"
    assert [target.service for target in read_scaling(aws, acme()).targets] == ["web"]


def test_by_hand_the_lines_have_ecs_names() -> None:
    environment = acme()
    roll = roll_service._commands(environment, RollService(service="api", task_definition="acme:2", digests={}))
    assert "--cluster acme --service acme-prod-api" in roll[0]
    waits = await_services._commands(environment, AwaitServices(services=("api", "worker"), settle_seconds=1))
    assert [line.partition("--cluster ")[2] for line in waits] == [
        "acme --services acme-prod-api",
        "batch --services worker",
    ]
    scaled = SetCapacity(service="worker", minimum=None, maximum=None, at_least=3, at_most=3, settle_seconds=1)
    [line] = scaling_commands(environment, scaled)
    assert "--cluster batch" in line
    assert "--service worker" in line
    task = RunTask(
        task_definition="acme:1", container="app", command=("true",), network={}, launch={}, what="it", cluster="batch"
    )
    assert all("batch" in line for line in run_task._commands(environment, task))
    assert "--network-configuration" not in run_task._commands(environment, task)[0]


def task(number: int) -> RunningTask:
    return RunningTask(f"t{number}", "acme:1", "RUNNING", "UNKNOWN", {}, {}, addresses=(f"10.0.0.{number}",))


def health(*states: tuple[int, int, str]) -> dict[str, Any]:
    return {
        "TargetHealthDescriptions": [
            {"Target": {"Id": f"10.0.0.{number}", "Port": port}, "TargetHealth": {"State": state}}
            for number, port, state in states
        ]
    }


def test_of_a_shared_target_group_only_its_own_tasks_count() -> None:
    environment = acme()
    answers = {
        ("elbv2", "describe_target_health"): health(
            *((1, 8080, "healthy"), (2, 8080, "unhealthy"), (8, 3000, "healthy"), (9, 3000, "healthy"))
        ),
        ("ecs", "list_tasks"): {"taskArns": ["a"]},
        ("ecs", "describe_tasks"): {"tasks": [
            {"taskArn": f"t{number}", "taskDefinitionArn": "acme:1", "attachments": [
                {"details": [{"name": "privateIPv4Address", "value": f"10.0.0.{number}"}]}]}
            for number in (1, 2)
        ]},
    }  # fmt: skip
    aws = FakeGateway(answers, environment)
    own = own_targets(aws, "api", GROUP.format("shared"), (task(1), task(2)))
    assert [target.id for target in own] == ["10.0.0.1", "10.0.0.2"]
    alone = own_targets(aws, "api", GROUP.format("inner"), (task(1),))
    assert len(alone) == 4
    api = replace(example.service("backend", 1), name="api", running=2, target_groups=(GROUP.format("shared"),))
    assert healthy_tasks(aws, api) == 1


def test_a_task_serves_once_it_is_healthy_in_each_of_its_target_groups() -> None:
    groups = (GROUP.format("shared"), GROUP.format("inner"))
    api = replace(example.service("backend", 1), name="api", desired=1, target_groups=groups)
    well, starting = Target("10.0.0.1", 8080, "healthy", "", ""), Target("10.0.0.1", 8080, "initial", "", "")
    for second, expected in ((well, True), (starting, False)):
        rollout = Rollout(api, None, None, (task(1),), (well, second))
        assert all_healthy(rollout, Expected("api", "acme:1")) is expected


def test_ill_targets_of_a_shared_group_are_of_the_service_whose_port_they_have() -> None:
    environment, group = acme(), TargetGroup("shared", GROUP.format("shared"), is_used=True)
    shared = (GROUP.format("shared"),)
    services = Services(
        tuple(replace(example.service("backend", 1), name=name, target_groups=shared) for name in ("api", "web"))
    )
    there = [Target(f"10.0.0.{number}", port, "healthy", "", "") for number, port in ((1, 8080), (2, 3000))]
    ill = [*there, *(Target(f"10.0.0.{number}", 3000, "unhealthy", "", "") for number in (3, 4))]
    [found] = targets(TargetHealth((GroupHealth(group, tuple(ill)),)), services, environment)
    assert (found.level, found.place) == (Level.FAIL, "targets/web")
    [found] = targets(TargetHealth((GroupHealth(group, tuple(there)),)), services, environment)
    assert found.level is Level.WARN
    assert "4 tasks of api and web run" in found.sentence


def test_without_a_load_balancer_nothing_is_missing() -> None:
    environment = acme(has_load_balancer=False, load_balancer=None)
    assert list(load_balancer(LoadBalancers(()), environment)) == []
    only_worker = replace(environment, services=environment.services[2:])
    assert list(targets(TargetHealth(()), Services(()), only_worker)) == []
    assert not _is_led_to(environment, ["api"])
    assert not _is_led_to(acme(), ["worker"])
    assert _is_led_to(acme(), ["worker", "api"])


def test_a_service_without_autoscaling_has_no_limits_to_keep() -> None:
    worker = replace(example.service("backend", 1), name="worker", desired=0, running=0)
    [idle] = services_running(Services((worker,)), acme())
    assert (idle.level, idle.sentence) == (Level.OK, "Scaled to zero.")
    [busy] = services_running(Services((replace(worker, desired=40, running=40),)), acme())
    assert busy.level is Level.OK


def test_places_follow_omcs_word() -> None:
    assert service_at("targets/inner", acme()) == "api"
    alarm = Alarm("x", "", "metric", "OK", NOW, "", acts=True, suppressed_by="", dimensions=("acme", "acme-prod-web"))
    assert watched_by(alarm, acme()) == {"services/web"}


def test_permissions_follow_the_names() -> None:
    job = Job("nightly", "acme-nightly", "batch", "app", "/acme/nightly", "acme/nightly")
    needs = needs_of_commands(acme(jobs=(job,)), "omc-acme", "aws", "1")
    of = {need.action: need.resources for need in needs["check morning"]}
    assert [each.rpartition(":")[2] for each in of["ecs:DescribeServices"]] == [
        *("service/acme/acme-prod-api", "service/acme/acme-prod-web", "service/batch/worker"),
    ]
    assert of["scheduler:GetSchedule"] == ("arn:aws:scheduler:ap-southeast-2:1:schedule/acme/nightly",)
    without = {need.action for need in needs_of_commands(acme(), "omc-acme", "aws", "1")["check morning"]}
    assert "scheduler:GetSchedule" not in without


# Jobs

JOB = Job("nightly", "acme-nightly", "batch", "app", "/acme/nightly", "nightly")
OF_SCHEDULER = Schedule("cron(0 3 * * ? *)", is_enabled=True, group="team")
DAILY, OFTEN = Schedule("cron(0 3 * * ? *)", is_enabled=True), Schedule("rate(5 minutes)", is_enabled=True)


def ended(code: int | None) -> StoppedTask:
    containers = (Container("app", code, ""),)
    return StoppedTask("t1", None, "acme-nightly:3", "EssentialContainerExited", "", containers, NOW, NOW)


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (JobState(DAILY, (), (ended(0),)), Level.OK, "ended with 0"),
        (JobState(DAILY, (), (ended(3),)), Level.FAIL, "failed"),
        (JobState(DAILY, (), (ended(None),)), Level.FAIL, "failed"),
        (JobState(DAILY, ("t2",), ()), Level.OK, "It runs now."),
        (JobState(DAILY, (), ()), Level.UNKNOWN, "CloudWatch knows of no start of it in the last 24 h."),
        (JobState(DAILY, (), (), Starts(0, 0)), Level.UNKNOWN, "ECS forgets a task after an hour"),
        (JobState(DAILY, (), (), Starts(1, 0)), Level.OK, "It was started 1 time in the last 24 h"),
        (JobState(DAILY, (), (), Starts(1, 0)), Level.OK, "How its last run ended isn't kept"),
        (JobState(DAILY, (), (), Starts(2, 1)), Level.FAIL, "and 1 start failed."),
        (JobState(DAILY, (), (), Starts(0, 1)), Level.FAIL, "and 1 start failed."),
        (JobState(OF_SCHEDULER, (), (), Starts(7, 0)), Level.OK, "With all of the group team it was started 7 times"),
        (JobState(OFTEN, (), (), Starts(3, 0)), Level.FAIL, "rate(5 minutes) should have started it"),
        (JobState(OFTEN, (), (), Starts(3, 3)), Level.FAIL, "and 3 starts failed."),
        (JobState(replace(DAILY, is_enabled=False), (), ()), Level.WARN, "is disabled"),
        (JobState(None, (), (ended(0),)), Level.FAIL, "neither an EventBridge rule nor a schedule nightly"),
    ],
)
def test_a_job_is_judged_by_its_last_run(state: JobState, level: Level, words: str) -> None:
    scope = replace(example.SCOPE, now=NOW + timedelta(minutes=5))
    [found] = jobs(Jobs({"nightly": state}), acme(jobs=(JOB,)), scope)
    assert (found.level, found.place) == (level, "jobs/nightly")
    assert words in found.sentence


@pytest.mark.parametrize(
    ("expression", "often", "days"),
    [
        ("rate(30 minutes)", True, 1),
        ("rate(31 minutes)", False, 1),
        ("rate(1 hour)", False, 1),
        ("rate(7 days)", False, 7),
        ("cron(15 3 * * ? *)", False, 1),
        ("cron(15 3 ? * MON *)", False, 8),
        ("cron(15 3 1 * ? *)", False, 32),
        ("cron(15 3 1 JAN ? *)", False, 366),
        ("at(2026-11-30T03:00:00)", False, 1),
        ("", False, 1),
    ],
)
def test_a_schedules_starts_are_looked_for_where_there_should_be_one(expression: str, often: bool, days: int) -> None:
    schedule = Schedule(expression, is_enabled=True)
    assert is_often(schedule) is often
    assert schedule.window.days == days


@pytest.mark.parametrize(
    ("group", "namespace", "dimension", "metrics"),
    [
        ("", "AWS/Events", {"Name": "RuleName", "Value": "nightly"}, ["Invocations", "FailedInvocations"]),
        ("default", "AWS/Scheduler", {"Name": "ScheduleGroup", "Value": "default"},
         ["InvocationAttemptCount", "TargetErrorCount", "InvocationDroppedCount"]),
    ],
)  # fmt: skip
def test_starts_are_counted_by_what_cloudwatch_counts_them_by(
    group: str, namespace: str, dimension: Mapping[str, str], metrics: list[str]
) -> None:
    now = example.SCOPE.now

    def counted(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"MetricDataResults": [
            {"Id": each["Id"], "Timestamps": [now - timedelta(hours=2), now - timedelta(days=3)], "Values": [1.0, 5.0]}
            for each in params["MetricDataQueries"]
        ]}  # fmt: skip

    rule = {"Name": "nightly", "ScheduleExpression": "cron(0 3 * * ? *)", "State": "ENABLED"}
    answers: dict[tuple[str, str], Any] = {
        ("ecs", "list_tasks"): {"taskArns": []},
        ("events", "list_rules"): {"Rules": [] if group else [rule]},
        ("scheduler", "get_schedule"): rule,
        ("cloudwatch", "get_metric_data"): counted,
    }
    aws = FakeGateway(answers, acme(jobs=(JOB,)))
    assert read_jobs(aws, aws.environment, example.SCOPE).of["nightly"].starts == Starts(1, len(metrics) - 1)
    asked = [query["MetricStat"]["Metric"] for query in aws.requests[-1][1]["MetricDataQueries"]]
    assert [each["MetricName"] for each in asked] == metrics
    assert {each["Namespace"] for each in asked} == {namespace}
    assert [each["Dimensions"] for each in asked] == [[dimension]] * len(metrics)


def test_a_schedule_is_a_rule_or_one_of_the_scheduler() -> None:
    rule = {"Rules": [{"Name": "nightly-2"}, {"Name": "nightly", "ScheduleExpression": "rate(1 day)"}]}
    answers: dict[tuple[str, str], Any] = {
        ("ecs", "list_tasks"): {"taskArns": []},
        ("events", "list_rules"): rule,
        ("scheduler", "get_schedule"): {"ScheduleExpression": "rate(2 days)", "State": "DISABLED"},
        ("cloudwatch", "get_metric_data"): lambda params: {
            "MetricDataResults": [{"Id": e["Id"], "Timestamps": [], "Values": []} for e in params["MetricDataQueries"]]
        },
    }
    aws = FakeGateway(answers, acme(jobs=(JOB,)))
    found = read_jobs(aws, aws.environment, example.SCOPE).of["nightly"]
    assert (found.schedule, found.starts) == (Schedule("rate(1 day)", is_enabled=True), Starts(0, 0))
    answers["events", "list_rules"] = {"Rules": []}
    found = read_jobs(aws, aws.environment, example.SCOPE).of["nightly"]
    assert found.schedule == Schedule("rate(2 days)", is_enabled=False, group="default")
    assert found.starts is None  # nothing starts it, so nothing is counted
    assert aws.requests[-1][1] == {"GroupName": "default", "Name": "nightly"}


# The runbook, and who approves


def test_links_lead_to_the_teams_own_runbook() -> None:
    page = RunbookTable(address="https://wiki/r.md", titles={"tasks-restarting": "Tasks die"})
    found = placed(TASKS_RESTARTING, page)
    assert (found.title, found.document) == ("Tasks die", "https://wiki/r.md#tasks-die")
    assert placed(MORNING_CHECKS, page).document == "https://wiki/r.md#morning-checks"
    folder = placed(MORNING_CHECKS, RunbookTable(address="https://wiki/r/"))
    assert folder.document == "https://wiki/r/daily-operations.md#morning-checks"
    assert placed(MORNING_CHECKS, RunbookTable()) == MORNING_CHECKS


@pytest.mark.parametrize(
    ("names", "risk", "words"),
    [
        ({}, "high", ""),
        ({"jo": "jo"}, "low", ""),
        ({"jo": "jo"}, "high", "names nobody but jo. If nobody else works on staging, set high = 0"),
        ({"jo": "jo", "j2": "jo"}, "high", "nobody but jo"),
        ({"jo": "jo", "bob": "bob"}, "high", ""),
        ({"jo": "jo", "bob": "bob"}, "destructive", "names only jo, bob. If nobody else works on staging, set"),
    ],
)
def test_an_approval_that_nobody_can_give_is_told_with_what_to_set(
    names: dict[str, str], risk: str, words: str
) -> None:
    environment = acme(approvals=PRODUCTION_POLICY, people=People(at_aws=names))
    why = environment.nobody_to_approve(risk)
    assert bool(why) is bool(words)
    assert words in why
