"""Tasks are real processes: they start from what was pushed, they end with true codes and reasons."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.core.processes import read_entry
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def cluster(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> EcsCluster:
    return create_cluster(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))


def test_a_task_runs_answers_at_its_own_address_and_stops_on_request(cluster: EcsCluster) -> None:
    arn = cluster.run(cluster.register("server", cluster.push("server", SERVER), stopTimeout=60))
    eventually("the task runs", lambda: cluster.task(arn)["lastStatus"] == "RUNNING")
    eventually("it listens", lambda: cluster.log_lines(arn))  # it listens
    task = cluster.task(arn)
    assert task["desiredStatus"] == "RUNNING"
    assert task["connectivity"] == "CONNECTED"
    assert task["createdAt"] <= task["pullStartedAt"] <= task["pullStoppedAt"] <= task["startedAt"]
    with urllib.request.urlopen(f"http://{cluster.real_address(task)}:8000/", timeout=30) as answer:
        assert answer.read() == b"hello"

    cluster.ecs.stop_task(cluster="rehearsal", task=arn, reason="enough")
    stopped = cluster.stopped(arn)
    assert stopped["stopCode"] == "UserInitiated"
    assert stopped["stoppedReason"] == "enough"
    assert stopped["containers"][0]["exitCode"] == 143  # ended by SIGTERM
    assert stopped["stoppingAt"] <= stopped["stoppedAt"]
    assert stopped["attachments"][0]["status"] == "DELETED"


def test_every_line_reaches_the_log_also_the_last_before_death(cluster: EcsCluster) -> None:
    source = "import os\nfor n in range(500): print('line', n)\nos.write(1, b'last words')\nos._exit(3)\n"
    arn = cluster.run(cluster.register("talker", cluster.push("talker", source)))
    stopped = cluster.stopped(arn)
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert stopped["containers"][0]["exitCode"] == 3
    expected = [f"line {n}" for n in range(500)] + ["last words"]
    eventually("every line is in the log", lambda: len(cluster.log_lines(arn)) == len(expected))
    assert cluster.log_lines(arn) == expected


def test_a_token_starts_its_task_once(cluster: EcsCluster) -> None:
    definition = cluster.register("once-only", cluster.push("once-only", "print('once')\n"))
    first = cluster.run(definition, clientToken="the same")
    assert cluster.run(definition, clientToken="the same") == first
    assert cluster.stopped(first)["containers"][0]["exitCode"] == 0
    assert cluster.run(definition, clientToken="the same") == first, "also when it has ended"
    assert cluster.run(definition, clientToken="another") != first
    with pytest.raises(ClientError, match="already in use with a different RunTask request"):
        cluster.run(definition, clientToken="the same", startedBy="somebody else")


def test_a_one_off_task_takes_another_command_and_more_environment(cluster: EcsCluster) -> None:
    image = cluster.push("once", "raise SystemExit('the image was started with its own command')")
    code = "import os; print(os.environ['MIGRATE_TO'], os.environ['LEVEL'], os.getcwd().endswith('rootfs'))"
    definition = cluster.register(
        "once", image, environment=[{"name": "LEVEL", "value": "low"}, {"name": "MIGRATE_TO", "value": "tail"}]
    )
    override = {
        "name": "app",
        "command": ["python", "-c", code],
        "environment": [{"name": "MIGRATE_TO", "value": "head"}],
    }
    arn = cluster.run(definition, overrides={"containerOverrides": [override]}, startedBy="migration")
    stopped = cluster.stopped(arn)
    assert stopped["containers"][0]["exitCode"] == 0
    assert stopped["startedBy"] == "migration"
    eventually("it has printed something", lambda: cluster.log_lines(arn))
    assert cluster.log_lines(arn) == ["head low True"]
    with pytest.raises(ClientError, match="startedBy must be the only filter"):
        cluster.ecs.list_tasks(cluster="rehearsal", startedBy="migration", desiredStatus="STOPPED")
    assert cluster.ecs.list_tasks(cluster="rehearsal", startedBy="migration")["taskArns"] == []
    listed = cluster.ecs.list_tasks(
        cluster="rehearsal", family=stopped["group"].removeprefix("family:"), desiredStatus="STOPPED"
    )
    assert listed["taskArns"] == [arn]


def test_a_task_that_uses_more_memory_than_it_has_is_killed_as_out_of_memory(cluster: EcsCluster) -> None:
    source = (
        "import time\nhoard = bytearray(700 * 1024 * 1024)\n"
        "for at in range(0, len(hoard), 4096): hoard[at] = 1\ntime.sleep(600)\n"
    )
    arn = cluster.run(cluster.register("hoarder", cluster.push("hoarder", source)))
    stopped = cluster.stopped(arn)
    container = stopped["containers"][0]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert stopped["stopCode"] == "EssentialContainerExited"


HOARDER = """
import time
hoard = bytearray(100 * 1024 * 1024)
for at in range(0, len(hoard), 4096): hoard[at] = 1
print("has it")
time.sleep(600)
"""


@pytest.mark.parametrize("by", ["definition", "override"])
def test_a_container_above_its_own_hard_limit_is_killed_though_the_task_has_more(cluster: EcsCluster, by: str) -> None:
    image = cluster.push(f"hoarder-{by}", HOARDER)
    defined = cluster.ecs.describe_task_definition(taskDefinition=cluster.register(f"hoarder-{by}", image))
    container = defined["taskDefinition"]["containerDefinitions"][0]
    small = {"essential": False, "memory": 64 if by == "definition" else 256}
    roomy = {"name": "roomy", "memory": 256, "memoryReservation": 64}  # what is reserved is no limit
    definition = cluster.ecs.register_task_definition(
        family=f"hoarder-{by}",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=defined["taskDefinition"]["executionRoleArn"],
        containerDefinitions=[container | small, container | roomy],
    )["taskDefinition"]["taskDefinitionArn"]
    override = [{"name": "app", "memory": 64}] if by == "override" else []
    arn = cluster.run(definition, overrides={"containerOverrides": override})
    eventually(
        "the container is killed",
        lambda: {c["name"]: c["lastStatus"] for c in cluster.task(arn)["containers"]}["app"] == "STOPPED",
    )
    eventually("the other container has its memory", lambda: len(cluster.log_lines(arn)) >= 1)
    containers = {container["name"]: container for container in cluster.task(arn)["containers"]}
    assert containers["app"]["exitCode"] == 137
    assert containers["app"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert cluster.task(arn)["lastStatus"] == "RUNNING"
    assert containers["roomy"]["lastStatus"] == "RUNNING"
    cluster.ecs.stop_task(cluster="rehearsal", task=arn)


def test_a_missing_image_fails_the_start_in_the_words_of_a_failed_pull(cluster: EcsCluster) -> None:
    image = f"{cluster.repository}:never-pushed"
    stopped = cluster.stopped(cluster.run(cluster.register("missing", image)))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"] == (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
        f"failed to resolve ref {image}: {image}: not found"
    )
    assert "exitCode" not in stopped["containers"][0]
    assert "startedAt" not in stopped


def test_secrets_arrive_by_reference_whole_or_by_key_and_an_unreadable_one_fails_the_start(cluster: EcsCluster) -> None:
    secret = cluster.aws("secretsmanager").create_secret(Name="database", SecretString='{"password": "s3cret"}')["ARN"]
    cluster.aws("ssm").put_parameter(Name="/app/level", Value="high", Type="SecureString")
    source = "import os\nprint(os.environ['PASSWORD'], os.environ['WHOLE'], os.environ['LEVEL'])\n"
    image = cluster.push("secretive", source)
    parameter = f"arn:aws:ssm:{cluster.cloud.settings.region}:{cluster.cloud.settings.account}:parameter/app/level"
    cluster.allow("secretsmanager:GetSecretValue", "*")
    cluster.allow("ssm:GetParameters", "*")
    good = [
        {"name": "PASSWORD", "valueFrom": f"{secret}:password::"},
        {"name": "WHOLE", "valueFrom": secret},
        {"name": "LEVEL", "valueFrom": parameter},
    ]
    arn = cluster.run(cluster.register("secretive", image, secrets=good))
    assert cluster.stopped(arn)["containers"][0]["exitCode"] == 0
    printed = eventually("it has printed something", lambda: cluster.log_lines(arn))
    assert printed == ['s3cret {"password": "s3cret"} high']

    for wrong, words in (
        (f"{secret}:user::", "did not contain json key user"),
        (secret.replace("database", "nowhere"), "from secrets manager: ResourceNotFoundException"),
        ("/app/nowhere", "Invalid ssm parameters"),
    ):
        bad = [{"name": "PASSWORD", "valueFrom": wrong}]
        stopped = cluster.stopped(cluster.run(cluster.register("secretive", image, secrets=bad)))
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"].startswith(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed"
        )
        assert words in stopped["stoppedReason"]


def test_a_secret_that_the_execution_role_may_not_read_fails_the_start(cluster: EcsCluster) -> None:
    settings = cluster.cloud.settings
    own, other = (
        cluster.aws("secretsmanager").create_secret(Name=f"role-reads/{name}", SecretString="hidden")["ARN"]
        for name in ("own", "other")
    )
    parameter = f"arn:aws:ssm:{settings.region}:{settings.account}:parameter/role-reads/level"
    cluster.aws("ssm").put_parameter(Name="/role-reads/level", Value="high", Type="String")
    cluster.allow("secretsmanager:GetSecretValue", own)
    cluster.allow("ssm:GetParameters", f"arn:aws:ssm:{settings.region}:{settings.account}:parameter/elsewhere/*")
    image = cluster.push("reading", "import os\nprint(os.environ['SECRET'])\n")

    def task(reference: str) -> str:
        return cluster.run(cluster.register("reading", image, secrets=[{"name": "SECRET", "valueFrom": reference}]))

    arn = task(own)
    assert cluster.stopped(arn)["containers"][0]["exitCode"] == 0
    assert eventually("it has printed something", lambda: cluster.log_lines(arn)) == ["hidden"]
    for reference, action, store in (
        (
            other,
            "secretsmanager:GetSecretValue",
            f"asm: service call has been retried 1 time(s): failed to fetch secret {other}",
        ),
        (parameter, "ssm:GetParameters", "ssm: service call has been retried 1 time(s): AccessDeniedException"),
    ):
        stopped = cluster.stopped(task(reference))
        assert stopped["stopCode"] == "TaskFailedToStart"
        reason = stopped["stoppedReason"]
        assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth")
        assert f"unable to retrieve secret from {store}" in reason
        user = f"arn:aws:sts::{settings.account}:assumed-role/execution/"
        assert f"AccessDeniedException: User: {user}" in reason
        assert f" is not authorized to perform: {action} on resource: {reference} because no identity" in reason


def test_a_command_that_is_not_there_cannot_start(cluster: EcsCluster) -> None:
    image = cluster.push("server-again", SERVER)
    stopped = cluster.stopped(cluster.run(cluster.register("nothing", image, command=["no-such-program"])))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert 'exec: "no-such-program": executable file not found in $PATH' in stopped["containers"][0]["reason"]


def test_a_container_health_check_is_really_run(cluster: EcsCluster) -> None:
    image = cluster.push("checked", SERVER)
    check = {
        "command": ["CMD-SHELL", "python -c \"import urllib.request as r; r.urlopen('http://localhost:8000/health')\""],
        "interval": 5,
        "timeout": 30,
        "retries": 1,
    }
    patient = {**check, "retries": 10}  # its first checks may find it still starting
    good = cluster.run(cluster.register("checked", image, healthCheck=patient))
    bad = cluster.run(
        cluster.register("checked", image, healthCheck=check, environment=[{"name": "BROKEN", "value": "1"}])
    )
    eventually("the task is healthy", lambda: cluster.task(good)["healthStatus"] == "HEALTHY")
    stopped = cluster.stopped(bad)
    assert stopped["healthStatus"] == "UNHEALTHY"
    assert stopped["stoppedReason"] == "Task failed container health checks"
    cluster.ecs.stop_task(cluster="rehearsal", task=good)
    cluster.stopped(good)


def test_no_process_outlives_its_task(cluster: EcsCluster) -> None:
    source = "import os, time\nif os.fork() == 0: time.sleep(600)\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    arn = cluster.run(cluster.register("parent", cluster.push("parent", source)))
    printed = eventually(
        "it has printed its process id", lambda: [each for each in cluster.log_lines(arn) if each.isdigit()]
    )
    pid = int(printed[0])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    cluster.ecs.stop_task(cluster="rehearsal", task=arn)
    cluster.stopped(arn)
    left = [read_entry(one) for one in (pid, *map(int, children))]
    assert all(entry is None or entry.zombie for entry in left)


def test_what_does_not_exist_is_missing_or_refused_in_ecs_words(cluster: EcsCluster) -> None:
    answer = cluster.ecs.describe_tasks(cluster="rehearsal", tasks=["0" * 32])
    assert answer["tasks"] == []
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    with pytest.raises(ClientError) as no_cluster:
        cluster.ecs.describe_tasks(cluster="nowhere", tasks=["0" * 32])
    assert no_cluster.value.response["Error"]["Code"] == "ClusterNotFoundException"
    with pytest.raises(ClientError) as no_definition:
        cluster.ecs.run_task(cluster="rehearsal", taskDefinition="nowhere", networkConfiguration=cluster.network)
    assert no_definition.value.response["Error"]["Message"] == "TaskDefinition not found."
    assert no_definition.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
