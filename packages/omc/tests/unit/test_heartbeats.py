"""What is said of a run that is under way: that it goes on only if its runner was heard of in the last seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omc.engine import processes
from omc.engine.heartbeats import conflict_message, status_of
from omc.store.models import Run
from omc.store.runs import LEASE

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ELSEWHERE = "mars:4711:99:somewhere"
US = processes.this_process()
DEAD_HERE = ":".join([*US.split(":")[:1], "1", "1", *US.split(":")[3:]])
"""Process 1 did not start in the first tick after the boot."""
HOLDERS = {"us": US, "dead": DEAD_HERE, "elsewhere": ELSEWHERE, None: None}


def run(state: str, holder: str | None, silent: float | None) -> Run:
    lease = None if silent is None else NOW + timedelta(seconds=LEASE - silent)
    return Run(
        id="0vqk3m7x", environment="staging", title="Deploy", actor="ann", state=state, holder=holder,
        lease_until=lease, created_at=NOW, started_at=NOW, verdict="failed" if state == "ended" else None,
    )  # fmt: skip


RESUME = "omc runs resume 0vqk3m7x --env staging"


@pytest.mark.parametrize(
    ("state", "holder", "silent", "shown", "expected"),
    [
        ("running", "us", 0, "running", ""),
        ("running", "us", 2, "running", ""),
        ("running", "elsewhere", 5.9, "running", ""),
        ("undoing", "elsewhere", 1, "undoing", ""),
        ("running", "elsewhere", 6, "silent", f"hasn't been heard of for 6 s. Take it over with: {RESUME}"),
        (
            "running",
            "elsewhere",
            40,
            "silent",
            "Process 4711 on mars, which performed it, hasn't been heard of for 40 s.",
        ),
        ("running", "elsewhere", 7200, "silent", "hasn't been heard of for 2 h."),
        ("undoing", "elsewhere", 40, "silent", f"Take it over with: {RESUME}"),
        ("ready", "elsewhere", 40, "silent", f"Take it over with: {RESUME}"),
        ("running", "dead", 1, "dead", f"has ended without it. Take it over with: {RESUME}"),
        ("running", None, None, "left", f"No process is performing it: its own gave it up. Continue it: {RESUME}"),
        ("ready", None, None, "ready", f"Nobody has started it. Start it: {RESUME}"),
        ("awaiting approval", None, None, "awaiting approval", ""),
        ("ended", None, None, "failed", ""),
        ("ended", "elsewhere", 40, "failed", ""),
    ],
)
def test_running_is_what_was_heard_of(state: str, holder: str | None, silent: float, shown: str, expected: str) -> None:
    found = run(state, HOLDERS[holder], silent)
    status = status_of(found, NOW)
    assert status.state == shown
    assert (expected in status.sentence) if expected else status.is_active
    if state in ("running", "undoing", "ready"):
        why = conflict_message(found, NOW)
        assert f"{found.environment} is being changed already: 0vqk3m7x (Deploy) by ann since" in why
        assert "omc runs cancel 0vqk3m7x" in why
        assert (status.sentence in why) if expected else (f"is {state}. Wait for it" in why)
