"""`omc check morning` against the runbook's three aws commands, and its AWS calls for 200 services.

`make bench-morning`. It brings up a local cloud of its own and ends it. Part one: cold processes in turn, first omc,
then the three commands of the runbook's "Morning Checks" one after another (with the placeholder filled in), so that
whatever else the machine does meets both alike; medians. Part two: 200 services, each with a target group, a log group
and five alarms, in a second local cloud; every HTTP request that omc sends is counted (retries too) and compared with
the least that AWS's page and batch sizes allow:

    services / 10       DescribeServices takes 10 names         + 1 per target group   DescribeTargetHealth takes one
    1                   ListTasks of the cluster, no tasks      + 1 per alarm firing   ListTagsForResource takes one
    load balancers / 400, target groups / 400, alarms / 100     pages of the listings
    metrics / 500       GetMetricData takes 500 queries
    log groups / 50     StartQuery, and once as much GetQueryResults
    3                   the status page, of as many tasks       + 1 ListTasks of those that run
    services / 50       DescribeScalableTargets takes 50 names  + 1 GetObject of Terraform's state
    1 + 1               DescribeListeners, DescribeRules        + 1 GetMetricData for the traffic of the day before
    1 + 1               RDS and ElastiCache

The last line is one JSON object: ratio (omc's wall time to theirs), peak_mib, calls_ratio, and what they come from.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OMC = [sys.executable, "-m", "omc"]
AWS = str(Path(sys.executable).parent / "aws")
CLUSTER = "ohmycoins-staging"
RUNS = 9
SERVICES = 200
ALARMS_A_SERVICE = 5


@dataclass(frozen=True)
class Run:
    seconds: float
    peak_mib: float
    code: int
    output: str


def timed(command: Sequence[str], env: Mapping[str, str]) -> Run:
    """One cold process: its wall time, peak resident memory and exit code."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Run(seconds, usage.ru_maxrss / 1024, process.returncode, output.read())


