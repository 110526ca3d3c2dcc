"""The demo: the stack comes up, passes its morning check, is really broken twice, and the check says what and why.

It runs in a local cloud of its own and removes it afterwards. What it breaks, it breaks at the cause: processes are
killed, and an image that can't start is pushed and deployed. The check is the same command that a person types.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc.local import cloud, lifecycle, load_report, traffic
from omc.output.text import shell_word

if TYPE_CHECKING:
    from omc.local.lifecycle import LocalStack, Record
    from omc.progress import Progress

BROKEN_LINE = "\nimport exchange_rates  # a module that nobody added to the requirements\n"
CHECK_TIMEOUT = 300.0
"""Seconds until the check of a fresh stack is all ok: alarms need their datapoints, metrics must flow."""

BREAK_TIMEOUT = 300.0
"""Seconds until a break shows: three failed starts of the broken image, and ECS's circuit breaker."""


class DemoError(cloud.LocalCloudError):
    """The demo did not see what it promises to show."""


@dataclass(frozen=True, slots=True)
class Check:
    """One run of the morning check: its exit code and what it printed."""

    code: int
    printed: str


def run(site: LocalStack, progress: Progress, show: Callable[[str], None], *, keep: bool = False) -> None:
    """The whole story. ``show`` gets what the audience reads; ``keep`` leaves the cloud running at the end."""
    lifecycle.require_space(site.state)
    lifecycle.require_sources(site)
    cloud.require_installed(applications=True)
    if site.state.exists():
        progress.note("An earlier demo was cut off; its cloud is removed first.")
        _remove(site)
    try:
        _play(site, progress, show)
    finally:
        if keep:
            progress.note(f"The demo's cloud still runs: omc local status --state {shell_word(_short(site.state))}")
        else:
            with progress.step("Cleaning up"):
                _remove(site)
    show(_what_next(keep, site))


def _play(site: LocalStack, progress: Progress, show: Callable[[str], None]) -> None:
    show("== The stack comes up: the same Terraform that AWS gets, on this machine")
    record = lifecycle.up(site, progress)
    url = lifecycle.url(site)
    with progress.step("Sending some traffic"):
        met = load_report.report(traffic.send(traffic.Plan(url, rate=20, duration=15))).total
    show(f"{met.good} of {met.requests} requests to {url} were answered well, in {1000 * met.p50:.0f} ms (median).")

    show("\n== The morning check, on a healthy stack")
    with progress.step("Waiting until every reading is in"):
        check = _check_until(site, lambda check: check.code == 0, CHECK_TIMEOUT, progress)
    _show_check(show, check, expected=0)

    show("\n== Somebody kills every backend process")
    check = _killed(site, progress, show)
    _show_check(show, check, expected=1)
    with progress.step("ECS starts new tasks"):
        lifecycle.settle(site.environment, progress)

    show("\n== Somebody deploys an image that can't start")
    client = _client(cloud.local_endpoint(site.state), "ecs")
    reference = _push_broken(site)
    revision = _deploy(client, site.environment.cluster, record, reference)
    show(f"update-service --service backend --task-definition {revision}")
    with progress.step("Waiting for ECS's circuit breaker"):
        _wait_for_rollback(client, site.environment.cluster, revision, progress)
    # ECS has taken it back by itself: what is over holds the exit code only by --strict.
    check = _check_until(site, lambda check: "exchange_rates" in check.printed, BREAK_TIMEOUT, progress, "--strict")
    _show_check(show, check, "--strict", expected=1)


