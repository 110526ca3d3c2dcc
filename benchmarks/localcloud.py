"""How quick and how large the local cloud itself is: API latency, 200 services with 2,000 tasks, a million log events.

`make bench-localcloud`. It brings up an empty cloud of its own and ends it with all that it started. Tasks are as light
as a process can be (`sleep`), so that what is measured is the cloud and not its tenants. Requests are signed once and
sent again as bytes over kept connections: an SDK's own work would be most of the time. Latency is measured twice, in an
empty cloud and with all the tasks running; at 1 and at 16 clients, each sending its next request at once. In order:

    latency, empty     p50 and p95 in ms of six reads and a write, at 1 and 16 clients
    services, tasks    seconds until all run; seconds of processor that the server takes an idle second; memory
    latency, full      the same with 2,000 tasks
    log events         a million events put in batches; seconds from StartQuery to Complete, median of 3

The last line is one JSON object. TASKS=500 and EVENTS=100000 in the environment make it smaller.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = "bench"
SERVICES = 200
TASKS = int(os.environ.get("TASKS", "2000"))
EVENTS = int(os.environ.get("EVENTS", "1000000"))
BATCH = 5_000
CLIENTS = (1, 16)
SECONDS = 4.0
"""Of sending, for each request and number of clients."""
START_TIMEOUT = 1200.0
GROUP = "/bench/backend"
QUERIES = {
    "filter_sort": "fields @timestamp, @message | filter level = 'ERROR' | sort @timestamp desc | limit 100",
    "regex": "fields @message | filter @message like /timeout|refused/ | limit 100",
    "stats_by_bin": "stats count(*) as n, avg(duration_ms) as mean, pct(duration_ms, 95) as p95 by bin(1m)",
    "stats_by_field": "filter status >= 500 | stats count(*) as n by path, status | sort n desc",
}


def localcloud(state: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "localcloud", *arguments, "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


@dataclass(frozen=True)
class Cloud:
    """The running cloud, and how to ask it."""

    state: Path
    reach: Mapping[str, Any]

    @property
    def pid(self) -> int:
        return int(json.loads(localcloud(self.state, "status", "--json"))["pid"])

    def client(self, service: str) -> Any:
        import botocore.session
        from botocore.config import Config

        session = botocore.session.Session()
        session.set_credentials(self.reach["access_key_id"], self.reach["secret_access_key"])
        return session.create_client(
            service,
            region_name=self.reach["region"],
            endpoint_url=self.reach["endpoint"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )


def memory(pid: int) -> float:
    """Resident MiB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- API latency


def signed(client: Any, operation: str, **params: Any) -> tuple[str, str, bytes, dict[str, str]]:
    """The request that the SDK would send, signed: method, path, body, headers. Good for five minutes."""
    caught: list[Any] = []

    class Caught(Exception):
        pass

    def stop(request: Any, **_: Any) -> None:
        caught.append(request)
        raise Caught

    client.meta.events.register("before-send", stop)
    try:
        getattr(client, operation)(**params)
    except Caught:
        pass
    finally:
        client.meta.events.unregister("before-send", stop)
    request = caught[0]
    parts = urlsplit(request.url)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
    }
    return request.method, parts.path or "/", request.body or b"", headers


def requests(cloud: Cloud) -> dict[str, Callable[[], tuple[str, str, bytes, dict[str, str]]]]:
    """What is sent: reads that the morning check and the runbook make most, and one write."""
    ecs, logs, cloudwatch, ec2 = (cloud.client(name) for name in ("ecs", "logs", "cloudwatch", "ec2"))
    services = [f"service-{number:03}" for number in range(10)]
    return {
        "ecs describe-services (10)": lambda: signed(ecs, "describe_services", cluster=CLUSTER, services=services),
        "ecs list-tasks": lambda: signed(ecs, "list_tasks", cluster=CLUSTER),
        "cloudwatch describe-alarms": lambda: signed(cloudwatch, "describe_alarms", StateValue="ALARM"),
        "logs describe-log-groups": lambda: signed(logs, "describe_log_groups"),
        "logs filter-log-events": lambda: signed(logs, "filter_log_events", logGroupName=GROUP, limit=50),
        "ec2 describe-subnets": lambda: signed(ec2, "describe_subnets"),
        "cloudwatch put-metric-data": lambda: signed(
            cloudwatch,
            "put_metric_data",
            Namespace="bench",
            MetricData=[{"MetricName": "Sent", "Value": 1.0, "Unit": "Count"}],
        ),
    }


