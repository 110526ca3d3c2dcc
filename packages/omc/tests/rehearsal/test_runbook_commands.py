"""Every AWS command of the runbook, run as it stands, and what it says compared with the real parts.

Two lists. The runbook's own blocks are pasted into a shell, all of them: what isn't in ``CHANGING`` only reads. The
commands of the runbook that this one grew from are run as they were written, with their placeholders filled in; each
answer must agree with processes, sockets, the load balancer, the database and the cache themselves.

The AWS CLI is version 1, the only one on PyPI. It has no `logs tail`, which is shown by the calls that version 2 makes
for it (localcloud/tests/cloud/test_logs_clients.py) and by Live Tail; and execute-command wants a plugin, for which the
tests' own client of that protocol stands in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import ssl
import threading
import time
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support import variants
from support.commands import CommandResult
from support.runbook import VERSION_2, Block, blocks, shell
from support.session_client import SessionClient, key_maker, target_of
from support.stack import CLUSTER, Stack, wait_until_healthy
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

BLOCKS = blocks()
DEPLOY = tuple(f"deployment#via-github-actions-{number}" for number in (3, 4, 5))
ROLL_BACK = ("deployment#application-rollback-1", "deployment#application-rollback-2")
SCALE = "deployment#manual-scaling-1"
STOP_TASK = "incident-response#mitigate-1"
REDEPLOY = "troubleshooting#issue-database-connection-timeout-2"
RESTART = "deployment#restart-1"
SNAPSHOT = "maintenance#pre-maintenance-checklist-1"
CHANGING = {*DEPLOY, *ROLL_BACK, SCALE, STOP_TASK, REDEPLOY, RESTART, SNAPSHOT}
DATABASE, CACHE = "appendix#database-connection-1", "appendix#redis-connection-1"
"""Pasted into a task's shell."""
READING = [block for name, block in BLOCKS.items() if block.asks_aws and name not in CHANGING]
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
TYPED = {"appendix#shell-in-an-ecs-task-1": "echo I am in $PWD; exit\n"}


def pasted(stack: Stack, folder: Path, text: str, *, typed: str = "") -> CommandResult:
    done = shell(stack, text, folder, typed=typed)
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def task_of(stack: Stack, service: str = "backend") -> dict[str, Any]:
    """One task as the cloud's own status has it: ``id``, ``pids``, the ``address`` where it really listens."""
    return next(
        dict(task)
        for task in stack.status()["parts"]["ecs"]["tasks"]
        if task["service"] == service and task["status"] == "RUNNING"
    )


def group_of(stack: Stack, service: str) -> str:
    return str(stack.output("services")[service]["target_group_arn"])


# -- the runbook's own blocks


def test_no_block_is_forgotten() -> None:
    """What is run here, and what is not: Terraform, git, two for a task's shell, `omc doctor` (its own rehearsal)."""
    assert set(BLOCKS) >= CHANGING | {DATABASE, CACHE}
    others = {name for name, block in BLOCKS.items() if not block.asks_aws} - {DATABASE, CACHE}
    left = [
        line
        for name in others
        for line in BLOCKS[name].text.splitlines()
        if not line.startswith(("terraform ", "git ", "export ", "omc "))
    ]
    assert left == []
    assert len(READING) + len(CHANGING) + len(others) + 2 == len(BLOCKS)


@pytest.mark.parametrize("block", READING, ids=lambda block: block.name)
def test_a_block_that_reads_runs_as_it_stands(healthy: Stack, tmp_path: Path, block: Block) -> None:
    done = pasted(healthy, tmp_path, block.commands, typed=TYPED.get(block.name, ""))
    # No alarm is no line; nor is a service that was never scaled.
    assert done.stdout.strip() or re.search("--state-value ALARM|describe-scaling-activities", block.text)
    if block.name in TYPED:
        assert "I am in " in done.stdout
    if "get-query-results" in block.text:
        assert set(re.findall(r'^\[\n    "(\w+)",\n', done.stdout, re.MULTILINE)) == {"Complete"}


