"""What AWS puts off: told in a plan, read of AWS, judged by the morning check; each with its time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.maintenance import pending_changes
from omc.config.windows import MaintenanceWindow
from omc.errors import AwsRefused, NotFound
from omc.facts.pending import Maintenance, Pending, PendingChange, Waits, read_pending
from omc.facts.scope import Scope
from omc.facts.terraform_json import Change, Difference, changes
from omc.facts.trail import Author
from omc.output import line
from omc.procedures.postponed import AT_ONCE, WINDOW, postponed, waits
from support import release_facts as example
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)  # a Monday; Tuesday in Sydney
STAGING = example.environment()
NOTHING = Pending(())
DATABASE, CACHE = "aws_db_instance", "aws_elasticache_replication_group"
SATURDAY = "Sun 29 Nov 03:00:00 AEDT (Sat 16:00 UTC)"


def change(kind: str, old: dict[str, Any], new: dict[str, Any], *, at_once: bool = False) -> Change:
    shared = {"apply_immediately": at_once, "maintenance_window": "sat:16:00-sat:18:00"}
    shared |= {"identifier" if kind == DATABASE else "replication_group_id": "shop"}
    record = {"actions": ["update"], "before": shared | old, "after": shared | new}
    [found] = changes([{"address": f"{kind}.this", "mode": "managed", "type": kind, "change": record}])
    return found


def notes(*some: Change, pending: Pending = NOTHING) -> list[str]:
    return list(postponed(some, pending, STAGING, NOW))


@pytest.mark.parametrize(
    ("kind", "attribute", "old", "new", "at_once", "when"),
    [
        # RDS User Guide, "Settings for DB instances"
        (DATABASE, "instance_class", "db.t4g.micro", "db.t4g.small", False, "window"),
        (DATABASE, "instance_class", "db.t4g.micro", "db.t4g.small", True, "at once"),
        (DATABASE, "allocated_storage", 20, 40, False, "window"),
        (DATABASE, "storage_type", "gp2", "gp3", False, "window"),
        (DATABASE, "iops", 3000, 6000, False, "window"),
        (DATABASE, "multi_az", False, True, False, "window"),
        (DATABASE, "engine_version", "17.4", "17.6", False, "window"),
        (DATABASE, "ca_cert_identifier", "rds-ca-2019", "rds-ca-rsa2048-g1", False, "window"),
        (DATABASE, "db_subnet_group_name", "a", "b", False, "window"),
        (DATABASE, "identifier", "shop", "store", False, "window"),
        (DATABASE, "iam_database_authentication_enabled", False, True, False, "window"),
        (DATABASE, "backup_retention_period", 0, 7, False, "window"),
        (DATABASE, "backup_retention_period", 7, 0, False, "window"),
        (DATABASE, "backup_retention_period", 3, 7, False, "at once"),
        (DATABASE, "backup_retention_period", 0, 7, True, "at once"),
        (DATABASE, "backup_window", "12:00-13:00", "13:00-14:00", False, "at once"),
        (DATABASE, "maintenance_window", "sat:16:00-sat:18:00", "sun:16:00-sun:18:00", False, "at once"),
        (DATABASE, "deletion_protection", True, False, False, "at once"),
        (DATABASE, "publicly_accessible", False, True, False, "at once"),
        (DATABASE, "port", 5432, 5433, False, "at once"),
        (DATABASE, "max_allocated_storage", 40, 80, False, "at once"),
        (DATABASE, "performance_insights_enabled", False, True, False, "at once"),
        (DATABASE, "vpc_security_group_ids", ["sg-1"], ["sg-1", "sg-2"], False, "at once"),
        (DATABASE, "enabled_cloudwatch_logs_exports", [], ["postgresql"], False, "at once"),
        (DATABASE, "parameter_group_name", "a", "b", False, "reboot"),
        (DATABASE, "parameter_group_name", "a", "b", True, "reboot"),
        (DATABASE, "something_new", 1, 2, False, "not known"),
        (DATABASE, "tags", {"a": "b"}, {"a": "c"}, False, ""),
        (DATABASE, "skip_final_snapshot", True, False, False, ""),
        (CACHE, "node_type", "cache.t4g.micro", "cache.t4g.small", False, "window"),
        (CACHE, "node_type", "cache.t4g.micro", "cache.t4g.small", True, "at once"),
        (CACHE, "engine_version", "7.0", "7.1", False, "window"),
        (CACHE, "automatic_failover_enabled", False, True, False, "window"),
        (CACHE, "snapshot_retention_limit", 1, 5, False, "at once"),
        (CACHE, "num_cache_clusters", 1, 2, False, "at once"),
        (CACHE, "security_group_ids", ["sg-1"], ["sg-2"], False, "at once"),
        (CACHE, "something_new", 1, 2, False, "not known"),
        ("aws_lb", "idle_timeout", 60, 90, False, ""),
    ],
)
def test_when_a_value_comes(kind: str, attribute: str, old: Any, new: Any, at_once: bool, when: str) -> None:
    made = change(kind, {attribute: old}, {attribute: new}, at_once=at_once)
    assert {waits(made, one) for one in made.differences} == {when}
    message = " ".join(notes(made))
    assert ("AWS does this in the" in message) is (when == "window")
    assert ("only after a reboot" in message) is (when == "reboot")
    assert ("not known to omc" in message) is (when == "not known")
    if when == "window":
        assert f"on {SATURDAY}" in message


@pytest.mark.parametrize("kind", WINDOW)
def test_no_value_stands_in_two_tables(kind: str) -> None:
    assert not WINDOW[kind] & AT_ONCE[kind]


def test_a_plan_says_which_waits_and_which_does_not() -> None:
    old = {"instance_class": "db.t4g.micro", "deletion_protection": True, "backup_window": "12:00-13:00"}
    new = {"instance_class": "db.t4g.small", "deletion_protection": False, "backup_window": "13:00-14:00"}
    assert notes(change(DATABASE, old, new)) == [
        "aws_db_instance.this: AWS does this in the maintenance window (sat:16:00-sat:18:00 UTC), on "
        f"{SATURDAY}, "
        "since apply_immediately is false: instance_class db.t4g.micro → db.t4g.small. It is interrupted while this is "
        "done: instance_class. Until then a plan shows it again.",
        "aws_db_instance.this: AWS does this immediately in any case: backup_window, deletion_protection.",
    ]


def test_a_window_that_is_changed_by_the_same_plan_is_the_one_that_counts() -> None:
    old = {"instance_class": "a", "maintenance_window": "mon:10:00-mon:11:00"}
    [first, _] = notes(change(DATABASE, old, {"instance_class": "b", "maintenance_window": "wed:10:00-wed:11:00"}))
    assert "Wed 25 Nov 21:00:00 AEDT (10:00 UTC)" in first


def test_what_waits_already_comes_with_whatever_is_applied_immediately() -> None:
    waiting = pending_change("allocated_storage", "20", "40")
    made = change(DATABASE, {"instance_class": "a"}, {"instance_class": "b"}, at_once=True)
    assert (
        "it also brings forward what waits for the window: allocated_storage 20 → 40."
        in notes(made, pending=Pending((waiting,)))[-1]
    )


@pytest.mark.parametrize(
    ("method", "when"), [("pending-reboot", "reboot"), ("immediate", "at once"), (None, "not known")]
)
def test_a_parameter_waits_as_its_method_says(method: str | None, when: str) -> None:
    old, new = ([{"name": "max_connections", "value": value, "apply_method": method}] for value in ("100", "200"))
    made = change("aws_db_parameter_group", {"parameter": old}, {"parameter": new})
    assert {waits(made, one) for one in made.differences} == {when}


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "begin", "hours"),
    [
        ("sat:16:00-sat:18:00", datetime(2026, 11, 28, 16, tzinfo=UTC), 2),
        ("SAT:16:00-SAT:18:00", datetime(2026, 11, 28, 16, tzinfo=UTC), 2),
        ("mon:20:00-mon:22:00", datetime(2026, 11, 23, 20, tzinfo=UTC), 2),
        ("mon:20:00-mon:21:00", datetime(2026, 11, 30, 20, tzinfo=UTC), 1),
        ("sun:23:30-mon:00:30", datetime(2026, 11, 29, 23, 30, tzinfo=UTC), 1),
        ("mon:21:00-tue:21:00", datetime(2026, 11, 23, 21, tzinfo=UTC), 24),
    ],
)
def test_the_next_time_of_a_window_of_aws(text: str, begin: datetime, hours: int) -> None:
    window = MaintenanceWindow.from_aws(text)
    assert window is not None
    assert window.next_after(NOW) == (begin, begin + timedelta(hours=hours))
    assert MaintenanceWindow.from_aws(window.aws) == window


@pytest.mark.parametrize(
    "text", ["", "?", "sat:16:00", "sam:16:00-sat:18:00", "sat:24:00-sat:25:00", "sat:16:60-sat:18:00"]
)
def test_what_is_no_window(text: str) -> None:
    assert MaintenanceWindow.from_aws(text) is None


# -- the morning check -----------------------------------------------------------------------------------------------


def pending_change(path: str, old: str, new: str, wait: Waits = Waits.WINDOW, **more: Any) -> PendingChange:
    window = more.pop("window", "sat:16:00-sat:18:00")
    return PendingChange("the database shop", "shop", Difference(path, old, new), wait, window, **more)


def judged(*some: PendingChange, maintenance: tuple[Maintenance, ...] = ()) -> list[Finding]:
    return list(pending_changes(Pending(some, maintenance), STAGING, Scope(NOW)))


def test_a_class_that_changes_on_sunday_is_a_warning_with_who() -> None:
    by = Author("jo@example.com (role deployer)", NOW - timedelta(days=1))
    [found] = judged(pending_change("instance_class", "db.t4g.micro", "db.t4g.small", author=by))
    assert (found.level, found.subject) == (Level.WARN, "database shop")
    assert found.sentence == (
        f"instance_class changes from db.t4g.micro to db.t4g.small on {SATURDAY}; asked by jo@example.com (role "
        "deployer), Mon 23 Nov 08:15:00 AEDT (Sun 21:15 UTC)."
    )
    assert found.procedure


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (
            pending_change("a", "1", "2", window="mon:20:00-mon:22:00"),
            "in the window that is open until Tue 24 Nov 09:00",
        ),
        (pending_change("a", "1", "2", window=""), "whose time AWS doesn't give"),
        (pending_change("a", "1", "2"), "who is unknown"),
        (
            pending_change("parameters of g", "x", "y", Waits.REBOOT),
            "wait for a reboot, which doesn't come with a maintenance window",
        ),
        (pending_change("password", "x", "y", Waits.UNDER_WAY), "AWS is doing it now"),
    ],
)
def test_each_kind_of_waiting_is_a_warning(one: PendingChange, says: str) -> None:
    [found] = judged(one)
    assert found.level is Level.WARN
    assert says in found.sentence


SOON, AGO = NOW + timedelta(days=3), NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("dates", "level", "says"),
    [
        ({}, Level.OK, "AWS names no date for it"),
        ({"applied": SOON}, Level.WARN, "is done in the window after Fri 27 Nov"),
        ({"forced": SOON}, Level.WARN, "is forced on Fri 27 Nov"),
        ({"wanted": SOON}, Level.WARN, "is recommended by AWS until Fri 27 Nov"),
        ({"wanted": SOON, "is_minor": True}, Level.OK, "is recommended by AWS until Fri 27 Nov"),
        (
            {"wanted": AGO, "is_minor": True},
            Level.WARN,
            "was recommended by AWS until Sat 21 Nov .* 3 d ago, and is not",
        ),
        ({"applied": AGO}, Level.WARN, "was due Sat 21 Nov .* and is not done"),
        ({"forced": AGO, "applied": AGO}, Level.WARN, "was to be forced on"),
    ],
)
def test_maintenance_of_aws_is_reported_with_its_date(dates: dict[str, Any], level: Level, says: str) -> None:
    import re

    [found] = judged(
        maintenance=(Maintenance("the database shop", "system-update (New OS)", "sat:16:00-sat:18:00", **dates),)
    )
    assert found.level is level
    assert re.search(says, found.sentence), found.sentence
    assert "system-update (New OS)" in found.sentence


def test_nothing_pending_is_ok() -> None:
    [found] = judged()
    assert found.level is Level.OK


# -- what is read ----------------------------------------------------------------------------------------------------

ARN = "arn:aws:rds:ap-southeast-2:1:db:ohmycoins-staging"


def database(pending: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": "ohmycoins-staging",
        "DBInstanceArn": ARN,
        "DBInstanceStatus": "available",
        "DBInstanceClass": "db.t4g.micro",
        "MultiAZ": False,
        "EngineVersion": "17.4",
        "AllocatedStorage": 20,
        "PreferredMaintenanceWindow": "sat:16:00-sat:18:00",
        "DBParameterGroups": [{"DBParameterGroupName": "g", "ParameterApplyStatus": "in-sync"}],
        "PendingModifiedValues": pending,
    } | more


def event(name: str, parameters: dict[str, Any], at: str = "2026-11-22T21:15:00Z", **more: Any) -> dict[str, Any]:
    arn = "arn:aws:sts::1:assumed-role/deployer/jo"
    record = {"eventName": name, "eventTime": at, "userIdentity": {"type": "AssumedRole", "arn": arn}}
    return {"CloudTrailEvent": json.dumps(record | {"requestParameters": parameters} | more)}


def aws(record: dict[str, Any], events: Any = (), **more: Any) -> FakeGateway:
    answers: dict[tuple[str, str], Any] = {
        ("rds", "describe_db_instances"): {"DBInstances": [record]},
        ("rds", "describe_pending_maintenance_actions"): {"PendingMaintenanceActions": []},
        ("elasticache", "describe_replication_groups"): NotFound("no such group", "ReplicationGroupNotFoundFault"),
        ("cloudtrail", "lookup_events"): events if isinstance(events, Exception) else {"Events": list(events)},
    }
    return FakeGateway(answers | more.pop("answers", {}))


@pytest.mark.parametrize(
    ("waiting", "line", "wait"),
    [
        ({"DBInstanceClass": "db.t4g.small"}, "instance_class db.t4g.micro db.t4g.small", Waits.WINDOW),
        ({"MultiAZ": True}, "multi_az false true", Waits.WINDOW),
        ({"AllocatedStorage": 25}, "allocated_storage 20 25", Waits.WINDOW),
        ({"EngineVersion": "17.6"}, "engine_version 17.4 17.6", Waits.WINDOW),
        ({"SomethingNew": "x"}, "SomethingNew nothing x", Waits.WINDOW),
        ({"PendingCloudwatchLogsExports": {"LogTypesToEnable": ["upgrade"]}}, None, Waits.UNDER_WAY),
    ],
)
def test_a_pending_value_of_the_database_is_read(waiting: dict[str, Any], line: str | None, wait: Waits) -> None:
    [found] = read_pending(aws(database(waiting)), STAGING).changes
    one = found.difference
    assert line is None or f"{one.path} {one.before} {one.after}" == line
    assert (found.waits, found.window) == (wait, "sat:16:00-sat:18:00")


def test_a_password_that_waits_is_not_shown() -> None:
    [found] = read_pending(aws(database({"MasterUserPassword": "hunter2"})), STAGING).changes
    assert "hunter2" not in repr(found)
    assert found.difference == Difference("master password", "(the one in force)", "(a new one is pending)")
    shown = line(f"{found.difference.path}: {found.difference.before} → {found.difference.after}")
    assert shown == "master password: (the one in force) → (a new one is pending)"


@pytest.mark.parametrize("field", ["PendingModifiedValues", "DBParameterGroups", "DBInstanceStatus"])
def test_a_database_without_one_of_these_is_one_of_which_nothing_is_known(field: str) -> None:
    record = database({})
    del record[field]
    with pytest.raises(KeyError, match=field):  # the collector makes it unknown
        read_pending(aws(record), STAGING)


def test_parameters_that_wait_for_a_reboot_are_read() -> None:
    groups = [{"DBParameterGroupName": "g", "ParameterApplyStatus": "pending-reboot"}]
    [found] = read_pending(aws(database({}, DBParameterGroups=groups)), STAGING).changes
    assert (found.difference.path, found.waits) == ("parameters of g", Waits.REBOOT)


MODIFIED = {"dBInstanceIdentifier": "ohmycoins-staging", "dBInstanceClass": "db.t4g.small", "applyImmediately": False}


@pytest.mark.parametrize(
    ("events", "who"),
    [
        ([event("ModifyDBInstance", MODIFIED)], "jo (role deployer)"),
        ([event("ModifyDBInstance", MODIFIED, sourceIdentity="x")], "jo (role deployer)"),
        ([event("ModifyDBInstance", MODIFIED, errorCode="AccessDenied")], "who is unknown"),
        ([event("ModifyDBInstance", MODIFIED | {"dBInstanceIdentifier": "another"})], "who is unknown"),
        ([event("ModifyDBInstance", MODIFIED | {"dBInstanceClass": "db.m7g.large"})], "who is unknown"),
        (
            [event("ModifyDBInstance", MODIFIED, userIdentity={"type": "Root", "arn": "arn:aws:iam::1:root"})],
            "root user",
        ),
        ([event("ModifyDBInstance", MODIFIED, userIdentity={"type": "IAMUser", "userName": "ann"})], "ann"),
        ([event("ModifyDBInstance", MODIFIED, userIdentity={"invokedBy": "cloudformation.amazonaws.com"})], "cloudf"),
        ([event("ModifyDBInstance", MODIFIED, userIdentity={})], "somebody whom CloudTrail doesn't name"),
        ([{"CloudTrailEvent": "{"}], "can't be read"),
        ([], "some minutes late"),
        (AwsRefused("cloudtrail LookupEvents is not allowed.", "AccessDenied"), "is not allowed"),
    ],
)
def test_who_asked_for_it_is_cloudtrails_word_or_unknown(events: Any, who: str) -> None:
    response = aws(database({"DBInstanceClass": "db.t4g.small"}), events)
    [found] = read_pending(response, STAGING).changes
    assert who in found.author.who
    assert (found.author.at is None) is ("unknown" in found.author.who)


def test_nobody_is_asked_who_where_nothing_waits() -> None:
    gateway = aws(database({}))
    assert read_pending(gateway, STAGING).changes == ()
    assert gateway.calls("lookup_events") == []


def test_the_cache_and_the_maintenance_of_both_are_read() -> None:
    member = {
        "CacheClusterId": "c-001",
        "CacheClusterStatus": "available",
        "CacheNodeType": "cache.t4g.micro",
        "PreferredMaintenanceWindow": "sat:16:00-sat:18:00",
        "PendingModifiedValues": {"CacheNodeType": "cache.t4g.small"},
        "CacheParameterGroup": {"CacheParameterGroupName": "g", "CacheNodeIdsToReboot": []},
    }
    group = {
        "ReplicationGroupId": "c",
        "Status": "available",
        "MemberClusters": ["c-001", "c-002"],
        "AutomaticFailover": "disabled",
        "PendingModifiedValues": {"AutomaticFailoverStatus": "enabled"},
    }
    update: dict[str, Any] = {"ServiceUpdateName": "elasticache-20261101", "ServiceUpdateSeverity": "critical"}
    update |= {"UpdateActionStatus": "not-applied", "ServiceUpdateRecommendedApplyByDate": SOON}
    action = {"Action": "system-update", "Description": "New OS", "CurrentApplyDate": SOON}
    members = [member, member | {"CacheClusterId": "c-002"}, member | {"CacheClusterId": "other"}]
    gateway = aws(
        database({}),
        answers={
            ("elasticache", "describe_replication_groups"): {"ReplicationGroups": [group]},
            ("elasticache", "describe_cache_clusters"): {"CacheClusters": members},
            ("elasticache", "describe_update_actions"): {
                "UpdateActions": [update, update | {"UpdateActionStatus": "complete", "ServiceUpdateName": "old"}]
            },
            ("rds", "describe_pending_maintenance_actions"): {
                "PendingMaintenanceActions": [{"ResourceIdentifier": ARN, "PendingMaintenanceActionDetails": [action]}]
            },
        },
    )
    found = read_pending(gateway, STAGING)
    lines = [f"{one.difference.path} {one.difference.before} {one.difference.after}" for one in found.changes]
    assert lines == ["node_type cache.t4g.micro cache.t4g.small", "automatic_failover_enabled disabled enabled"]
    system, service = found.maintenance
    assert (system.what, system.applied) == ("system-update (New OS)", SOON)
    assert (service.what, service.wanted) == ("service update elasticache-20261101 (critical, not-applied)", SOON)
