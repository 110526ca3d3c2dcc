"""What `omc rollback` adds to the time that ECS itself needs.

`make bench-rollback`. A small local cloud of its own, without load balancer, and one service of one task. In turn, so
that whatever else the machine does meets both alike: the bare calls (UpdateService to the other revision, then asking
until ECS says that the deployment was successful), and `omc rollback` back to the first one, as a whole process from
the command to its end: facts, plan, record, the same call, the verdict. Medians; overhead_s is their difference.

The last line is one JSON object: overhead_s, omc_s, ecs_s, and the machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.small import SERVICE, SmallEnvironment, small_cloud

RUNS = 7
POLL = 0.1
"""Seconds; what the bare way waits between two questions is no part of what ECS needs, so it is short."""


def bare(environment: SmallEnvironment, revision: str) -> float:
    """Seconds from UpdateService to the successful end of its deployment."""
    ecs = environment.stack.client("ecs")
    began = time.monotonic()
    payload = ecs.update_service(cluster=environment.name, service=SERVICE, taskDefinition=revision)["service"]
    wanted = (
        payload["currentServiceDeployment"] if "currentServiceDeployment" in payload else environment.deployments()[0]
    )
    while True:
        [found] = ecs.describe_service_deployments(serviceDeploymentArns=[wanted])["serviceDeployments"]
        if found["status"] == "SUCCESSFUL":
            return time.monotonic() - began
        assert found["status"] in ("PENDING", "IN_PROGRESS"), found["status"]
        time.sleep(POLL)


def omc(environment: SmallEnvironment, revision: str) -> float:
    """Seconds of the whole command."""
    began = time.monotonic()
    done = environment.omc("rollback", SERVICE, "--to", revision, "--env", environment.name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as folder, small_cloud(Path(folder), 1) as [environment]:
        first = environment.service["taskDefinition"].rpartition("/")[2]
        done = environment.omc(
            "deploy",
            "--image",
            f"{SERVICE}={environment.images['blue']}",
            "--watch",
            "1s",
            "--env",
            environment.name,
            "--yes",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        second = environment.service["taskDefinition"].rpartition("/")[2]
        omc(environment, first)  # as much warmed up as a second command is
        ours, theirs = [], []
        for _ in range(RUNS):
            theirs.append(bare(environment, second))
            ours.append(omc(environment, first))
    print(f"{'':<14}{'median':>9}{'min':>9}{'max':>9}   runs")
    for name, runs in (("omc rollback", ours), ("bare calls", theirs)):
        print(f"{name:<14}{statistics.median(runs):>8.2f}s{min(runs):>8.2f}s{max(runs):>8.2f}s   {len(runs)}")
    took, needed = statistics.median(ours), statistics.median(theirs)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    figures = {"overhead_s": round(took - needed, 2), "omc_s": round(took, 2), "ecs_s": round(needed, 2)}
    print(json.dumps(figures | {"machine": machine}))


if __name__ == "__main__":
    main()
