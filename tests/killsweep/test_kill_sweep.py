"""A sample of the kill sweep; the whole is ``make kill-sweep``."""

from __future__ import annotations

from pathlib import Path

import pytest

from killsweep.sweep import PROCEDURES, STORES, Case, Result, environments_ready, sweep

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(1200)]

SCALE, RESTART, *_ = PROCEDURES
REBOOT, *_, CACHE_REBOOT = STORES
SAMPLE = (
    Case(SCALE, write=1),  # before there is a run at all
    Case(SCALE, write=9),  # between the effect and its line in the record
    Case(SCALE, call="UpdateService", fault="timeout", kill=True),
    Case(RESTART, call="UpdateService", fault="lost"),
    Case(RESTART, call="UpdateService", fault="lost", kill=True),
)
OF_STORES = (
    Case(REBOOT, call="RebootDBInstance", fault="lost", kill=True),
    Case(CACHE_REBOOT, call="RebootCacheCluster", fault="lost"),
)
"""Calls without a token, of which nobody was told that they were obeyed."""


def test_killed_and_cut_off_a_run_ends_clearly_and_nothing_is_done_twice(tmp_path: Path) -> None:
    result = Result()
    with environments_ready(tmp_path, 2, result, stores=True) as sweepers:
        sweep(sweepers, SAMPLE)
        sweep(sweepers[:1], OF_STORES)
        audits = [sweeper.environment.omc("audit", "verify", "--env", sweeper.environment.name) for sweeper in sweepers]
    assert (result.cases, result.lost, result.doubled) == (len(SAMPLE) + len(OF_STORES), [], [])
    assert [audit.returncode for audit in audits] == [0, 0], audits
    assert result.verdicts["nothing begun"] == 1