def latency(cloud: Cloud, when: str) -> dict[str, Any]:
    """Milliseconds by request and number of clients."""
    found: dict[str, Any] = {}
    print(f"{when:<32}" + "".join(f"{f'{clients} client(s) p50':>18}{'p95':>9}{'per s':>8}" for clients in CLIENTS))
    for name, make in requests(cloud).items():
        line = f"{name:<32}"
        for clients in CLIENTS:
            times = hammer(cloud.reach["endpoint"], make(), clients)
            p50, p95 = statistics.median(times) * 1000, times[int(0.95 * len(times))] * 1000
            found[f"{name}, {clients}"] = {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2)}
            line += f"{p50:>15.1f} ms{p95:>6.1f} ms{len(times) / SECONDS:>8.0f}"
        print(line, flush=True)
    return found


def hammer(endpoint: str, request: tuple[str, str, bytes, dict[str, str]], clients: int) -> list[float]:
    """Response times, sorted, of so many clients that each ask again as soon as they have their answer."""
    method, path, body, headers = request
    parts = urlsplit(endpoint)
    times: list[float] = []
    wrong: list[str] = []
    end = time.monotonic() + SECONDS

    def ask() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        while time.monotonic() < end:
            began = time.monotonic()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            payload = answer.read()
            times.append(time.monotonic() - began)
            if answer.status != 200:
                wrong.append(f"{answer.status} {payload[:300]!r}")
                break
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"A request was not answered well, so its times say nothing: {wrong[0]}")
    return sorted(times)


# -- services and tasks


def build(cloud: Cloud, folder: Path) -> None:
    """A network with room for the tasks, a cluster, and the image of a process that only sleeps."""
    ec2, ecs = cloud.client("ec2"), cloud.client("ecs")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for block, zone in (("10.0.16.0/20", "ap-southeast-2a"), ("10.0.32.0/20", "ap-southeast-2b"))
    ]
    cloud.client("logs").create_log_group(logGroupName=GROUP)
    ecs.create_cluster(clusterName=CLUSTER)
    uri = cloud.client("ecr").create_repository(repositoryName="sleeper")["repository"]["repositoryUri"]
    source = folder / "sleeper"
    source.mkdir()
    (source / "Dockerfile").write_text('FROM busybox:1.37\nWORKDIR /app\nCOPY . /app\nCMD ["sleep", "1000000"]\n')
    digest = localcloud(cloud.state, "push", str(source), "--repository", "sleeper").strip()
    ecs.register_task_definition(
        family="sleeper",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=f"arn:aws:iam::{cloud.reach['account']}:role/execution",
        containerDefinitions=[{"name": "app", "image": f"{uri}@{digest}", "essential": True}],
    )
    for number in range(SERVICES):
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=f"service-{number:03}",
            taskDefinition="sleeper",
            desiredCount=0,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
        )


def counts(ecs: Any) -> tuple[int, int]:
    """Tasks running and pending of all services, as the cluster says."""
    cluster = ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]
    return cluster["runningTasksCount"], cluster["pendingTasksCount"]


