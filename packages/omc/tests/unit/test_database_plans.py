"""What the plans of `omc database` and `omc cache` do: which steps, what they interrupt, what comes along, how each is
undone or that it can't be, and what Terraform must say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from omc.errors import NothingToDo, OmcError, Refused, WrongUse
from omc.facts.cache_group import CacheGroup, CacheMember
from omc.facts.database_options import (
    AskedParameters,
    BlueGreen,
    MasterSecret,
    OfferedClass,
    RunningVersion,
    StorageChange,
)
from omc.facts.definitions import Definitions
from omc.model.requests import (
    CacheApplyRequest,
    CacheFailoverRequest,
    CacheRebootRequest,
    CacheScaleRequest,
    CacheUpgradeRequest,
    DatabaseApplyRequest,
    DatabaseCertificateRequest,
    DatabaseClassRequest,
    DatabaseCleanupRequest,
    DatabaseParameterRequest,
    DatabaseRebootRequest,
    DatabaseRotateRequest,
    DatabaseStorageRequest,
    DatabaseUpgradeRequest,
)
from omc.procedures.database import is_allowed
from support import release_facts as example
from support.data_store_plans import ANNOUNCED, ROWS, SINGLE, TWO_ZONES, WAITING, Row, instance, plan


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.procedure}-{row.steps.split()[0]}-{n}" for n, row in enumerate(ROWS)])
def test_each_plan_says_what_it_does_interrupts_and_how_it_is_undone(row: Row) -> None:
    made = plan(row.procedure, row.request, **row.facts)
    assert " ".join(step.name for step in made.steps) == row.steps
    assert made.refusals == ()
    assert made.risk.value in ("high", "destructive")
    [said] = [note for note in made.notes if note.startswith("Expected interruption: ")]
    assert row.interruption in said
    undos = [step.undo.description for step in made.steps if step.undo]
    assert any(row.undo in each for each in (undos[:1] or made.notes)), (undos, made.notes)
    assert any(row.terraform in note for note in made.notes), made.notes
    assert not made.undo_on_failure, "an undo would interrupt once more"


CASES: tuple[tuple[str, Any, dict[str, Any], type[OmcError], str], ...] = (
    ("database-reboot", DatabaseRebootRequest(failover=True), {}, Refused, "has no standby to fail over to"),
    (
        "database-reboot",
        DatabaseRebootRequest(),
        {"backups": example.backups(instance=None)},
        Refused,
        "no DB instance",
    ),
    ("database-class", DatabaseClassRequest("db.t4g.micro"), {}, NothingToDo, "is a db.t4g.micro already"),
    ("database-class", DatabaseClassRequest("db.x"), {"offered": OfferedClass(False)}, Refused, "no class db.x for"),
    (
        "database-class",
        DatabaseClassRequest("db.x"),
        {"offered": OfferedClass(True), "backups": TWO_ZONES},
        Refused,
        "in one zone only",
    ),
    ("database-storage", DatabaseStorageRequest(20), {}, NothingToDo, "has 20 GiB already"),
    ("database-storage", DatabaseStorageRequest(10), {}, Refused, "never makes storage smaller"),
    ("database-storage", DatabaseStorageRequest(21), {}, Refused, "22 GiB or more, not 21"),
    ("database-parameter", DatabaseParameterRequest({"x": "1"}), {}, WrongUse, "has no parameter x"),
    ("database-parameter", DatabaseParameterRequest({"max_connections": "5"}), {}, WrongUse, "RDS allows 6-8388607"),
    ("database-parameter", DatabaseParameterRequest({"max_connections": "80"}), {}, NothingToDo, "has these values"),
    ("database-parameter", DatabaseParameterRequest({"rds.extensions": "y"}), {}, Refused, "RDS keeps rds.extensions"),
    (
        "database-parameter",
        DatabaseParameterRequest({"max_connections": "90"}),
        {"parameters": AskedParameters("default.postgres17")},
        Refused,
        "AWS's own parameter group",
    ),
    ("database-rotate", DatabaseRotateRequest(), {"secret": MasterSecret()}, Refused, "doesn't manage the master"),
    ("database-upgrade", DatabaseUpgradeRequest("17.6"), {}, NothingToDo, "runs 17.6 already"),
    ("database-upgrade", DatabaseUpgradeRequest("19"), {}, Refused, "It can become: 17.7, 18.1"),
    (
        "database-upgrade",
        DatabaseUpgradeRequest("19"),
        {"running": RunningVersion("17.6")},
        Refused,
        "offers no upgrade",
    ),
    (
        "database-upgrade",
        DatabaseUpgradeRequest("17.7"),
        {"blue_green": BlueGreen("x", "AVAILABLE", "18.1")},
        Refused,
        "omc database cleanup",
    ),
    (
        "database-upgrade",
        DatabaseUpgradeRequest("18.1"),
        {"blue_green": BlueGreen("x", "SWITCHOVER_COMPLETED", "18.1")},
        Refused,
        "what was before is still there",
    ),
    ("database-cleanup", DatabaseCleanupRequest(), {}, NothingToDo, "no blue/green deployment"),
    ("database-certificate", DatabaseCertificateRequest("x"), {}, WrongUse, "there are rds-ca-rsa2048-g1"),
    ("database-apply", DatabaseApplyRequest(), {}, NothingToDo, "no maintenance"),
    ("database-apply", DatabaseApplyRequest("db-upgrade"), {"pending": ANNOUNCED}, WrongUse, "announced system-update"),
    ("cache-failover", CacheFailoverRequest(), {"cache": SINGLE}, Refused, "omc cache scale --replicas 1"),
    ("cache-failover", CacheFailoverRequest(), {"cache": CacheGroup(None)}, Refused, "There is no replication group"),
    ("cache-scale", CacheScaleRequest("cache.huge"), {}, Refused, "It can become: cache.t4g.small, cache.t4g.nano"),
    ("cache-scale", CacheScaleRequest(replicas=1), {}, NothingToDo, "is so already"),
    ("cache-scale", CacheScaleRequest(), {}, WrongUse, "Say what it should become"),
    ("cache-upgrade", CacheUpgradeRequest("7.0"), {}, Refused, "never goes back"),
    ("cache-upgrade", CacheUpgradeRequest("9"), {}, Refused, "has no redis 9"),
    ("cache-reboot", CacheRebootRequest("x"), {}, WrongUse, "has no member x"),
    ("cache-apply", CacheApplyRequest("x"), {"pending": ANNOUNCED}, WrongUse, "has announced redis-1"),
)


@pytest.mark.parametrize(("procedure", "request_", "facts", "error", "message"), CASES)
def test_what_makes_no_sense_or_cant_be_is_refused(
    procedure: str, request_: Any, facts: dict[str, Any], error: type[OmcError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        plan(procedure, request_, **facts)


def test_a_copy_is_refused_where_rds_manages_the_master_password_and_in_place_is_the_way() -> None:
    refused = plan("database-upgrade", DatabaseUpgradeRequest("18.1"))
    assert "omc database upgrade 18.1 --in-place --env staging" in refused.refusals[0]
    made = plan("database-upgrade", DatabaseUpgradeRequest("18.1", in_place=True))
    assert made.refusals == ()
    assert made.steps[0].arguments["flags"] == {
        "AllowMajorVersionUpgrade": True,
        "DBParameterGroupName": "default.postgres18",
    }
    copy = BlueGreen("x", "AVAILABLE", "18.1")
    with pytest.raises(Refused, match="There is a copy of"):
        plan("database-upgrade", DatabaseUpgradeRequest("18.1", in_place=True), blue_green=copy)


def test_a_plan_is_refused_where_aws_would_take_no_change() -> None:
    busy = instance(DBInstanceStatus="modifying")
    assert (
        "is modifying, and AWS takes no change"
        in plan("database-reboot", DatabaseRebootRequest(), backups=busy).refusals[0]
    )
    optimizing = instance(DBInstanceStatus="storage-optimization")
    assert (
        "still being optimized" in plan("database-storage", DatabaseStorageRequest(30), backups=optimizing).refusals[0]
    )
    recent = StorageChange(example.NOW - timedelta(hours=5))
    assert "less than six hours ago" in plan("database-storage", DatabaseStorageRequest(30), changed=recent).refusals[0]
    off = plan("database-upgrade", DatabaseUpgradeRequest("18.1"), blue_green=BlueGreen())
    assert "rds.logical_replication=1" in off.refusals[1]


def test_what_waits_is_named_before_it_is_taken_along() -> None:
    notes = plan("database-class", DatabaseClassRequest("db.t4g.small"), pending=WAITING).notes
    assert "It waits already, and comes along since it is applied immediately: multi_az false → true." in notes
    assert "It waits already, and comes along since it is restarted: parameters of x old → new." in notes
    reboot = plan("database-reboot", DatabaseRebootRequest(), pending=WAITING)
    assert not [note for note in reboot.notes if "multi_az" in note], "a reboot brings no pending value"
    cache = plan("cache-scale", CacheScaleRequest(replicas=2), pending=WAITING)
    assert any("applied along, and may interrupt it: node_type a → b" in note for note in cache.notes)
    changed = plan("database-class", DatabaseClassRequest("db.t4g.small"))
    assert changed.hash != plan("database-class", DatabaseClassRequest("db.t4g.small"), pending=WAITING).hash


def test_a_rotation_restarts_the_services_that_were_started_with_the_password() -> None:
    reader = example.migration("a")
    definitions = Definitions({"backend": reader}, {}, {"backend": reader})
    made = plan("database-rotate", DatabaseRotateRequest(), definitions=definitions)
    assert [step.name for step in made.steps] == ["rotate", "restart-backend", "connect", "services"]
    assert made.steps[1].arguments["force_new"] is True
    assert any("backend can open no new connection" in note for note in made.notes)


def test_without_a_place_for_a_task_no_connection_is_tried_and_the_plan_says_so() -> None:
    made = plan("database-reboot", DatabaseRebootRequest(), definitions=Definitions({}, {}))
    assert [step.name for step in made.steps] == ["reboot", "services"]
    assert any("So no new connection is tried" in note for note in made.notes)


def test_storage_names_the_iops_where_rds_wants_them() -> None:
    small = plan("database-storage", DatabaseStorageRequest(30)).steps[0].arguments
    assert small["flags"] == {"MaxAllocatedStorage": 60}
    large = plan("database-storage", DatabaseStorageRequest(500))
    assert large.steps[0].arguments["flags"] == {"Iops": 12_000, "MaxAllocatedStorage": 1000}
    assert any("copies the data to more volumes" in note for note in large.notes)


@pytest.mark.parametrize(
    ("value", "allowed", "expected"),
    [
        ("5", "6-8388607", False),
        ("6", "6-8388607", True),
        ("many", "6-10", False),
        ("-1", "-1-2147483647", True),
        ("0.5", "0-1", True),
        ("{DBInstanceClassMemory/9531392}", "6-8388607", True),
        ("ddl", "none,ddl,mod,all", True),
        ("x", "none,ddl,mod,all", False),
        ("anything", "", True),
    ],
)
def test_values_are_held_against_what_rds_allows(value: str, allowed: str, expected: bool) -> None:
    assert is_allowed(value, allowed) is expected


def test_a_member_of_the_cache_is_known_by_its_name() -> None:
    assert example.cache().primary == "ohmycoins-staging-redis-001"
    assert CacheMember("a", "available", True, "7.1.0", "g").is_primary