def test_a_deployment_by_hand_and_its_rollback(healthy: Stack, tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("these blocks need jq, as the runbook says")
    variants.push(healthy, "good")  # the newest image is what the blocks deploy

    def running() -> set[str]:
        return {task["revision"] for task in backends(healthy)}

    before, old = running(), healthy.task_pids("backend")
    done = pasted(healthy, tmp_path, "".join(BLOCKS[name].commands for name in DEPLOY))
    assert done.stdout.splitlines()[0] == "0"  # the migration's exit code
    wait_until_healthy(healthy)  # a service is stable while old tasks are still drained
    [new] = running()
    assert {new} != before
    assert not [pid for pid in old if Path(f"/proc/{pid}").exists()]
    done = pasted(healthy, tmp_path, "".join(BLOCKS[name].commands for name in ROLL_BACK))
    assert f"{new} -> " in done.stdout
    wait_until_healthy(healthy)
    assert running() == before


def test_scaling_by_hand(healthy: Stack, tmp_path: Path) -> None:
    """First as the original does it, whose effect the autoscaler may undo at any moment; then by its own limits."""

    def are_four(service: str) -> bool:
        found = healthy.client("ecs").describe_services(cluster=CLUSTER, services=[service])["services"][0]
        if found["desiredCount"] != 4:
            answer = aws(healthy, tmp_path, ORIGINAL["scale"].replace("<service>", service))["service"]
            assert answer["desiredCount"] == 4
        return len(healthy.task_pids(service)) == 4

    def do_four_stay() -> bool:
        pids = healthy.task_pids("backend")
        return len(pids) == 4 and all(Path(f"/proc/{pid}").exists() for pid in pids)

    try:
        for service in ("backend", "frontend"):
            eventually(f"four tasks of {service} run", partial(are_four, service), within=180)
        done = pasted(healthy, tmp_path, BLOCKS[SCALE].commands)
        assert "arn:aws:application-autoscaling" in done.stdout
        [target] = healthy.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[f"service/{CLUSTER}/backend"]
        )["ScalableTargets"]
        assert target["MinCapacity"] == 4
        eventually("four backends run", do_four_stay, within=180)
    finally:
        healthy.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=f"service/{CLUSTER}/backend",
            MinCapacity=2,
        )
        for service in ("backend", "frontend"):
            healthy.client("ecs").update_service(cluster=CLUSTER, service=service, desiredCount=2)
        eventually("two backends run", lambda: len(healthy.task_pids("backend")) == 2, within=180)
        wait_until_healthy(healthy)


def test_a_task_that_misbehaves_is_stopped_and_replaced(healthy: Stack, tmp_path: Path) -> None:
    before = set(healthy.task_pids("backend"))
    payload = json.loads(pasted(healthy, tmp_path, BLOCKS[STOP_TASK].commands).stdout)["task"]
    assert payload["stoppedReason"] == "misbehaves, see the incident"

    def replaced() -> bool:
        gone = [pid for pid in before if not Path(f"/proc/{pid}").exists()]
        return len(gone) == 1 and len(healthy.task_pids("backend")) == 2

    eventually("one process went and another came", replaced, within=180)
    wait_until_healthy(healthy)


@pytest.mark.parametrize("block", [REDEPLOY, RESTART])
def test_a_forced_deployment_replaces_every_process(healthy: Stack, tmp_path: Path, block: str) -> None:
    before = healthy.task_pids("backend")
    pasted(healthy, tmp_path, BLOCKS[block].commands)
    eventually(
        "all processes are new",
        lambda: not set(before) & set(healthy.task_pids("backend")) and len(healthy.task_pids("backend")) == 2,
        within=240,
    )
    wait_until_healthy(healthy)


