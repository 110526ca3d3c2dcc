"""Whose record an environment's is: the first change says it, another account under the same name is told, and who
begins anew builds on nothing of before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omc.config import load
from omc.engine import planning
from omc.engine.actors import Actor
from omc.engine.journal import create
from omc.errors import NoCredentials, OtherRecord, Refused
from omc.facts.home import home_at, require_own_record, settle_record
from omc.model.homes import RecordOwner
from omc.model.plan import Plan, Risk
from omc.model.releases import ReleasedService
from omc.procedures import catalogue
from omc.store import audit, timers
from omc.store.homes import begin_anew, home_of
from omc.store.opened import Store
from omc.store.releases import record, releases_of
from support import release_facts as example
from support.fake_gateway import FakeGateway

ROOT = Path(__file__).parents[4]
HERE, OTHER = "111111111111", "222222222222"
STAGING = replace(example.environment(), name="staging", local_state=None, account=None, region="eu-central-1")
CALLER = ("sts", "get_caller_identity")


def gateway(account: str = HERE, **changes: Any) -> FakeGateway:
    return FakeGateway(
        {CALLER: {"Account": account, "Arn": f"arn:aws:iam::{account}:user/jo"}}, replace(STAGING, **changes)
    )


def released(store: Store, run: str, schema: int | None = None) -> int:
    services = {"backend": ReleasedService("backend:7", {})}
    return record(store, "staging", run, services, schema=schema, schema_floor=None, proof={}).number


def test_the_first_change_says_whose_record_it_is_and_others_are_told(store: Store) -> None:
    require_own_record(store, gateway())  # nobody's yet
    settle_record(store, gateway(), "jo")
    settle_record(store, gateway(OTHER), "jo")  # it is somebody's already
    with store.reading() as session:
        assert home_of(session, "staging") == RecordOwner(HERE, "eu-central-1")
        assert audit.verify(session).problems == []
    require_own_record(store, gateway())


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (gateway(OTHER), OTHER),
        (gateway(region="ap-southeast-2"), "ap-southeast-2"),
    ],
)
def test_another_account_or_region_of_the_name_is_refused_with_the_ways_on(
    store: Store, other: FakeGateway, named: str
) -> None:
    settle_record(store, gateway(), "jo")
    with pytest.raises(OtherRecord) as raised:
        require_own_record(store, other)
    message = raised.value.message
    assert HERE in message
    assert named in message
    assert "omc audit begin --env staging" in message
    assert "another name in omc.toml" in message
    site = planning.RunContext(load(ROOT / "omc.toml"), STAGING, store, other, other, catalogue)
    with pytest.raises(OtherRecord):
        planning.make(site, "restart", None)


def test_another_name_is_another_record(store: Store) -> None:
    settle_record(store, gateway(), "jo")
    require_own_record(store, gateway(OTHER, name="production"))


def test_a_local_cloud_that_was_reset_is_another_one(store: Store, tmp_path: Path) -> None:
    def cloud(token: str) -> FakeGateway:
        known = {
            "endpoint": "http://127.0.0.1:1",
            "region": "ap-southeast-2",
            "account": "000000000000",
            "access_key_id": "a",
            "secret_access_key": "s",
            "port_shift": 0,
            "token": token,
        }
        (tmp_path / "cloud.json").write_text(json.dumps(known))
        return FakeGateway({}, replace(STAGING, name="local", local_state=tmp_path))

    first = home_at(cloud("one"))
    settle_record(store, cloud("one"), "jo")
    require_own_record(store, cloud("one"))  # down and up again
    assert "one" not in first.cloud
    with pytest.raises(OtherRecord, match=f"the local cloud {first.cloud}"):
        require_own_record(store, cloud("two"))


def test_where_aws_cannot_say_who_this_is_nothing_is_written_and_a_known_record_stays_closed(store: Store) -> None:
    nobody = FakeGateway({CALLER: NoCredentials("There are no credentials.")}, STAGING)
    settle_record(store, nobody, "jo")
    with store.reading() as session:
        assert home_of(session, "staging") is None
    settle_record(store, gateway(), "jo")
    with pytest.raises(NoCredentials):
        require_own_record(store, nobody)


def test_who_begins_anew_builds_on_nothing_of_before(store: Store) -> None:
    settle_record(store, gateway(), "jo")
    released(store, "run-1", schema=4)
    timer = timers.set_timer(store, "staging", "scale", {}, store.now(), why="back", actor="jo")
    elsewhere = timers.set_timer(store, "production", "scale", {}, store.now(), why="back", actor="jo")
    assert begin_anew(store, "staging", RecordOwner(OTHER, "eu-central-1"), "jo") == [timer.id]
    assert releases_of(store, "staging") == ()
    with store.reading() as session:
        assert [each.id for each in timers.pending(session)] == [elsewhere.id]
    require_own_record(store, gateway(OTHER))
    assert released(store, "run-2") == 2  # a number is never used twice
    [only] = releases_of(store, "staging")
    assert only.schema is None
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_a_record_is_not_begun_anew_while_something_is_approved_or_under_way(store: Store) -> None:
    settle_record(store, gateway(), "jo")
    plan = Plan("restart", "staging", {}, "Restart", Risk.LOW, (), {})
    run = create(store, plan, Actor("jo"), STAGING.approvals)
    with pytest.raises(Refused, match=f"omc runs cancel {run.id}"):
        begin_anew(store, "staging", RecordOwner(OTHER, "eu-central-1"), "jo")
