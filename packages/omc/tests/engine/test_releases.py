"""The release ledger in a real database: written once a run, ended by the next, and part of the record."""

from __future__ import annotations

from datetime import timedelta

from omc.model.releases import ReleasedService
from omc.store import audit
from omc.store.opened import Store
from omc.store.releases import record, release_of_run, releases_of
from support import release_facts as example


def services(backend: int) -> dict[str, ReleasedService]:
    definition = example.definition("backend", backend, "a")
    return {"backend": ReleasedService(definition.name, dict(definition.images), dict(definition.body), "1a2b3c4")}


def release(store: Store, run: str, backend: int, schema: int | None = None, environment: str = "staging") -> int:
    proof = {"seconds": 120, "p95_seconds": None}
    return record(store, environment, run, services(backend), schema=schema, schema_floor=None, proof=proof).number


def test_a_release_ends_the_one_before_and_keeps_all_that_is_needed_to_go_back(store: Store) -> None:
    assert [release(store, "run-1", 7, schema=4), release(store, "run-2", 8)] == [1, 2]
    newest, before = releases_of(store, "staging")
    assert (newest.number, newest.ended, newest.schema) == (2, None, 4)
    assert before.ended == newest.verified
    assert newest.verified - before.verified >= timedelta(0)
    assert before.services["backend"].definition == example.definition("backend", 7, "a").body
    assert before.services["backend"].commit == "1a2b3c4"
    assert before.proof == {"seconds": 120, "p95_seconds": None}


def test_a_run_records_one_release_however_often_it_is_resumed(store: Store) -> None:
    assert [release(store, "run-1", 7), release(store, "run-1", 7)] == [1, 1]
    assert len(releases_of(store, "staging")) == 1
    found = release_of_run(store, "run-1")
    assert found is not None
    assert found.ended is None
    assert release_of_run(store, "run-2") is None


def test_environments_count_for_themselves(store: Store) -> None:
    release(store, "run-1", 7)
    assert release(store, "run-2", 7, environment="production") == 1
    assert releases_of(store, "staging")[0].ended is None


def test_the_ledger_is_part_of_the_record(store: Store) -> None:
    release(store, "run-1", 7)
    release(store, "run-2", 8)
    with store.reading() as session:
        assert audit.verify(session).problems == []
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE releases SET ended_at = NULL WHERE number = 1")
    with store.reading() as session:
        assert any("releases" in problem for problem in audit.verify(session).problems)
