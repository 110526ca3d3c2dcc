"""Deploy, rollback and morning check with an AWS that is only as good as it promises.

CloudWatch is late with its metrics, or has none: a release that nobody could watch is told as such, and nothing that
isn't known is shown as well. Reads lag behind writes: that is taken for no failure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcloud.faults.metrics import NAMESPACES
from support import variants
from support.commands import ROOT
from support.stack import CLUSTER, Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]

SERVED = ("alb", "ecs", "container_insights")
"""What tells of a release. An alarm on the database's silence would rightly end it."""
LATE = (
    "late-metrics",
    *(word for source in NAMESPACES for word in ("--set", f"{source}={900 if source in SERVED else 0}")),
)
MISSING = ("missing-metrics", "--set", f"source={','.join(SERVED)}")


def running(stack: Stack) -> str:
    service = stack.client("ecs").describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    return str(service["taskDefinition"]).rpartition("/")[2]


def freshness(stack: Stack, file: Path) -> dict[str, str]:
    """What the morning check says of each subject's metrics."""
    done = stack.omc("--stack", str(file), "check", "morning", "--env", "local", "--output", "json")
    return {each["subject"]: each["level"] for each in done.json["findings"] if each["check"] == "metrics-fresh"}


@pytest.fixture
def impatient(tmp_path: Path) -> Path:
    """The stack's file, with metrics that are old after a minute."""
    text = (ROOT / "omc.toml").read_text()
    assert "metrics_age_seconds = 600" in text
    file = tmp_path / "omc.toml"
    file.write_text(text.replace("metrics_age_seconds = 600", "metrics_age_seconds = 60"))
    return file


@pytest.mark.parametrize("fault", [LATE, MISSING], ids=["late", "missing"])
def test_nobody_watched_the_release_and_nobody_says_so(healthy: Stack, impatient: Path, fault: tuple[str, ...]) -> None:
    before, image = running(healthy), variants.push(healthy, "good")
    started = healthy.omc("local", "fault", "start", *fault)
    assert started.returncode == 0, started.stderr
    try:
        # Of what was measured before, nothing is fresh any more.
        eventually(
            "the morning check knows that the metrics are old",
            lambda: freshness(healthy, impatient) == {"backend": "unknown", "frontend": "unknown"},
            within=180,
        )
        words = ("--env", "local", "--yes", "--output", "json", "--override", "a rehearsal")
        # Longer than omc looks back for figures in a local cloud: none of those from before the fault is among them.
        deployed = healthy.omc("deploy", "--image", f"backend={image}", "--watch", "40s", *words, timeout=900)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert running(healthy) != before
        watch = _step(deployed.json, "watch")
        assert watch["evidence"]["watched"] is False
        assert "Unwatched: no alarm fired and no task failed" in deployed.stderr
        assert "runs, unwatched" in deployed.stderr
        listed = healthy.omc("deployments", "--env", "local", "--output", "json").json["deployments"]
        assert listed[0]["state"] == "serving"
        assert listed[0]["proof"].startswith("unwatched")

        back = healthy.omc("rollback", "--env", "local", "--yes", "--output", "json", timeout=900)
        assert back.returncode == 0, back.stdout + back.stderr
        assert running(healthy) == before
        assert set(freshness(healthy, impatient).values()) == {"unknown"}
    finally:
        stopped = healthy.omc("local", "fault", "stop", fault[0])
        assert stopped.returncode == 0, stopped.stderr
    eventually("the metrics are fresh", lambda: freshness(healthy, impatient) == {"CloudWatch": "ok"}, within=180)


def test_reads_that_lag_behind_and_documented_rates_cost_no_release(healthy: Stack) -> None:
    """What was just made isn't found yet, what was just changed looks as before: no failure is seen in it."""
    before, image = running(healthy), variants.push(healthy, "good")
    faults = ("stale-reads", "--set", "seconds=5"), ("rate-limits",)
    for fault in faults:
        started = healthy.omc("local", "fault", "start", *fault)
        assert started.returncode == 0, started.stderr
    try:
        words = ("--env", "local", "--yes", "--output", "json", "--override", "a rehearsal")
        deployed = healthy.omc("deploy", "--image", f"backend={image}", "--watch", "2s", *words, timeout=900)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        back = healthy.omc("rollback", "--env", "local", "--yes", "--output", "json", timeout=900)
        assert back.returncode == 0, back.stdout + back.stderr
    finally:
        for fault in faults:
            assert healthy.omc("local", "fault", "stop", fault[0]).returncode == 0
    assert running(healthy) == before


def _step(shown: Any, name: str) -> dict[str, Any]:
    steps = [each for each in shown["run"]["steps"] if each["name"] == name and each["phase"] == "perform"]
    assert len(steps) == 1, [each["name"] for each in shown["run"]["steps"]]
    return dict(steps[0])