def tasks(cloud: Cloud) -> dict[str, Any]:
    """All services to their count of tasks, and what that costs."""
    ecs, pid = cloud.client("ecs"), cloud.pid
    empty = memory(pid)
    each = TASKS // SERVICES
    began = time.monotonic()
    for number in range(SERVICES):
        ecs.update_service(cluster=CLUSTER, service=f"service-{number:03}", desiredCount=each)
    running, reported = 0, 0.0
    while running < each * SERVICES and time.monotonic() - began < START_TIMEOUT:
        time.sleep(1)
        running, pending = counts(ecs)
        if time.monotonic() - reported > 20:
            reported = time.monotonic()
            print(f"  {running} tasks run, {pending} are pending after {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    listed = json.loads(localcloud(cloud.state, "status", "--json"))["parts"]["ecs"]["tasks"]
    real = sum(Path(f"/proc/{process}").exists() for task in listed for process in task["pids"])
    if real != running:
        raise SystemExit(f"The cloud says that {running} tasks run, and {real} of their processes do.")
    full = memory(pid)
    before, since = processor_seconds(pid), time.monotonic()
    time.sleep(10)
    busy = (processor_seconds(pid) - before) / (time.monotonic() - since)
    one = memory(listed[0]["pids"][0]) if listed else 0.0
    print(
        f"{SERVICES} services, {running} tasks with a process each: running after {seconds:.0f} s; the server takes "
        f"{busy:.2f} of a processor when nothing happens, {full:.0f} MiB ({empty:.0f} before); a task's process "
        f"{one:.1f} MiB"
    )
    return {
        "services": SERVICES,
        "tasks": running,
        "tasks_running_after_s": round(seconds, 1),
        "idle_processors": round(busy, 3),
        "server_empty_mib": round(empty, 1),
        "server_with_tasks_mib": round(full, 1),
        "server_kib_a_task": round((full - empty) * 1024 / max(1, running), 1),
        "task_process_mib": round(one, 2),
    }


# -- log events


def event(number: int, chance: random.Random) -> str:
    """A line as the backend writes it: one in a hundred is an error."""
    status = chance.choices((200, 404, 500, 503), (960, 30, 5, 5))[0]
    message = {500: "connection refused", 503: "timeout waiting for the pool"}.get(status, "answered")
    return json.dumps(
        {
            "level": "ERROR" if status >= 500 else "INFO",
            "message": message,
            "path": chance.choice(("/api/v1/prices", "/api/v1/coins", "/api/v1/portfolio")),
            "status": status,
            "duration_ms": round(chance.lognormvariate(2, 0.8), 1),
            "request_id": f"{number:08x}",
        }
    )


def log_events(cloud: Cloud) -> dict[str, Any]:
    logs, pid = cloud.client("logs"), cloud.pid
    chance = random.Random(1)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="bench")
    first = int(time.time() * 1000) - 3_600_000
    spent = 0.0
    for start in range(0, EVENTS, BATCH):
        batch = [
            {"timestamp": first + 3_600_000 * number // EVENTS, "message": event(number, chance)}
            for number in range(start, min(EVENTS, start + BATCH))
        ]
        began = time.monotonic()
        answer = logs.put_log_events(logGroupName=GROUP, logStreamName="bench", logEvents=batch)
        spent += time.monotonic() - began
        if "rejectedLogEventsInfo" in answer:
            raise SystemExit(f"Log events were rejected: {answer['rejectedLogEventsInfo']}")
    figures: dict[str, Any] = {"log_events": EVENTS, "log_events_put_s": round(spent, 1)}
    print(f"{EVENTS:,} log events: put in {spent:.0f} s ({EVENTS / spent:,.0f} a second, the SDK's work included)")
    for name, query in QUERIES.items():
        runs = sorted(ask(logs, query, first) for _ in range(3))
        figures[f"query_{name}_s"] = round(runs[1], 2)
        print(f"  {runs[1]:>6.2f} s  {query}")
    began = time.monotonic()
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.status = 503 }", limit=100)["events"]
    figures["filter_log_events_s"] = round(time.monotonic() - began, 2)
    print(f"  {figures['filter_log_events_s']:>6.2f} s  filter-log-events of one status, {len(found)} events")
    figures["server_at_the_end_mib"] = round(memory(pid), 1)
    return figures


def ask(logs: Any, query: str, first: int) -> float:
    """Seconds from StartQuery to Complete, asked every 20 ms."""
    began = time.monotonic()
    times = {"startTime": first // 1000, "endTime": int(time.time()) + 60}
    identity = logs.start_query(logGroupName=GROUP, queryString=query, **times)["queryId"]
    while (answer := logs.get_query_results(queryId=identity))["status"] in ("Scheduled", "Running"):
        time.sleep(0.02)
    if answer["status"] != "Complete" or not answer["results"]:
        raise SystemExit(f"The query {query!r} ended as {answer['status']} with {len(answer['results'])} rows.")
    return time.monotonic() - began


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    kind = names[0] if names else platform.machine()
    return f"{os.cpu_count()} x {kind}, {platform.system()}, Python {platform.python_version()}"


def worst(latencies: Mapping[str, Mapping[str, float]], clients: int) -> float:
    """The slowest request's p95."""
    return max(each["p95_ms"] for name, each in latencies.items() if name.endswith(f", {clients}"))


def main(arguments: Sequence[str]) -> None:
    parts = set(arguments) or {"latency", "tasks", "logs"}
    figures: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}  # what else the machine was doing
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as name:
        state = Path(name) / "cloud"
        try:
            localcloud(state, "up")
            cloud = Cloud(state, json.loads((state / "cloud.json").read_text()))
            build(cloud, Path(name))
            if "latency" in parts:
                figures["latency_empty"] = latency(cloud, "An empty cloud")
            if "tasks" in parts:
                figures |= tasks(cloud)
            if {"latency", "tasks"} <= parts:
                figures["latency_full"] = latency(cloud, f"{TASKS:,} tasks run")
                figures["worst_p95_ms_1_client"] = worst(figures["latency_full"], 1)
                figures["worst_p95_ms_16_clients"] = worst(figures["latency_full"], 16)
            if "logs" in parts:
                figures |= log_events(cloud)
        finally:
            localcloud(state, "reset", "--force")
    print(json.dumps(figures | {"machine": machine()}))


if __name__ == "__main__":
    main(sys.argv[1:])