def test_a_snapshot_before_maintenance_is_there_and_holds_data(healthy: Stack, tmp_path: Path) -> None:
    message = pasted(healthy, tmp_path, BLOCKS[SNAPSHOT].commands).stdout
    name, status, _, size = json.loads(message[message.rindex("[") :])
    assert name.startswith(f"{CLUSTER}-before-maintenance-")
    assert (status, size) == ("available", 20)
    assert any((healthy.state / "rds-snapshots").iterdir())
    healthy.client("rds").delete_db_snapshot(DBSnapshotIdentifier=name)


# -- the commands of the original, as they were written there

ORIGINAL = {
    "services": r"""aws ecs describe-services \
     --cluster ohmycoins-staging \
     --services backend frontend \
     --query 'services[*].[serviceName,status,runningCount,desiredCount]'""",
    "targets": r"""aws elbv2 describe-target-health \
     --target-group-arn <target-group-arn>""",
    "previous task definition": r"""aws ecs describe-task-definition \
     --task-definition ohmycoins-backend \
     --query 'taskDefinition.taskDefinitionArn'""",
    "roll back": r"""aws ecs update-service \
     --cluster ohmycoins-staging \
     --service backend \
     --task-definition ohmycoins-backend:PREVIOUS_REVISION""",
    "scale": r"""aws ecs update-service \
  --cluster ohmycoins-staging \
  --service <service> \
  --desired-count 4""",
    "slow queries": r"""aws pi get-resource-metrics \
  --service-type RDS \
  --identifier db-XXXXX \
  --metric-queries file://query.json""",
    "tail": "aws logs tail /ecs/ohmycoins-staging/backend --follow",
    "task": r"""aws ecs describe-tasks \
  --cluster ohmycoins-staging \
  --tasks <task-id>""",
    "security group": r"""aws ec2 describe-security-groups \
  --group-ids <rds-sg-id>""",
    "connectivity": r"""aws ecs execute-command \
  --cluster ohmycoins-staging \
  --task <task-id> \
  --command "nc -zv <rds-endpoint> 5432" \
  --interactive""",
    "cache cluster": r"""aws elasticache describe-cache-clusters \
  --cache-cluster-id ohmycoins-staging-redis \
  --show-cache-node-info""",
    "shell": r"""aws ecs execute-command \
  --cluster ohmycoins-staging \
  --task <task-id> \
  --container backend \
  --command "/bin/bash" \
  --interactive""",
    "psql": "psql -h <rds-endpoint> -U ohmycoins -d ohmycoins",
    "redis-cli": "redis-cli -h <redis-endpoint> -p 6379 --tls",
    "deployments": r"""aws ecs list-tasks \
  --cluster ohmycoins-staging \
  --service-name backend \
  --query 'taskArns[0]' \
  --output text""",
}


def aws(stack: Stack, folder: Path, command: str, **filled: str) -> Any:
    """What a command answers, as JSON."""
    return json.loads(pasted(stack, folder, fill(command, **filled)).stdout)


def fill(command: str, **filled: str) -> str:
    for placeholder, value in filled.items():
        command = command.replace(f"<{placeholder.replace('_', '-')}>", value)
    assert "<" not in command, command
    return command


def test_a_running_task_has_its_process_listening_at_its_address(healthy: Stack, tmp_path: Path) -> None:
    real = task_of(healthy)
    [task] = aws(healthy, tmp_path, ORIGINAL["task"], task_id=real["id"])["tasks"]
    assert task["lastStatus"] == task["desiredStatus"] == "RUNNING"
    [container] = task["containers"]
    shown = container["networkInterfaces"][0]["privateIpv4Address"]
    assert real["address"].split(".")[2:] == shown.split(".")[2:]  # 10.0.11.7 listens on 127.(64 + block).11.7
    with urllib.request.urlopen(f"http://{real['address']}:8000/health/ready", timeout=60) as answer:
        assert answer.status == 200
    [pid] = real["pids"][:1]
    environment = (Path(f"/proc/{pid}/environ")).read_bytes().decode().split("\0")
    assert "ENVIRONMENT=staging" in environment
    assert f"POSTGRES_SERVER={healthy.output('database')['address']}" in environment


