"""How long `omc exec -- true` takes beside the bare way of doing the same.

`make bench-exec`. A small local cloud of its own and one service of one task. In turn, so that whatever else the
machine does meets both alike: `omc exec`, as a whole process from the command to the command's exit code, with its
record; and `aws ecs execute-command` where the CLI and AWS's session-manager-plugin are on PATH, else the bare
API calls by boto3 and the tests' own client of the protocol, in a process that has loaded both. Neither bare way
knows the exit code.

The last line is one JSON object: omc_s, bare_s, bare (which of the two it was), and the machine.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.session_client import SessionClient
from support.small import SERVICE, SmallEnvironment, small_cloud

RUNS = 9


def task_of(environment: SmallEnvironment) -> str:
    ecs = environment.stack.client("ecs")
    return str(ecs.list_tasks(cluster=environment.name, serviceName=SERVICE)["taskArns"][0])


def by_calls(environment: SmallEnvironment) -> float:
    """Seconds from the first call to the end of the session."""
    began = time.monotonic()
    ecs = environment.stack.client("ecs")
    answer = ecs.execute_command(cluster=environment.name, task=task_of(environment), command="true", interactive=True)
    with SessionClient(answer["session"]).begin() as client:
        client.end()
    return time.monotonic() - began


def by_cli(environment: SmallEnvironment) -> float:
    """Seconds of the AWS CLI with AWS's plugin."""
    words = ["aws", "ecs", "execute-command", "--cluster", environment.name, "--task", task_of(environment)]
    began = time.monotonic()
    subprocess.run(
        [*words, "--command", "true", "--interactive"],
        env=os.environ | environment.stack.reach(),
        capture_output=True,
        check=True,
        timeout=120,
    )
    return time.monotonic() - began


def omc(environment: SmallEnvironment) -> float:
    """Seconds of the whole command."""
    began = time.monotonic()
    done = environment.omc("exec", "--env", environment.name, SERVICE, "--", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - began


def main() -> None:
    has_plugin = bool(shutil.which("aws") and shutil.which("session-manager-plugin"))
    name, bare = ("aws ecs execute-command", by_cli) if has_plugin else ("bare API calls", by_calls)
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as folder, small_cloud(Path(folder), 1) as [environment]:
        omc(environment)  # as much warmed up as a second command is
        ours, theirs = [], []
        for _ in range(RUNS):
            theirs.append(bare(environment))
            ours.append(omc(environment))
    print(f"{'':<26}{'median':>9}{'min':>9}{'max':>9}   runs")
    for label, runs in (("omc exec", ours), (name, theirs)):
        print(f"{label:<26}{statistics.median(runs):>8.2f}s{min(runs):>8.2f}s{max(runs):>8.2f}s   {len(runs)}")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    figures = {"omc_s": round(statistics.median(ours), 2), "bare_s": round(statistics.median(theirs), 2)}
    print(json.dumps({**figures, "bare": name, "machine": machine}))


if __name__ == "__main__":
    main()
