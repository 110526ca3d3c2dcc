"""Backups of a database instance are real ones: restored to a moment, copied to another region; and a new name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from support.data_layer import Clients, Database
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def database(shared_cloud: Cloud, shared_aws: Clients) -> Database:
    made = Database(shared_cloud, shared_aws, BackupRetentionPeriod=1)
    made.ask("CREATE TABLE coins (name text, at timestamptz DEFAULT clock_timestamp()); INSERT INTO coins VALUES ('a')")
    return made


def one(database: Database, name: str) -> dict[str, Any]:
    return dict(database.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def settled(database: Database, name: str) -> dict[str, Any]:
    def known() -> bool:
        found = [each["DBInstanceIdentifier"] for each in database.rds.describe_db_instances()["DBInstances"]]
        return name in found and one(database, name)["DBInstanceStatus"] in ("available", "failed")

    eventually(f"{name} is there", known)
    found = one(database, name)
    assert found["DBInstanceStatus"] == "available", found
    return found


def gone(database: Database, *names: str) -> None:
    for name in names:
        database.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    def there() -> set[str]:
        return {each["DBInstanceIdentifier"] for each in database.rds.describe_db_instances()["DBInstances"]}

    eventually(f"{names} are gone", lambda: not there() & set(names))


def test_a_point_in_time_is_that_of_the_write_ahead_log(database: Database) -> None:
    for name in ("b", "c"):
        database.ask(f"INSERT INTO coins VALUES ('{name}')")
    between = datetime.now(UTC)
    database.ask("INSERT INTO coins VALUES ('d'); DELETE FROM coins WHERE name = 'a'")
    eventually(
        "that moment can be restored",
        lambda: database.shown().get("LatestRestorableTime", datetime.min.replace(tzinfo=UTC)) > between,
    )
    [backup] = database.rds.describe_db_instance_automated_backups(DBInstanceIdentifier="shop")[
        "DBInstanceAutomatedBackups"
    ]
    assert backup["Status"] == "active"
    assert backup["RestoreWindow"]["EarliestTime"] < between < backup["RestoreWindow"]["LatestTime"]
    call = {"SourceDBInstanceIdentifier": "shop", "DBInstanceClass": "db.t4g.micro"}
    for until in (between - timedelta(days=1), between + timedelta(days=1)):
        with pytest.raises(ClientError, match="cannot be restored to a time"):
            database.rds.restore_db_instance_to_point_in_time(
                TargetDBInstanceIdentifier="never", RestoreTime=until, **call
            )
    database.rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="then", RestoreTime=between, **call)
    database.rds.restore_db_instance_to_point_in_time(
        TargetDBInstanceIdentifier="latest", UseLatestRestorableTime=True, **call
    )
    found = settled(database, "then")
    assert "MasterUserSecret" not in found, "the managed password isn't inherited"
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres17"
    assert (found["TagList"], found["DeletionProtection"], found["MultiAZ"]) == ([], False, False)
    names = "SELECT string_agg(name, '' ORDER BY name) FROM coins"
    assert database.ask(names, host=found["Endpoint"]["Address"]) == "abc"
    assert database.ask(names, host=settled(database, "latest")["Endpoint"]["Address"]) == "bcd"
    assert database.ask(names) == "bcd"
    gone(database, "then", "latest")


def test_a_renamed_instance_is_reached_by_its_new_name_and_its_old_name_is_free(database: Database) -> None:
    before = database.shown()
    database.rds.create_db_snapshot(DBInstanceIdentifier="shop", DBSnapshotIdentifier="kept")
    waiter = database.rds.get_waiter("db_snapshot_available")
    waiter.wait(DBSnapshotIdentifier="kept", WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    database.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="other", DBSnapshotIdentifier="kept")
    settled(database, "other")
    database.ask("INSERT INTO coins VALUES ('only here')")
    with pytest.raises(ClientError, match="already exists"):
        database.rds.modify_db_instance(
            DBInstanceIdentifier="shop", NewDBInstanceIdentifier="other", ApplyImmediately=True
        )

    def rename(old: str, new: str) -> dict[str, Any]:
        database.rds.modify_db_instance(DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True)
        return settled(database, new)

    assert rename("shop", "shop-before")["DbiResourceId"] == before["DbiResourceId"]
    new = rename("other", "shop")
    assert new["DbiResourceId"] != before["DbiResourceId"]
    assert new["Endpoint"] == before["Endpoint"], "an endpoint's name goes with the identifier"
    count = "SELECT count(*) FROM coins WHERE name = 'only here'"
    password = database.password_of("shop-before")
    assert database.ask(count, password=password) == 0
    assert database.ask(count, password=password, host=one(database, "shop-before")["Endpoint"]["Address"]) == 1
    rename("shop", "other")
    assert rename("shop-before", "shop")["Endpoint"] == before["Endpoint"]
    assert database.ask(count) == 1
    gone(database, "other")


def test_a_copy_in_another_region_is_a_snapshot_there(database: Database) -> None:
    far = database.aws("rds", region_name="eu-central-1")
    source = database.rds.describe_db_snapshots(DBSnapshotIdentifier="kept")["DBSnapshots"][0]
    far.copy_db_snapshot(SourceDBSnapshotIdentifier=source["DBSnapshotArn"], TargetDBSnapshotIdentifier="kept")
    [copied] = far.describe_db_snapshots()["DBSnapshots"]
    assert copied["DBSnapshotArn"] == source["DBSnapshotArn"].replace("ap-southeast-2", "eu-central-1")
    assert (copied["SourceRegion"], copied["Status"]) == ("ap-southeast-2", "available")
    far.delete_db_snapshot(DBSnapshotIdentifier="kept")
    assert far.describe_db_snapshots()["DBSnapshots"] == []
    assert database.rds.describe_db_snapshots(DBSnapshotIdentifier="kept")["DBSnapshots"] == [source]
