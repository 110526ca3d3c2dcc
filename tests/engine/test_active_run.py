"""Of a run that is in the way: whether somebody works on it, or nobody has been heard of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from omc.engine import journal
from omc.engine.actors import Actor
from omc.facts.active_run import ANY, OwnRun, RunUnderWay, read_active_run
from omc.procedures.plan import Plan, Risk
from omc.stack import load
from omc.store.database import Store
from omc.store.models import Run
from omc.store.runs import LEASE

ALICE = Actor("local:alice")
LOCAL = load(Path(__file__).parents[2] / "omc.toml").environments["local"]


@pytest.fixture
def run(store: Store) -> str:
    made = journal.create(store, Plan("fake", "local", {}, "Set one", Risk.LOW, ()), ALICE, LOCAL.approvals)
    return made.id


def active(store: Store, own: str = "") -> RunUnderWay | None:
    return read_active_run(store, LOCAL, OwnRun(own)).run


def test_what_nobody_has_begun_waits(store: Store, run: str) -> None:
    found = active(store)
    assert found is not None
    assert (found.id, found.title, found.actor, found.state) == (run, "Set one", "local:alice", "ready")
    assert found.waits
    assert found.not_heard_of is None


def test_a_run_is_not_in_its_own_way_nor_in_that_of_another_environment(store: Store, run: str) -> None:
    assert active(store, run) is None
    assert active(store, ANY) is None
    staging = load(Path(__file__).parents[2] / "omc.toml").environments["staging"]
    assert read_active_run(store, staging, OwnRun()).run is None


def test_whose_lease_holds_is_at_work_and_whose_has_run_out_was_heard_of_before(store: Store, run: str) -> None:
    lease = journal.claim(store, run, "local:alice")
    assert lease is not None
    journal.begin(lease, "local:alice")
    found = active(store)
    assert found is not None
    assert (found.state, found.not_heard_of) == ("running", None)

    with store.transaction() as transaction:
        ago = store.now() - timedelta(seconds=40 - LEASE)
        transaction.session.execute(update(Run).where(Run.id == run).values(lease_until=ago))
    found = active(store)
    assert found is not None
    assert found.not_heard_of is not None
    assert timedelta(seconds=39) < found.not_heard_of < timedelta(seconds=100)


def test_what_has_ended_is_in_nobodys_way(store: Store, run: str) -> None:
    lease = journal.claim(store, run, "local:alice")
    assert lease is not None
    journal.end_stale(lease, "local:alice", "failed", "It was stale.")
    assert active(store) is None