def _check(site: LocalStack, *options: str) -> Check:
    env = dict(os.environ, OMC_LOCAL_STATE=str(site.state))
    done = subprocess.run(
        [sys.executable, "-m", "omc", "check", "morning", "--env", "local", *options],
        cwd=site.project, env=env, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return Check(done.returncode, done.stdout + done.stderr)


def _check_until(
    site: LocalStack, good: Callable[[Check], bool], timeout: float, progress: Progress, *options: str
) -> Check:
    """Run the check until it says what is waited for; the last one, whatever it says, when the time is up."""
    deadline = time.monotonic() + timeout
    while True:
        check = _check(site, *options)
        if good(check) or time.monotonic() > deadline:
            return check
        unsettled = [line.strip() for line in check.printed.splitlines() if line.startswith(("FAIL", "UNKNOWN"))]
        progress.waiting(unsettled[0] if unsettled else "the check's next run")
        time.sleep(0.5)


def _show_check(show: Callable[[str], None], check: Check, *options: str, expected: int) -> None:
    show(f"$ {' '.join(('omc check morning --env local', *options))}\n{check.printed.rstrip()}\nexit code {check.code}")
    if check.code != expected:
        raise DemoError(f"The morning check ended with {check.code} where the demo expects {expected}; see above.")


def _killed(site: LocalStack, progress: Progress, show: Callable[[str], None]) -> Check:
    """The check while nobody serves. ECS has new tasks within seconds: where the check comes too late, those are killed
    too."""

    def kill() -> None:
        if ended := _kill_tasks(site, "backend"):
            show(f"kill -9 {' '.join(str(pid) for pid in ended)}")

    def fails(check: Check) -> bool:
        if check.code == 1 and "137" in check.printed:
            return True
        kill()
        return False

    kill()
    with progress.step("Waiting until ECS has noticed"):
        return _check_until(site, fails, BREAK_TIMEOUT, progress)


def _kill_tasks(site: LocalStack, service: str) -> list[int]:
    """Kill the processes of a service's tasks, as the cloud lists them; those that were there to be killed."""
    parts = cloud.status(site.state).get("parts", {})  # none where it is too busy to answer: then the next look does
    tasks = parts.get("ecs", {}).get("tasks", [])
    ended = []
    for pid in [int(pid) for task in tasks if task["service"] == service for pid in task["pids"]]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            ended.append(pid)
    return ended


def _push_broken(site: LocalStack) -> str:
    with tempfile.TemporaryDirectory(prefix="omc-demo-") as folder:
        source = Path(folder) / "backend"
        shutil.copytree(site.project / "apps/backend", source)
        module = source / "backend/__init__.py"
        module.write_text(module.read_text() + BROKEN_LINE)
        return lifecycle.push_image(site, source, "ohmycoins/backend")


def _deploy(client: Any, cluster: str, record: Record, reference: str) -> str:
    """Register a revision that differs from the running one in its image only, and give it to the service."""
    service = client.describe_services(cluster=cluster, services=["backend"])["services"][0]
    running = client.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    accepted = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    wanted = {name: value for name, value in running.items() if name in accepted}
    for container in wanted["containerDefinitions"]:
        if container["image"] == record.images["backend"]:
            container["image"] = reference
    registered = client.register_task_definition(**wanted)["taskDefinition"]
    client.update_service(cluster=cluster, service="backend", taskDefinition=registered["taskDefinitionArn"])
    return f"{registered['family']}:{registered['revision']}"


def _wait_for_rollback(client: Any, cluster: str, revision: str, progress: Progress) -> None:
    deadline = time.monotonic() + BREAK_TIMEOUT
    while time.monotonic() < deadline:
        service = client.describe_services(cluster=cluster, services=["backend"])["services"][0]
        ours = [d for d in service["deployments"] if d["taskDefinition"].endswith(revision)]
        if not ours or ours[0]["rolloutState"] == "FAILED":
            return
        progress.waiting(f"{ours[0]['failedTasks']} tasks of {revision} failed to start")
        time.sleep(1)
    raise DemoError(f"ECS did not give up on {revision} within {BREAK_TIMEOUT:.0f} s.")


def _client(reach: cloud.LocalEndpoint, service: str) -> Any:
    import boto3

    session = boto3.Session(
        aws_access_key_id=reach.access_key, aws_secret_access_key=reach.secret_key, region_name=reach.region
    )
    return session.client(service, endpoint_url=reach.endpoint)  # type: ignore[call-overload]


def _remove(site: LocalStack) -> None:
    lifecycle.reset(site)
    shutil.rmtree(site.state, ignore_errors=True)


def _short(path: Path) -> str:
    return os.path.relpath(path)


def _what_next(keep: bool, site: LocalStack) -> str:
    state = f" --state {shell_word(_short(site.state))}" if keep else ""
    start = "" if keep else "  omc local up                             a cloud that stays\n"
    return (
        "\nTry next (in the virtual environment: . .venv/bin/activate):\n"
        f"{start}"
        "  omc check morning --env local --explain  the aws commands behind the check\n"
        f'  eval "$(omc local env{state})"                 point aws and boto3 at it\n'
        "  omc stack show --env local               what omc.toml says, resolved\n"
        "  omc local down                           stop it; the state stays"
    )