def test_targets_are_the_load_balancers_servers(healthy: Stack, tmp_path: Path) -> None:
    payload = aws(healthy, tmp_path, ORIGINAL["targets"], target_group_arn=group_of(healthy, "backend"))
    shown = {
        (each["Target"]["Id"].split(".", 2)[2], each["Target"]["Port"], each["TargetHealth"]["State"])
        for each in payload["TargetHealthDescriptions"]
    }
    [folder] = [path.parent for path in (healthy.state / "elbv2").glob("*/admin.sock")]
    backend = f"tg-{group_of(healthy, 'backend').rpartition('/')[2]}"
    servers = set()
    for line in haproxy(folder, "show servers state").splitlines():
        fields = line.split()
        if len(fields) > 18 and fields[1] == backend:
            up = int(fields[5]) == 2 and int(fields[6]) == 0  # running, and nobody put it into maintenance
            servers.add((fields[4].split(".", 2)[2], int(fields[18]), "healthy" if up else "away"))
    assert shown == servers
    assert {(task["address"].split(".", 2)[2]) for task in backends(healthy)} == {address for address, _, _ in shown}


def backends(stack: Stack) -> list[dict[str, Any]]:
    return [task for task in stack.status()["parts"]["ecs"]["tasks"] if task["service"] == "backend"]


def haproxy(folder: Path, command: str) -> str:
    """The load balancer's own answer; its socket's name is too long for an address but not for a relative one."""
    with socket.socket(socket.AF_UNIX) as connection:
        handle = os.open(folder, os.O_PATH)
        try:
            connection.connect(f"/proc/self/fd/{handle}/admin.sock")
        finally:
            os.close(handle)
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_the_family_names_its_newest_revision_and_a_service_goes_to_the_one_that_is_named(
    healthy: Stack, tmp_path: Path
) -> None:
    newest = aws(healthy, tmp_path, ORIGINAL["previous task definition"])
    listed = healthy.client("ecs").list_task_definitions(familyPrefix="ohmycoins-backend", sort="DESC")
    assert newest == listed["taskDefinitionArns"][0]  # so it isn't the previous one, whatever the original says
    running = {task["revision"] for task in backends(healthy)}
    [revision] = running
    command = ORIGINAL["roll back"].replace("ohmycoins-backend:PREVIOUS_REVISION", revision)
    service = aws(healthy, tmp_path, command)["service"]
    assert service["taskDefinition"].endswith(revision)
    wait_until_healthy(healthy)


def test_performance_insights_shows_a_query_that_really_runs(healthy: Stack, tmp_path: Path) -> None:
    """A session sleeps in the database meanwhile. As written the command lacks its times, which PI demands."""
    query = [{"Metric": "db.load.avg", "GroupBy": {"Group": "db.wait_event"}}]
    (tmp_path / "query.json").write_text(json.dumps(query))
    command = ORIGINAL["slow queries"].replace("db-XXXXX", healthy.output("database")["resource_id"])
    done = shell(healthy, command, tmp_path)
    assert done.returncode == 2
    assert "--start-time" in done.stderr
    marker = f"rehearsal_{uuid.uuid4().hex[:8]}"
    thread = threading.Thread(target=sleep_in_database, args=(healthy, f"SELECT pg_sleep(8) AS {marker}"))
    thread.start()
    began = datetime.now(UTC)
    times = f" --start-time {began - timedelta(minutes=1):%FT%TZ} --end-time {began + timedelta(minutes=2):%FT%TZ}"

    def waits() -> bool:
        payload = aws(healthy, tmp_path, f"{command}{times} --period-in-seconds 1")
        return any(
            metric["Key"].get("Dimensions", {}).get("db.wait_event.name") == "Timeout:PgSleep"
            and any(point.get("Value", 0) >= 0.9 for point in metric["DataPoints"])
            for metric in payload["MetricList"]
        )

    eventually("the sleeping session is a load of one, waiting for PgSleep", waits, within=180)
    thread.join()
    keys = healthy.client("pi").describe_dimension_keys(
        ServiceType="RDS",
        Identifier=healthy.output("database")["resource_id"],
        Metric="db.load.avg",
        GroupBy={"Group": "db.sql"},
        StartTime=began - timedelta(minutes=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        PeriodInSeconds=1,
    )["Keys"]
    assert any(marker in key["Dimensions"]["db.sql.statement"] for key in keys)


def password(stack: Stack) -> str:
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.output("database")["master_secret_arn"])
    return str(json.loads(secret["SecretString"])["password"])


