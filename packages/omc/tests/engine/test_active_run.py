"""Of a run that is in the way: whether somebody works on it, or nobody has been heard of."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from omc.config import load
from omc.engine import journal
from omc.engine.actors import Actor
from omc.engine.heartbeats import read_active_run
from omc.facts.active_run import ANY, OwnRun
from omc.model.plan import Plan, Risk
from omc.store.models import Run
from omc.store.opened import Store
from omc.store.runs import LEASE

ALICE = Actor("local:alice")
LOCAL = load(Path(__file__).parents[4] / "omc.toml").environments["local"]


@pytest.fixture
def run(store: Store) -> str:
    made = journal.create(store, Plan("fake", "local", {}, "Set one", Risk.LOW, ()), ALICE, LOCAL.approvals)
    return made.id


def in_the_way(store: Store, own: str = "") -> str:
    return read_active_run(store, LOCAL, OwnRun(own)).conflict


def test_a_run_is_not_in_its_own_way_nor_in_that_of_another_environment(store: Store, run: str) -> None:
    assert f"{run} (Set one) by local:alice" in in_the_way(store)
    assert in_the_way(store, run) == ""
    assert in_the_way(store, ANY) == ""
    staging = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
    assert read_active_run(store, staging, OwnRun()).conflict == ""


def test_one_whose_worker_has_died_is_told_apart_from_one_that_goes_on(store: Store, run: str) -> None:
    assert f"Nobody has started it. Start it: omc runs resume {run}" in in_the_way(store)
    lease = journal.claim(store, run, "local:alice")
    assert lease is not None
    journal.begin(lease, "local:alice")
    assert "is running. Wait for it" in in_the_way(store)

    with store.transaction() as transaction:
        ago = store.now() - timedelta(seconds=40 - LEASE)
        transaction.session.execute(update(Run).where(Run.id == run).values(lease_until=ago))
    assert re.search(r"hasn't been heard of for 4\d s\. Take it over with: omc runs resume", in_the_way(store))


def test_what_has_ended_is_in_nobodys_way(store: Store, run: str) -> None:
    lease = journal.claim(store, run, "local:alice")
    assert lease is not None
    journal.end_stale(lease, "local:alice", "failed", "It was stale.")
    assert in_the_way(store) == ""
