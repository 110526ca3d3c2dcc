"""The first line where nothing is wrong any more: it names what was, and when that ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.config import load
from omc.reports.headline import headline

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
NOW = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)


def was(check: str, place: str, sentence: str, seconds: int) -> Finding:
    ended = NOW - timedelta(seconds=seconds)
    return Finding(check, Level.WARN, place.rpartition("/")[2], sentence, place=place, since=ended, ended=ended)


def headline_of(*findings: Finding) -> str:
    return headline(Report("Morning check", STAGING, None, NOW, 1.0, findings, ()))


def tasks(seconds: int) -> Finding:
    return was("container-memory", "services/backend", "4 tasks failed: it needed more memory. All run again.", seconds)


def rate(seconds: int) -> Finding:
    return was("error-rate", "load-balancer", "9 of 80 answers were 5xx.", seconds)


def store(seconds: int) -> Finding:
    return was("database-locked", "database", "Sessions waited for a lock. None waits now.", seconds)


@pytest.mark.parametrize(
    ("findings", "first"),
    [
        ((tasks(70),), "until 1 min ago: backend: 4 tasks failed: it needed more memory."),
        ((tasks(10), store(600)), "until 10 s ago: backend: 4 tasks failed: it needed more memory (and 1 more)."),
        ((store(10), tasks(600)), "until 10 s ago: database: Sessions waited for a lock (and 1 more)."),
        ((rate(20), tasks(50)), "until 20 s ago: backend: 4 tasks failed: it needed more memory (and 1 more)."),
        ((rate(20), tasks(500)), "until 20 s ago: load balancer: 9 of 80 answers were 5xx (and 1 more)."),
        ((rate(300),), "until 5 min ago: load balancer: 9 of 80 answers were 5xx."),
        ((tasks(30), store(60), rate(10)), "until 10 s ago: database: Sessions waited for a lock (and 2 more)."),
    ],
)
def test_what_was_is_named_with_when_it_ended(findings: tuple[Finding, ...], first: str) -> None:
    fine = Finding("targets", Level.OK, "backend", "2 of 2 targets are healthy.", place="targets/backend")
    for order in (findings, findings[::-1]):
        assert headline_of(*order, fine) == f"OK staging: nothing is wrong now; {first}"


def test_what_is_wrong_goes_before_what_was() -> None:
    now = Finding("alarms", Level.FAIL, "x", "x is in ALARM.", place="alarms/x")
    assert headline_of(tasks(5), now).startswith("FAIL staging: x is in ALARM")
