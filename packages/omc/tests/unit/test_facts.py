"""Facts are read from an endpoint over HTTP: what is asked, in how many calls, and what the values come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.gateway import Access, Gateway
from omc.config import Environment, Service, load
from omc.errors import BadAnswer, WrongUse
from omc.facts.alarms import Alarms, read_alarms
from omc.facts.collector import NO_READING, Reading, Unavailable, arguments_from, collect, reads
from omc.facts.data_age import DataAge
from omc.facts.listeners import Listeners
from omc.facts.load_balancers import (
    LoadBalancers,
    TargetGroups,
    TargetHealth,
    read_load_balancers,
    read_target_groups,
    read_target_health,
)
from omc.facts.logs import ERRORS_QUERY, RecentErrors, group_errors, read_recent_errors
from omc.facts.probes import Probes
from omc.facts.scope import Scope
from omc.facts.secrets import Secret, read_secrets_in_use
from omc.facts.services import Services, read_services
from omc.facts.source import Facts
from omc.facts.tasks import read_stopped_tasks
from omc.facts.traffic import read_metrics_age, read_traffic
from support.canned_aws import (
    ACCOUNT,
    NOW,
    PREFIX,
    CannedAws,
    alarm,
    arn,
    canned_aws,
    ecs_service,
    fresh_metrics,
    healthy,
    target_group,
)

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
SCOPE = Scope(NOW)


@pytest.fixture
def answers() -> dict[tuple[str, str], Any]:
    return healthy()


@pytest.fixture
def aws(answers: dict[tuple[str, str], Any]) -> Iterator[CannedAws]:
    with canned_aws(answers) as running:
        yield running


@pytest.fixture
def gateway(aws: CannedAws) -> Gateway:
    shift = aws.port_shift
    return Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example", shift))


def many(number: int) -> Environment:
    first = STAGING.services[0]
    some = tuple(
        replace(
            first,
            name=f"s{index}",
            ecs_service=f"s{index}",
            log_group=f"/ecs/{PREFIX}/s{index}",
            target_groups=(f"{PREFIX}-s{index}",),
        )
        for index in range(number)
    )
    return replace(STAGING, services=some)


# Each reader


def test_services_are_described_ten_a_call(aws: CannedAws, gateway: Gateway) -> None:
    def describe(params: Mapping[str, Any]) -> Mapping[str, Any]:
        assert len(params["services"]) <= 10
        return {"services": [ecs_service(name) for name in params["services"] if name != "s7"], "failures": []}

    aws.answers["ecs", "DescribeServices"] = describe
    services = read_services(gateway, many(25))
    assert len(aws.requests) == 3
    assert [service.name for service in services.services] == [f"s{index}" for index in range(25) if index != 7]
    assert services.missing == ("s7",)
    assert services.services[0].deployments[0].task_definition == "ohmycoins-s0:7"


def test_a_missing_cluster_is_a_fact(aws: CannedAws, gateway: Gateway) -> None:
    aws.answers["ecs", "DescribeServices"] = AwsError("ClusterNotFoundException", "Cluster not found.")
    aws.answers["ecs", "ListTasks"] = AwsError("ClusterNotFoundException", "Cluster not found.")
    assert read_services(gateway, STAGING) == Services(
        *((), ("backend", "frontend")), cluster_missing=True, missing_clusters=(PREFIX,)
    )
    assert read_stopped_tasks(gateway, STAGING).tasks == ()


def test_stopped_tasks_are_listed_by_page_and_described_a_hundred_a_call(aws: CannedAws, gateway: Gateway) -> None:
    arns = [arn("ecs", f"task/{PREFIX}/{number:032x}") for number in range(130)]

    def page(params: Mapping[str, Any]) -> Mapping[str, Any]:
        assert params["desiredStatus"] == "STOPPED"
        return {"taskArns": arns[100:]} if params.get("nextToken") else {"taskArns": arns[:100], "nextToken": "more"}

    def describe(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "tasks": [
                {
                    "taskArn": task,
                    "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
                    "group": "service:backend" if index % 2 else "family:ohmycoins-migrate",
                    "lastStatus": "STOPPED",
                    "containers": [{"name": "backend", "exitCode": 0}],
                    "stoppedAt": NOW - timedelta(seconds=int(task[-4:], 16)),
                    "createdAt": NOW - timedelta(hours=1),
                }
                for index, task in enumerate(params["tasks"])
            ]
        }

    aws.answers["ecs", "ListTasks"] = page
    aws.answers["ecs", "DescribeTasks"] = describe
    tasks = read_stopped_tasks(gateway, STAGING).tasks
    assert sorted(aws.operations()) == ["DescribeTasks", "DescribeTasks", "ListTasks", "ListTasks"]
    assert len(tasks) == 130
    assert [task.stopped for task in tasks] == sorted((task.stopped for task in tasks), reverse=True)
    assert {task.service for task in tasks} == {"backend", None}
    assert tasks[0].containers[0].exit_code == 0


def test_secrets_of_running_tasks_and_the_databases_own_are_described_once(aws: CannedAws, gateway: Gateway) -> None:
    key, master = arn("secretsmanager", "secret:app-AbCdEf"), arn("secretsmanager", "secret:rds!db-1-AbCdEf")
    aws.answers["ecs", "ListTasks"] = lambda params: {
        "taskArns": [arn("ecs", f"task/{PREFIX}/{params['serviceName']}")]
    }
    aws.answers["ecs", "DescribeTasks"] = lambda params: {
        "tasks": [
            {
                "taskArn": task,
                "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
                "lastStatus": "RUNNING",
                "createdAt": NOW - timedelta(hours=2),
                "startedAt": NOW - timedelta(hours=1),
            }
            for task in params["tasks"]
        ]
    }
    secrets = [{"name": "POSTGRES_PASSWORD", "valueFrom": f"{key}:password::"}, {"name": "P", "valueFrom": "/a/b"}]
    container = {"name": "backend", "image": "x", "secrets": secrets}
    aws.answers["ecs", "DescribeTaskDefinition"] = {
        "taskDefinition": {
            "taskDefinitionArn": arn("ecs", "task-definition/ohmycoins-backend:7"),
            "family": "ohmycoins-backend",
            "revision": 7,
            "containerDefinitions": [container],
        }
    }
    instance = {"DBInstanceIdentifier": PREFIX, "MasterUserSecret": {"SecretArn": master}}
    aws.answers["rds", "DescribeDBInstances"] = {"DBInstances": [instance]}

    def describe(params: Mapping[str, Any]) -> Mapping[str, Any]:
        if params["SecretId"] == key:
            return {"ARN": key, "Name": "app"}
        due = {"RotationEnabled": True, "NextRotationDate": NOW + timedelta(days=3), "OwningService": "rds"}
        return {"ARN": master, "Name": "rds!db-1", "LastRotatedDate": NOW - timedelta(days=4), **due}

    aws.answers["secretsmanager", "DescribeSecret"] = describe
    found = read_secrets_in_use(gateway, STAGING, read_services(gateway, STAGING))
    assert found.secrets[key] == Secret("app")
    assert found.secrets[master].next_rotation == NOW + timedelta(days=3)
    assert [(use.service, use.variable, use.started) for use in found.uses[key]] == [
        ("backend", "POSTGRES_PASSWORD", NOW - timedelta(hours=1)),
        ("frontend", "POSTGRES_PASSWORD", NOW - timedelta(hours=1)),
    ]
    assert master not in found.uses
    assert aws.operations().count("DescribeSecret") == 2
    assert "GetSecretValue" not in aws.operations()

    aws.answers["secretsmanager", "DescribeSecret"] = AwsError("AccessDeniedException", "is not authorized")
    aws.answers["rds", "DescribeDBInstances"] = AwsError("AccessDenied", "is not authorized", 403)
    denied = read_secrets_in_use(gateway, STAGING, read_services(gateway, STAGING))
    assert {key} < set(denied.unreadable)
    assert denied.unreadable[key].action == "secretsmanager:DescribeSecret"
    assert not denied.secrets


def test_targets_of_every_target_group_of_ours(aws: CannedAws, gateway: Gateway) -> None:
    groups = aws.answers["elbv2", "DescribeTargetGroups"]["TargetGroups"]
    other = arn("elasticloadbalancing", "loadbalancer/app/other/1")
    groups += [
        target_group("green") | {"TargetGroupName": "green"},  # behind our load balancer, under another name
        target_group("x") | {"TargetGroupName": "other", "LoadBalancerArns": [other]},
        target_group("y") | {"TargetGroupName": f"{PREFIX}2-backend", "LoadBalancerArns": []},
        target_group("old") | {"LoadBalancerArns": []},
    ]
    target_groups = read_target_groups(gateway, STAGING, SCOPE)
    assert [group.name for group in target_groups.groups] == [
        "green",
        f"{PREFIX}-backend",
        f"{PREFIX}-frontend",
        f"{PREFIX}-old",
    ]
    assert [group.is_used for group in target_groups.groups] == [True, True, True, False]
    health = read_target_health(gateway, target_groups)
    assert [len(group.targets) for group in health.groups] == [2, 2, 2, 2]
    assert health.groups[0].targets[0].state == "healthy"
    part = read_target_groups(gateway, replace(STAGING, services=STAGING.services[:1]), replace(SCOPE, is_part=True))
    assert [group.name for group in part.groups] == [f"{PREFIX}-backend"]


def test_the_load_balancers_dimension_is_cloudwatchs_name_of_it(gateway: Gateway) -> None:
    load_balancers = read_load_balancers(gateway, STAGING).load_balancers
    assert [(found.name, found.dimension, found.state) for found in load_balancers] == [
        (PREFIX, f"app/{PREFIX}/50dc6c495c0c9188", "active")
    ]
    assert read_load_balancers(gateway, replace(STAGING, prefix="shop")).load_balancers == ()
    assert len(read_load_balancers(gateway, replace(STAGING, prefix="shop", load_balancer=PREFIX)).load_balancers) == 1


def test_alarms_of_both_kinds_without_autoscalings_own(aws: CannedAws, gateway: Gateway) -> None:
    since = NOW - timedelta(hours=3)
    aws.answers["cloudwatch", "DescribeAlarms"] = {
        "MetricAlarms": [
            alarm("b", "ALARM", StateTransitionedTimestamp=since),
            alarm("a"),
            alarm("c", ActionsEnabled=False),
            alarm("x") | {"AlarmName": "TargetTracking-service/x-AlarmLow-1", "StateValue": "ALARM"},
        ],
        "CompositeAlarms": [
            alarm("d", "ALARM", ActionsSuppressedBy="WaitPeriod", ActionsSuppressor=arn("cloudwatch", "alarm:works"))
        ],
    }
    alarms = read_alarms(gateway)
    assert [(found.name.removeprefix(PREFIX), found.kind, found.acts) for found in alarms.alarms] == [
        ("-a", "metric", True),
        ("-b", "metric", True),
        ("-c", "metric", False),
        ("-d", "composite", True),
    ]
    assert (alarms.alarms[3].suppressed_by, alarms.alarms[3].suppression) == ("works", "WaitPeriod")
    assert alarms.autoscaling == 1
    assert alarms.alarms[1].since == since, "the reason may change while the state stays"
    assert [found.tags for found in alarms.alarms] == [{}, {"severity": "SEV-2"}, {}, {"severity": "SEV-2"}]
    assert aws.operations().count("ListTagsForResource") == 2
    request = aws.requests[0][2]
    assert (request["AlarmTypes"], request["MaxRecords"]) == (["MetricAlarm", "CompositeAlarm"], 100)


def test_an_alarm_tells_what_it_watches_also_by_an_expression(aws: CannedAws, gateway: Gateway) -> None:
    balancer, group = f"app/{PREFIX}/50dc6c495c0c9188", f"targetgroup/{PREFIX}-backend/0123456789abcdef"

    def of(**dimensions: str) -> list[dict[str, str]]:
        return [{"Name": name, "Value": value} for name, value in dimensions.items()]

    def metric(identifier: str, **dimensions: str) -> dict[str, Any]:
        named = {"Namespace": "AWS/ApplicationELB", "MetricName": "X", "Dimensions": of(**dimensions)}
        return {"Id": identifier, "MetricStat": {"Metric": named, "Period": 60, "Stat": "Sum"}}

    aws.answers["cloudwatch", "DescribeAlarms"] = {
        "MetricAlarms": [
            alarm("a", Dimensions=of(LoadBalancer=balancer, TargetGroup=group)),
            alarm("b", Metrics=[metric("m1", LoadBalancer=balancer), {"Id": "e", "Expression": "m1 * 2"}]),
            alarm("c"),
        ]
    }
    watched = [found.dimensions for found in read_alarms(gateway).alarms]
    assert watched == [(balancer, group), (balancer,), ()]


def row(message: str, seconds: int = 0, stream: str = "backend/backend/1") -> list[dict[str, str]]:
    values = {
        "@timestamp": f"{NOW - timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.250",
        "@message": message,
        "@logStream": stream,
        "@log": f"{ACCOUNT}:/ecs/{PREFIX}/backend",
        "@ptr": "abc",
    }
    return [{"field": field, "value": value} for field, value in values.items()]


def test_errors_are_grouped_by_shape_once_the_query_is_done(aws: CannedAws, gateway: Gateway) -> None:
    states = iter(["Scheduled", "Running", "Running", "Complete"])

    def results(_: Mapping[str, Any]) -> Mapping[str, Any]:
        rows = [
            row('{"level": "ERROR", "message": "order 7 failed", "exception": "Traceback…\\nTimeoutError: 5 s"}', 1),
            row(
                '{"level": "ERROR", "message": "order 12 failed", "exception": "Traceback…\\nTimeoutError: 5 s"}',
                9,
                "x",
            ),
            row('{"level": "INFO", "message": "no error at all"}', 2),
            row("2026-11-23 10:00:00,123 ERROR pool is empty", 5),
        ]
        return {
            "status": next(states),
            "results": rows,
            "statistics": {"recordsMatched": 4.0, "recordsScanned": 99.0, "bytesScanned": 1.0},
        }

    aws.answers["logs", "GetQueryResults"] = results
    recent_errors = read_recent_errors(gateway, STAGING, SCOPE)
    assert [(group.count, group.shape, group.streams) for group in recent_errors.groups] == [
        (2, "order <n> failed: TimeoutError: <n> s", 2),
        (1, "<time> ERROR pool is empty", 1),
    ]
    group = recent_errors.groups[0]
    assert (group.first, group.last) == (
        NOW - timedelta(seconds=8.75),
        NOW - timedelta(seconds=0.75),
    )
    assert "order 7" in group.sample, "the newest one is the sample"
    assert (recent_errors.matched, recent_errors.scanned) == (4, 99)
    started = next(params for _, name, params in aws.requests if name == "StartQuery")
    assert started["logGroupNames"] == [f"/ecs/{PREFIX}/backend", f"/ecs/{PREFIX}/frontend"]
    assert started["queryString"] == ERRORS_QUERY
    assert started["endTime"] - started["startTime"] == 24 * 3600 + 1


def test_a_missing_log_group_does_not_hide_the_others(aws: CannedAws, gateway: Gateway) -> None:
    def start(params: Mapping[str, Any]) -> Mapping[str, Any]:
        if f"/ecs/{PREFIX}/frontend" in params["logGroupNames"]:
            raise AwsError("ResourceNotFoundException", "Log group does not exist.")
        return {"queryId": "1"}

    aws.answers["logs", "StartQuery"] = start
    aws.answers["logs", "GetQueryResults"]["results"] = [row("ERROR x")]
    recent_errors = read_recent_errors(gateway, STAGING, SCOPE)
    assert recent_errors.missing == (f"/ecs/{PREFIX}/frontend",)
    assert [group.count for group in recent_errors.groups] == [1]


def test_fifty_log_groups_a_query(aws: CannedAws, gateway: Gateway) -> None:
    read_recent_errors(gateway, many(120), SCOPE)
    sizes = [len(params["logGroupNames"]) for _, name, params in aws.requests if name == "StartQuery"]
    assert sorted(sizes) == [20, 50, 50]


def test_a_query_that_fails_is_no_answer(aws: CannedAws, gateway: Gateway) -> None:
    aws.answers["logs", "GetQueryResults"] = {"status": "Failed", "results": []}
    with pytest.raises(BadAnswer, match="ended with status Failed"):
        read_recent_errors(gateway, STAGING, SCOPE)


def test_traffic_is_asked_by_the_alarms_own_expression(aws: CannedAws, gateway: Gateway) -> None:
    def data(params: Mapping[str, Any]) -> Mapping[str, Any]:
        minute = params["EndTime"] - timedelta(minutes=2)
        return {
            "MetricDataResults": [
                {"Id": "total_0", "Timestamps": [minute, minute - timedelta(minutes=1)], "Values": [40.0, 0.0]},
                {"Id": "errors_0", "Timestamps": [minute], "Values": [10.0]},
            ]
        }

    aws.answers["cloudwatch", "GetMetricData"] = data
    traffic = read_traffic(gateway, read_load_balancers(gateway, STAGING), SCOPE)
    assert [(minute.total, minute.errors, minute.percent) for minute in traffic.minutes] == [(40.0, 10.0, 25.0)]
    queries = {query["Id"]: query for query in aws.requests[-1][2]["MetricDataQueries"]}
    assert queries["total_0"]["Expression"] == "+".join(f"FILL({name}_0,0)" for name in ("t2", "t3", "t4", "t5", "e5"))
    assert queries["errors_0"]["Expression"] == "FILL(t5_0,0)+FILL(e5_0,0)"
    assert queries["e5_0"]["MetricStat"]["Stat"] == "Sum"


def test_no_load_balancer_no_question(aws: CannedAws, gateway: Gateway) -> None:
    assert read_traffic(gateway, LoadBalancers(()), SCOPE).minutes == ()
    assert aws.requests == []


def test_the_newest_metric_of_each_service(aws: CannedAws, gateway: Gateway) -> None:
    def data(params: Mapping[str, Any]) -> Mapping[str, Any]:
        record = fresh_metrics(params)
        record["MetricDataResults"][1] |= {"Timestamps": [], "Values": []}
        return record

    aws.answers["cloudwatch", "GetMetricData"] = data
    backend, frontend = read_metrics_age(gateway, STAGING, SCOPE).metrics
    assert backend.newest is not None
    assert timedelta(0) < NOW - backend.newest < timedelta(minutes=3)
    assert (frontend.service, frontend.newest) == ("frontend", None)


def test_metrics_of_many_services_are_asked_five_hundred_a_call(aws: CannedAws, gateway: Gateway) -> None:
    assert len(read_metrics_age(gateway, many(600), SCOPE).metrics) == 600
    assert [len(params["MetricDataQueries"]) for _, _, params in aws.requests] == [500, 124]


# The collector


@dataclass(frozen=True, slots=True)
class Ground:
    number: int
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class House:
    number: int
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class Broken:
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class Misread:
    reading: Reading = NO_READING


@dataclass(frozen=True, slots=True)
class Refused:
    reading: Reading = NO_READING


times_read: list[str] = []


@reads
def read_ground(service: Service) -> Ground:
    times_read.append("ground")
    return Ground(service.port or 0)


@reads
def read_house(ground: Ground) -> House:
    times_read.append("house")
    return House(ground.number + 1)


@reads
def read_broken(house: House) -> Broken:
    nothing: dict[str, Reading] = {}
    return Broken(nothing["reading"])  # as if AWS had left a key out


@reads
def read_misread(house: House) -> Misread:
    return Misread(house.number["a list was expected"])  # type: ignore[index]  # the bug that is meant


@reads
def read_refused(house: House) -> Refused:
    raise WrongUse("another account")


def judges_both(house: House, ground: Ground) -> None: ...
def judges_house(house: House) -> None: ...
def judges_broken(broken: Broken, ground: Ground) -> None: ...
def judges_misread(misread: Misread, ground: Ground) -> None: ...
def judges_refused(refused: Refused) -> None: ...
def judges_unknown(number: int) -> None: ...


def test_each_fact_is_read_once_and_those_it_rests_on_first() -> None:
    times_read.clear()
    provided: dict[type, Any] = {Service: STAGING.services[0]}
    before = datetime.now(UTC)
    readings = collect([judges_both, judges_house], provided)
    assert times_read == ["ground", "house"]
    assert readings[House].number == 8001
    assert before <= readings[Ground].reading.at <= datetime.now(UTC)


def test_only_what_is_needed_is_read() -> None:
    times_read.clear()
    assert collect([judges_house], {Ground: Ground(1)})[House].number == 2
    assert times_read == ["house"]
    assert collect([judges_house], {House: House(1)}) == {}


def test_what_cannot_be_read_leaves_the_rest_standing() -> None:
    readings = collect([judges_broken], {Service: STAGING.services[0]})
    assert isinstance(readings[Broken], Unavailable)
    assert readings[Broken].error.message.startswith("AWS's answer lacks 'reading', so Broken is not known.")
    assert readings[Ground].number == 8000


def test_a_mistake_in_one_reader_costs_what_it_reads() -> None:
    readings = collect([judges_misread], {Service: STAGING.services[0]})
    assert "A mistake in omc ended the reading of Misread: TypeError" in readings[Misread].error.message
    assert readings[Ground].number == 8000


def test_wrong_use_ends_all_of_it() -> None:
    with pytest.raises(WrongUse, match="another account"):
        collect([judges_refused], {Ground: Ground(1)})


def test_what_is_required_is_read_once_and_raises_why_it_can_not_be() -> None:
    facts = Facts(Gateway(STAGING, Access()), SCOPE, {Service: STAGING.services[0]})
    times_read.clear()
    house, ground = facts.require(House, Ground)
    assert (house.number, ground.number) == (8001, 8000)
    assert facts.require(House) == [house]
    assert times_read.count("house") == 1
    with pytest.raises(BadAnswer, match="so Broken is not known"):
        facts.require(House, Broken)


def test_a_fact_that_nothing_reads_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="Nothing reads int, which judges_unknown needs"):
        collect([judges_unknown], {})


def test_a_fact_has_one_reader() -> None:
    with pytest.raises(RuntimeError, match="Ground has two readers"):
        reads(read_ground)


def judges_much(targets: TargetHealth, errors: RecentErrors, age: DataAge, alarms: Alarms) -> None: ...


def test_every_fact_carries_the_calls_it_rests_on(gateway: Gateway) -> None:
    readings = collect([judges_much], {Gateway: gateway, Environment: STAGING, Scope: SCOPE})
    record = {fact: [call.operation for call in read.reading.calls] for fact, read in readings.items()}
    assert record == {
        TargetGroups: ["DescribeTargetGroups"],
        TargetHealth: ["DescribeTargetHealth", "DescribeTargetHealth"],
        RecentErrors: ["StartQuery", "GetQueryResults"],
        LoadBalancers: ["DescribeLoadBalancers"],
        Listeners: ["DescribeListeners", "DescribeRules"],
        Probes: ["GET"] * 9,
        DataAge: ["GET"] * 9,
        Alarms: ["DescribeAlarms"],
    }


def test_a_traceback_is_known_by_the_exception_that_ends_it() -> None:
    header, exception = "Traceback (most recent call last):", "ModuleNotFoundError: No module named 'rates'"
    rows = [
        {"@timestamp": "2026-11-23 10:00:00.000", "@message": message, "@logStream": stream, "@log": "1:/ecs/x"}
        for message, stream in [(header, "one"), (exception, "one"), (header, "cut off")]
    ]
    record = {group.shape: group.count for group in group_errors(rows)}
    assert record == {"ModuleNotFoundError: No module named <text>": 1, header: 1}


def test_what_a_function_can_do_without_is_none_where_it_could_not_be_read() -> None:
    def judges(alarms: Alarms | None, services: Services) -> None: ...

    judges.__annotations__ = {"alarms": Alarms | None, "services": Services, "return": None}
    broken = Unavailable(Alarms, BadAnswer("no answer"), NO_READING)
    services = Services(())
    assert arguments_from(judges, {Alarms: broken, Services: services}) == {"alarms": None, "services": services}
    assert arguments_from(judges, {Alarms: Alarms(()), Services: broken}) == {"alarms": Alarms(()), "services": broken}