def sleep_in_database(stack: Stack, statement: str) -> None:
    database = stack.output("database")
    parameters = {"host": database["address"], "user": "ohmycoins", "dbname": "ohmycoins", "sslmode": "require"}
    with psycopg.connect(password=password(stack), **parameters) as connection:
        connection.execute(statement)


def test_tailing_a_group_shows_what_the_application_just_wrote(healthy: Stack, tmp_path: Path) -> None:
    """Version 1 has no `logs tail`; Live Tail, which version 2 has as `start-live-tail`, and the log itself have."""
    done = shell(healthy, ORIGINAL["tail"], tmp_path)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr.lower()
    assert [name for name, block in BLOCKS.items() if VERSION_2.search(block.text)]
    from botocore.config import Config

    logs = healthy.client("logs")
    group = logs.describe_log_groups(logGroupNamePrefix=f"/ecs/{CLUSTER}/backend")["logGroups"][0]
    tail = healthy.client("logs", Config(retries={"max_attempts": 0}, inject_host_prefix=False, read_timeout=60))
    stream = tail.start_live_tail(
        logGroupIdentifiers=[group["logGroupArn"]], logEventFilterPattern="{ $.request_id = * }"
    )["responseStream"]
    try:
        events = iter(stream)
        assert "sessionStart" in next(events)
        identity, began = f"rehearsal-{uuid.uuid4()}", int(time.time() * 1000)
        request = urllib.request.Request(f"{healthy.url}/api/v1/coins", headers={"X-Request-Id": identity})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        found: list[dict[str, Any]] = []
        for _ in range(90):  # one update a second
            found += [each for each in next(events)["sessionUpdate"]["sessionResults"] if identity in each["message"]]
            if found:
                break
    finally:
        stream.close()
    assert json.loads(found[0]["message"])["path"] == "/api/v1/coins"
    polled = logs.filter_log_events(
        logGroupName=group["logGroupName"], startTime=began - 1000, filterPattern=f'"{identity}"', interleaved=True
    )["events"]
    assert [each["message"] for each in polled] == [found[0]["message"]]


def test_the_database_lets_in_whom_its_security_group_names(healthy: Stack, tmp_path: Path) -> None:
    database = healthy.output("database")
    [group] = aws(healthy, tmp_path, ORIGINAL["security group"], rds_sg_id=database["security_group_id"])[
        "SecurityGroups"
    ]
    [rule] = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 5432, 5432)
    interfaces = healthy.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "group-id", "Values": [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]}]
    )["NetworkInterfaces"]
    tasks = {task["address"].split(".", 2)[2] for task in backends(healthy)}
    assert tasks <= {each["PrivateIpAddress"].split(".", 2)[2] for each in interfaces}
    command = fill(ORIGINAL["connectivity"], task_id=task_of(healthy)["id"], rds_endpoint=database["address"])
    printed = pasted(healthy, tmp_path, command).stdout
    assert f"Connection to {database['address']} 5432 port [tcp/" in printed
    assert "succeeded!" in printed