def local(state: Path, *arguments: str) -> str:
    command = [*OMC, "local", *arguments, "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def localcloud(state: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "localcloud", *arguments, "--state", str(state)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def surroundings(state: Path) -> dict[str, str]:
    """What points omc and the aws CLI at the local cloud of this state folder."""
    reach = json.loads((state / "cloud.json").read_text())
    kept = {
        name: value
        for name, value in os.environ.items()
        # Without byte code omc would be compiled in every run, and the aws CLI, which was when it was installed, not.
        if not name.startswith(("AWS_", "OMC_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | {
        "OMC_LOCAL_STATE": str(state),
        "AWS_ENDPOINT_URL": reach["endpoint"],
        "AWS_DEFAULT_REGION": reach["region"],
        "AWS_ACCESS_KEY_ID": reach["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": reach["secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(state: Path, service: str) -> Any:
    import botocore.session

    reach = json.loads((state / "cloud.json").read_text())
    session = botocore.session.Session()
    session.set_credentials(reach["access_key_id"], reach["secret_access_key"])
    return session.create_client(service, region_name=reach["region"], endpoint_url=reach["endpoint"])


def runbook_commands(target_group: str) -> list[list[str]]:
    services = "services[*].[serviceName,status,runningCount,desiredCount]"
    alarms = "MetricAlarms[*].[AlarmName,StateReason]"
    return [
        [AWS, *f"ecs describe-services --cluster {CLUSTER} --services backend frontend --query {services}".split()],
        [AWS, *f"elbv2 describe-target-health --target-group-arn {target_group}".split()],
        [AWS, *f"cloudwatch describe-alarms --state-value ALARM --query {alarms}".split()],
    ]


def against_the_runbook(state: Path) -> dict[str, Any]:
    """Part one, on the stack as `omc local up` makes it."""
    env = surroundings(state)
    groups = client(state, "elbv2").describe_target_groups()["TargetGroups"]
    commands = runbook_commands(
        next(group["TargetGroupArn"] for group in groups if "backend" in group["TargetGroupName"])
    )
    check = [*OMC, "check", "morning", "--env", "local"]
    timed(check, env)  # byte code and page cache are warm for both
    timed(commands[0], env)
    ours: list[Run] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        ours.append(timed(check, env))
        theirs.append(sum(timed(command, env).seconds for command in commands))
    wrong = [run for run in ours if run.code not in (0, 1)]
    if wrong:
        raise SystemExit(f"omc check morning could not read everything, so its time says nothing:\n{wrong[0].output}")
    seconds = statistics.median(run.seconds for run in ours)
    print(f"{'':<34}{'median':>9}{'min':>9}{'max':>9}   runs")
    for name, runs in (("omc check morning", [run.seconds for run in ours]), ("the runbook's three commands", theirs)):
        print(f"{name:<34}{statistics.median(runs):>8.2f}s{min(runs):>8.2f}s{max(runs):>8.2f}s   {len(runs)}")
    return {
        "ratio": round(seconds / statistics.median(theirs), 3),
        "peak_mib": round(max(run.peak_mib for run in ours), 1),
        "omc_s": round(seconds, 3),
        "aws_s": round(statistics.median(theirs), 3),
    }


def build_services(state: Path, folder: Path) -> int:
    """200 services without tasks, with all that a service has; returns how many alarms there are."""
    ecs, elb, logs, cloudwatch, ec2 = (client(state, name) for name in ("ecs", "elbv2", "logs", "cloudwatch", "ec2"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = ("ap-southeast-2a", "ap-southeast-2b")
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    balancer = elb.create_load_balancer(Name=CLUSTER, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.register_task_definition(
        family="ohmycoins-some",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "some", "image": "example/some:1", "essential": True}],
    )
    names = [f"service-{number:03}" for number in range(SERVICES)]
    groups = []
    for name in names:
        group = elb.create_target_group(Name=f"{CLUSTER}-{name}", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        groups.append(group)
        logs.create_log_group(logGroupName=f"/ecs/{CLUSTER}/{name}")
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition="ohmycoins-some",
            desiredCount=0,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
        )
        for number in range(ALARMS_A_SERVICE):
            cloudwatch.put_metric_alarm(
                AlarmName=f"{CLUSTER}-{name}-{number}",
                Namespace="AWS/ECS",
                MetricName="CPUUtilization",
                Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": name}],
                Statistic="Average",
                Period=60,
                EvaluationPeriods=15,
                Threshold=80,
                ComparisonOperator="GreaterThanThreshold",
            )
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": groups[0]}],
    )
    tables = "\n".join(
        f"[services.{name}]\nport = 80\nminimum = 0\nmaximum = 10\ncpu_target = 70"
        + ('\nstatus_path = "/api/v1/status"' if number == 0 else "")
        for number, name in enumerate(names)
    )
    text = (ROOT / "omc.toml").read_text()
    before, _, after = text.partition("[services.backend]")
    (folder / "omc.toml").write_text(before + tables + "\n[thresholds]" + after.partition("[thresholds]")[2])
    return SERVICES * ALARMS_A_SERVICE


def least(services: int, alarms: int, firing: int) -> int:
    """The fewest calls that read all that the morning check reads."""
    metrics = services + 7  # a CPU metric each; five counts and two expressions of the load balancer
    pages = math.ceil(services / 10) + 1 + 1 + math.ceil(services / 400) + math.ceil(alarms / 100)
    expected = math.ceil(services / 50) + 1  # the limits of the autoscaler, and the state
    entrance, stores = 2 + 1, 2  # listeners, rules, what is usual; database and cache
    pages += expected + entrance + stores + 1
    return pages + services + firing + math.ceil(metrics / 500) + 2 * math.ceil(services / 50) + 3


def for_many_services(state: Path, folder: Path) -> dict[str, Any]:
    """Part two."""
    alarms = build_services(state, folder)
    command = [*OMC, "--stack", str(folder / "omc.toml"), "check", "morning", "--env", "local", "--output", "json"]
    run = timed(command, surroundings(state))
    report = json.loads(run.output)
    denied = [found for found in report["findings"] if found["missing_permission"]]
    read = {found["subject"] for found in report["findings"] if found["check"] == "services-running"}
    if denied or len(read) != SERVICES:
        raise SystemExit(f"Not all of the {SERVICES} services were read: {len(read)} were, {denied[:3]}")
    firing = sum(bool(found["since"]) for found in report["findings"] if found["check"] == "alarms")
    fewest = least(SERVICES, alarms, firing)
    print(f"{SERVICES} services, {alarms} alarms: {report['requests']} calls, {fewest} at least; {run.seconds:.2f} s")
    return {
        "calls_ratio": round(report["requests"] / fewest, 3),
        "calls": report["requests"],
        "least_calls": fewest,
        "many_s": round(run.seconds, 2),
        "many_peak_mib": round(run.peak_mib, 1),
    }


def machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    kind = names[0] if names else platform.machine()
    return f"{os.cpu_count()} x {kind}, {platform.system()}, Python {platform.python_version()}"


def main() -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as name:
        stack, many = Path(name) / "stack", Path(name) / "many"
        try:
            local(stack, "up")
            figures |= against_the_runbook(stack)
        finally:
            local(stack, "reset", "--force", "--yes")
        try:
            localcloud(many, "up")
            figures |= for_many_services(many, Path(name))
        finally:
            localcloud(many, "reset", "--force")
    print(json.dumps(figures | {"machine": machine()}))


if __name__ == "__main__":
    main()
