"""A maintenance on a real stack in which nothing has failed: the morning check of its end must find all well."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import ROOT, CommandResult
from support.stack import CLUSTER, Stack

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

MAINTENANCE = """
title = "New tasks of the frontend"
watch_minutes = 0.2
silence = [["service=frontend"]]
[[step]]
procedure = "restart"
request = { services = ["frontend"] }
"""


def test_a_maintenance_restarts_a_service_and_watches_it_by_the_figures_of_this_cloud(
    healthy: Stack, tmp_path: Path
) -> None:
    """Told, signed where this machine has nobody to send or to back up, performed, measured, watched, finished."""
    stack_file, file = tmp_path / "omc.toml", tmp_path / "maintenance.toml"
    # Nobody asks this stack for anything, and no traffic is missed.
    text = (ROOT / "omc.toml").read_text().replace("requests_floor = 20", "requests_floor = 0")
    stack_file.write_text(f"{text}\n[maintenance]\nmeasure_seconds = 100\n")
    file.write_text(MAINTENANCE)
    old = set(healthy.client("ecs").list_tasks(cluster=CLUSTER, serviceName="frontend")["taskArns"])

    def maintenance(*arguments: str) -> CommandResult:
        return healthy.omc("maintenance", *arguments, "--env", "local", env={"OMC_STACK": str(stack_file)})

    planned = maintenance("plan", str(file), "--yes")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "Interruption: none: tasks are replaced one after another." in planned.stdout
    for item in ("team", "backup"):
        assert maintenance("sign", "1", item, "--evidence", "a rehearsal").returncode == 0
    started = maintenance("start", "1", "--no-wait")
    assert started.returncode == 6, started.stdout + started.stderr
    finished = maintenance("finish", "1", "--runbook-is-right", "--output", "json")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    shown = finished.json
    assert (shown["verdict"], shown["silences"]) == ("succeeded", [])
    assert shown["baseline"]["desired"] == {"backend": 2, "frontend": 2}
    assert not old & set(healthy.client("ecs").list_tasks(cluster=CLUSTER, serviceName="frontend")["taskArns"])
    assert [each["what"] for each in shown["timeline"]][-1] == "succeeded. Every step is done, and it was watched."
    assert {each["item"]: each["state"] for each in shown["checklist"]}["healthy"] == "done"