def test_the_id_of_a_replication_group_is_no_cache_cluster_and_its_member_is(healthy: Stack, tmp_path: Path) -> None:
    done = shell(healthy, ORIGINAL["cache cluster"], tmp_path)
    assert done.returncode != 0
    assert "CacheClusterNotFound" in done.stderr
    member = ORIGINAL["cache cluster"].replace("staging-redis", "staging-redis-001")
    [cluster] = aws(healthy, tmp_path, member)["CacheClusters"]
    assert cluster["CacheClusterStatus"] == "available"
    endpoint = cluster["CacheNodes"][0]["Endpoint"]
    context = ssl.create_default_context(cafile=str(healthy.state / "certificates" / "authority.pem"))
    with (
        socket.create_connection((endpoint["Address"], endpoint["Port"]), 60) as plain,
        context.wrap_socket(plain, server_hostname=endpoint["Address"]) as secure,
    ):
        secure.sendall(b"PING\r\n")
        assert secure.recv(100) == b"+PONG\r\n"


def test_in_a_tasks_shell_the_database_and_the_cache_are_reached_as_written(healthy: Stack, tmp_path: Path) -> None:
    [task] = aws(healthy, tmp_path, ORIGINAL["task"], task_id=task_of(healthy)["id"])["tasks"]
    words = shlex.split(ORIGINAL["shell"].replace("\\\n", " "))
    command, container = (words[words.index(name) + 1] for name in ("--command", "--container"))
    session = healthy.client("ecs").execute_command(
        cluster=CLUSTER, task=task["taskArn"], container=container, command=command, interactive=True
    )["session"]
    database, cache = healthy.output("database")["address"], healthy.output("cache")["address"]
    target = target_of(healthy.client("ecs"), CLUSTER, task["taskArn"], container)
    make_key = key_maker(healthy.client("kms"), session["sessionId"], target)
    with SessionClient(session, make_key=make_key).begin() as client:
        client.type(fill(ORIGINAL["psql"], rds_endpoint=database) + "\n")
        client.read_until("Password for user ohmycoins:")
        client.type(password(healthy) + "\n")
        client.read_until("ohmycoins=>")
        client.type("SELECT 'user=' || current_user, count(*) > 0 AS coins FROM coins;\n")
        client.read_until("user=ohmycoins | t")
        client.type("\\q\n")
        client.type(BLOCKS[DATABASE].text.strip() + " -tc \"SELECT 'again=' || 6 * 7\"\n")
        client.read_until("again=42")
        client.type(f"echo PING | {fill(ORIGINAL['redis-cli'], redis_endpoint=cache)}\n")
        client.read_until("PONG")
        client.type(f"echo ECHO still-$((40 + 2)) | {BLOCKS[CACHE].text.strip()}\n")
        client.read_until("still-42")
        client.type("exit\n")
        assert client.end() == ""


def test_one_task_of_a_service_is_named(healthy: Stack, tmp_path: Path) -> None:
    """ "View recent deployments" of the original, which shows a task and no deployment."""
    arn = pasted(healthy, tmp_path, ORIGINAL["deployments"]).stdout.strip()
    assert arn.rpartition("/")[2] in {task["id"] for task in backends(healthy)}


def test_a_metric_is_what_the_database_says(healthy: Stack, tmp_path: Path) -> None:
    """DatabaseConnections against pg_stat_activity, with four connections more than the application's."""
    database = healthy.output("database")
    parameters = {"host": database["address"], "user": "ohmycoins", "dbname": "ohmycoins", "sslmode": "require"}
    held = [psycopg.connect(password=password(healthy), **parameters) for _ in range(4)]
    try:

        def agree() -> bool:
            [(real,)] = (
                held[0]
                .execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
                .fetchall()
            )
            held[0].commit()
            end = datetime.now(UTC)
            response = healthy.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/RDS",
                MetricName="DatabaseConnections",
                Dimensions=[{"Name": "DBInstanceIdentifier", "Value": CLUSTER}],
                StartTime=end - timedelta(seconds=30),
                EndTime=end,
                Period=10,
                Statistics=["Maximum"],
            )["Datapoints"]
            return bool(response) and max(response, key=lambda point: point["Timestamp"])["Maximum"] == real

        eventually("CloudWatch counts the connections that the server has", agree, within=180)
    finally:
        for connection in held:
            connection.close()
