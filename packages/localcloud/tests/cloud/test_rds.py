"""A database instance is a real PostgreSQL: TLS, parameters, password, metrics, snapshots, and a life of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from localcloud.backends import tools
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.windows import in_window
from localcloud.services.rds import Databases, parameters
from localcloud.services.rds.measure import log_events
from localcloud.services.rds.model import size_of
from support.data_layer import Clients, Database
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def database(shared_cloud: Cloud, shared_aws: Clients) -> Database:
    return Database(shared_cloud, shared_aws)


def test_the_instance_is_a_real_server_with_tls_and_the_managed_password(database: Database) -> None:
    assert database.created["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in database.created or database.created["Endpoint"]
    shown = database.available()
    assert shown["EngineVersion"].startswith("17.")
    assert shown["DbiResourceId"].startswith("db-")
    assert shown["PerformanceInsightsEnabled"] is True
    assert shown["MasterUserSecret"]["SecretStatus"] == "active"
    assert database.ask("SELECT current_user || '@' || current_database()") == "keeper@shop"
    assert database.ask("CREATE TABLE IF NOT EXISTS coins (name text); SELECT count(*) FROM coins") is None
    assert database.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert database.ask("SELECT count(*) FROM pg_stat_statements") > 0


def test_without_tls_or_with_a_wrong_password_nobody_comes_in(database: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        database.ask("SELECT 1", sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.ask("SELECT 1", password="guess")
    with pytest.raises(psycopg.OperationalError, match="rdsadmin"):
        database.ask("SELECT 1", user="rdsadmin")


def test_psql_of_the_tasks_path_connects_as_the_runbook_writes_it(database: Database) -> None:
    state = database.cloud.settings.state
    path = f"{tools.client_folder(state)}:{os.environ['PATH']}"
    command = ["psql", "-h", database.url()["host"], "-U", "keeper", "-d", "shop", "-Atc", "SHOW max_connections"]
    environment = {"PATH": path, "PGPASSWORD": database.password(), "HOME": str(state)}
    answer = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=90)
    assert (answer.stdout, answer.stderr) == ("20\n", "")


def test_the_server_sees_who_connects(database: Database) -> None:
    assert str(database.ask("SELECT inet_client_addr()")).startswith("127.")


def test_max_connections_is_real_and_counted(database: Database) -> None:
    databases = database.cloud.part(Databases)
    assert database.ask("SHOW max_connections") == "20"

    def counted() -> float | None:
        instance = databases.instances["shop"]
        taken = databases._measure.take(
            databases.server("shop"), databases.processes("shop"), instance.size, instance.record
        )
        return {name: value for name, value, _ in taken}.get("DatabaseConnections")

    held = [psycopg.connect(**database.url()) for _ in range(9)]
    try:
        # The server ends what an earlier test has closed a moment later.
        eventually("all nine connections are counted", lambda: counted() == 9)
        with pytest.raises(psycopg.OperationalError, match=r"remaining connection slots|too many clients"):
            held.extend(psycopg.connect(**database.url()) for _ in range(20))  # each is kept, to be closed
        # The administrator still comes in, so the metric shows what is wrong.
        with databases.connect("shop") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        for connection in held:
            connection.close()
    eventually("no connection is counted", lambda: counted() == 0)


def test_dynamic_parameters_apply_at_once_and_static_ones_at_a_reboot(database: Database) -> None:
    database.set(work_mem=("8192", "immediate"))
    eventually("the dynamic parameter is in force", lambda: database.ask("SHOW work_mem") == "8MB")
    database.set(max_connections=("30", "pending-reboot"))
    eventually(
        "the static parameter waits for a reboot",
        lambda: database.shown()["DBParameterGroups"][0]["ParameterApplyStatus"] == "pending-reboot",
    )
    assert database.ask("SHOW max_connections") == "20"
    database.rds.reboot_db_instance(DBInstanceIdentifier="shop")
    database.available()
    assert database.ask("SHOW max_connections") == "30"
    assert database.shown()["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"
    database.set(max_connections=("20", "pending-reboot"))
    database.rds.reboot_db_instance(DBInstanceIdentifier="shop")
    database.available()
    rows = [
        row
        for page in database.rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName="shop")
        for row in page["Parameters"]
    ]
    by_name = {row["ParameterName"]: row for row in rows}
    assert by_name["max_connections"]["Source"] == "user"
    assert by_name["max_connections"]["ParameterValue"] == "20"
    assert by_name["rds.force_ssl"]["ParameterValue"] == "1"
    assert by_name["autovacuum_max_workers"]["Source"] == "engine-default"
    assert len(rows) > 300


@pytest.mark.parametrize(
    ("name", "value", "method", "message"),
    [
        ("max_connectoins", "10", "pending-reboot", "Could not find parameter"),
        ("max_connections", "10", "immediate", "immediate apply method for static"),
        ("max_connections", "-5", "pending-reboot", "allowed values"),
        ("work_mem", "lots", "immediate", "Invalid parameter value"),
        ("port", "1", "pending-reboot", "cannot be modified"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(
    database: Database, name: str, value: str, method: str, message: str
) -> None:
    with pytest.raises(database.rds.exceptions.ClientError, match=message):
        database.set(**{name: (value, method)})


def test_metrics_come_from_the_real_server(database: Database) -> None:
    eventually("the query is answered", lambda: database.ask("SELECT sum(x) FROM generate_series(1, 100000) x"))
    cloudwatch = database.aws("cloudwatch")

    def latest(name: str) -> float | None:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName=name,
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "shop"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return max((float(point["Maximum"]) for point in points), default=None)

    eventually("the metric is there", lambda: latest("CPUUtilization") is not None)
    used = latest("CPUUtilization")
    assert used is not None
    assert used >= 0
    free = latest("FreeStorageSpace")
    assert free is not None
    assert 19 << 30 < free < 20 << 30
    assert latest("DatabaseConnections") is not None


def test_a_stopped_instance_really_stops_and_says_nothing(database: Database) -> None:
    host = database.url()
    database.rds.stop_db_instance(DBInstanceIdentifier="shop")
    eventually("the instance is stopped", lambda: database.shown()["DBInstanceStatus"] == "stopped")

    def refused() -> bool:
        with pytest.raises(psycopg.OperationalError) as problem:
            psycopg.connect(**host)
        return "refused" in str(problem.value)

    # The gate is told to close, and may hang up on a caller before it does.
    eventually("connections are refused", refused)
    assert database.cloud.part(Databases).running() == []
    with pytest.raises(database.rds.exceptions.InvalidDBInstanceStateFault, match="not in available"):
        database.rds.reboot_db_instance(DBInstanceIdentifier="shop")
    database.rds.start_db_instance(DBInstanceIdentifier="shop")
    database.available()
    assert database.ask("SELECT 1") == 1
    records = [each["Message"] for each in database.rds.describe_events(SourceIdentifier="shop")["Events"]]
    assert "DB instance stopped" in records
    assert records[-1] == "DB instance started"


def test_a_killed_server_recovers_by_itself(database: Database) -> None:
    database.ask("CREATE TABLE kept (x int); INSERT INTO kept VALUES (42)")
    postmaster = database.cloud.part(Databases).processes("shop")[0]
    postmaster.send(signal.SIGKILL)
    eventually("the postmaster has ended", lambda: postmaster.poll() is not None)

    def back() -> bool:
        try:
            return bool(database.ask("SELECT x FROM kept") == 42)
        except psycopg.OperationalError:
            return False

    eventually("the server answers again", back)

    def is_recovered() -> bool:
        events = database.rds.describe_events(SourceIdentifier="shop")["Events"]
        return "Recovery of the DB instance is complete." in [each["Message"] for each in events]

    eventually("the recovery is an event", is_recovered)


def test_a_rotated_password_replaces_the_old_one(database: Database) -> None:
    old = database.password()
    database.rds.modify_db_instance(DBInstanceIdentifier="shop", RotateMasterUserPassword=True, ApplyImmediately=True)
    database.available()
    assert database.password() != old
    assert database.ask("SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.ask("SELECT 1", password=old)
    old = database.password()
    arn = database.shown()["MasterUserSecret"]["SecretArn"]
    answer = database.aws("secretsmanager").rotate_secret(SecretId=arn)
    database.available()
    assert database.password() != old
    assert database.ask("SELECT 1") == 1
    held = database.aws("secretsmanager").get_secret_value(SecretId=arn, VersionStage="AWSPREVIOUS")
    assert json.loads(held["SecretString"])["password"] == old
    assert database.aws("secretsmanager").get_secret_value(SecretId=arn)["VersionId"] == answer["VersionId"]


def test_rds_rotates_its_master_password_by_the_clock(database: Database) -> None:
    secrets = database.aws("secretsmanager")
    arn = database.shown()["MasterUserSecret"]["SecretArn"]
    payload = secrets.describe_secret(SecretId=arn)
    assert (payload["RotationEnabled"], payload["RotationRules"], payload["OwningService"]) == (
        True,
        {"AutomaticallyAfterDays": 7},
        "rds",
    )
    assert "RotationLambdaARN" not in payload
    started = payload.get("LastRotatedDate") or payload["CreatedDate"]
    assert abs(payload["NextRotationDate"] - started - timedelta(days=7)) < timedelta(minutes=1)

    rules = {"ScheduleExpression": "rate(4 hours)"}
    secrets.rotate_secret(SecretId=arn, RotationRules=rules, RotateImmediately=False)
    old, payload = database.password(), secrets.describe_secret(SecretId=arn)
    assert payload["RotationRules"] == rules
    assert abs(payload["NextRotationDate"] - datetime.now(UTC) - timedelta(hours=4)) < timedelta(minutes=1)
    for refused in (
        {"RotationRules": {"ScheduleExpression": "rate(3 hours)"}},
        {"RotationRules": {"ScheduleExpression": "whenever"}},
        {"RotationRules": {"ScheduleExpression": "rate(4 hours)", "AutomaticallyAfterDays": 1}},
        {"RotationLambdaARN": "arn:aws:lambda:ap-southeast-2:000000000000:function:rotate"},
    ):
        with pytest.raises(secrets.exceptions.ClientError, match=r"InvalidParameterException|InvalidRequestException"):
            secrets.rotate_secret(SecretId=arn, **refused)
    assert database.password() == old

    with database.cloud.lock:  # the time has come
        database.cloud.moto("secretsmanager").secrets[arn].next_rotation_date = 1
    eventually("the password is rotated", lambda: database.password() != old)
    database.available()
    eventually("the new password is accepted", lambda: database.ask("SELECT 1") == 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.ask("SELECT 1", password=old)
    payload = secrets.describe_secret(SecretId=arn)
    assert payload["NextRotationDate"] - payload["LastRotatedDate"] == timedelta(hours=4)
    secrets.rotate_secret(SecretId=arn, RotationRules={"AutomaticallyAfterDays": 7}, RotateImmediately=False)


def test_a_snapshot_really_restores(database: Database) -> None:
    database.ask("CREATE TABLE saved (x int); INSERT INTO saved VALUES (7)")
    database.rds.create_db_snapshot(DBInstanceIdentifier="shop", DBSnapshotIdentifier="before")

    def done() -> bool:
        shown = database.rds.describe_db_snapshots(DBSnapshotIdentifier="before")["DBSnapshots"][0]
        return bool(shown["Status"] == "available")

    eventually("the snapshot is available", done)
    database.ask("DELETE FROM saved")
    database.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="again", DBSnapshotIdentifier="before", DBParameterGroupName="shop"
    )
    eventually(
        "the restore is over",
        lambda: (
            database.rds.describe_db_instances(DBInstanceIdentifier="again")["DBInstances"][0]["DBInstanceStatus"]
            in ("available", "failed")
        ),
    )
    endpoint = database.rds.describe_db_instances(DBInstanceIdentifier="again")["DBInstances"][0]["Endpoint"]
    assert database.ask("SELECT x FROM saved", host=endpoint["Address"]) == 7
    database.rds.delete_db_instance(DBInstanceIdentifier="again", SkipFinalSnapshot=True)
    database.rds.delete_db_snapshot(DBSnapshotIdentifier="before")
    eventually("the restored instance is gone", lambda: len(database.rds.describe_db_instances()["DBInstances"]) == 1)


def test_changes_wait_for_the_window_unless_they_are_to_apply_immediately(database: Database) -> None:
    modify = database.rds.modify_db_instance
    day = f"{database.cloud.now() + timedelta(days=3):%a}".lower()
    modify(DBInstanceIdentifier="shop", PreferredMaintenanceWindow=f"{day}:00:00-{day}:00:30", AllocatedStorage=25)
    waiting = database.shown()
    assert waiting["PendingModifiedValues"] == {"AllocatedStorage": 25}
    assert waiting["AllocatedStorage"] == 20
    modify(DBInstanceIdentifier="shop", DBInstanceClass="db.m7g.large")
    modify(DBInstanceIdentifier="shop", DBInstanceClass=waiting["DBInstanceClass"])
    assert database.shown()["PendingModifiedValues"] == {"AllocatedStorage": 25}, "what is in force takes it back"
    modify(DBInstanceIdentifier="shop", ApplyImmediately=True, DBInstanceClass="db.t4g.small")
    eventually("the instance has its new class", lambda: database.shown()["DBInstanceClass"] == "db.t4g.small")
    database.available()
    assert database.shown()["AllocatedStorage"] == 25
    with pytest.raises(database.rds.exceptions.ClientError, match="can't be reduced"):
        modify(DBInstanceIdentifier="shop", AllocatedStorage=5)


def test_a_failover_changes_the_zone_and_is_reported(database: Database) -> None:
    with pytest.raises(database.rds.exceptions.ClientError, match="not in Multi-AZ"):
        database.rds.reboot_db_instance(DBInstanceIdentifier="shop", ForceFailover=True)
    database.rds.modify_db_instance(DBInstanceIdentifier="shop", MultiAZ=True, ApplyImmediately=True)
    eventually("the instance is in two zones", lambda: database.available()["MultiAZ"])

    def zones() -> tuple[str, str]:
        shown = database.shown()
        return shown["AvailabilityZone"], shown["SecondaryAvailabilityZone"]

    def failover_messages() -> list[str]:
        found = database.rds.describe_events(SourceIdentifier="shop", EventCategories=["failover"])["Events"]
        return [each["Message"] for each in found]

    first, second = zones()
    assert first != second
    database.rds.reboot_db_instance(DBInstanceIdentifier="shop", ForceFailover=True)
    database.available()
    assert zones() == (second, first)
    once = ["Multi-AZ instance failover started.", "Multi-AZ instance failover completed"]
    assert failover_messages() == once
    postmaster = database.cloud.part(Databases).processes("shop")[0]
    postmaster.send(signal.SIGKILL)  # the primary dies: nobody has to ask
    eventually("the zones have changed places again", lambda: zones() == (first, second))
    assert failover_messages() == 2 * once
    assert database.ask("SELECT 1") == 1


def test_tags_can_be_changed(database: Database) -> None:
    arn = database.shown()["DBInstanceArn"]
    database.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "a", "Value": "c"}, {"Key": "d", "Value": "e"}])
    database.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["d"])
    assert database.rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "a", "Value": "c"}]


def test_a_deletion_that_is_asked_for_while_it_is_created_comes_next(database: Database) -> None:
    database.rds.create_db_instance(
        DBInstanceIdentifier="brief",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="keeper",
        ManageMasterUserPassword=True,
        DBSubnetGroupName="shop",
        BackupRetentionPeriod=1,
    )
    eventually("the instance is being created", lambda: "brief" in database.cloud.part(Databases)._jobs)
    database.rds.delete_db_instance(DBInstanceIdentifier="brief", SkipFinalSnapshot=True)
    eventually("the instance is gone", lambda: "brief" not in database.cloud.part(Databases).instances)
    assert [each.name for each in database.cloud.part(Supervisor).running() if "brief" in each.name] == []


def test_delete_leaves_nothing(cloud: Cloud, aws: Clients) -> None:
    database = Database(cloud, aws, DeletionProtection=True)
    with pytest.raises(database.rds.exceptions.ClientError, match="Cannot delete protected"):
        database.rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    database.rds.modify_db_instance(DBInstanceIdentifier="shop", DeletionProtection=False)
    with pytest.raises(database.rds.exceptions.ClientError, match="FinalDBSnapshotIdentifier is required"):
        database.rds.delete_db_instance(DBInstanceIdentifier="shop")
    database.rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    eventually("the instance is gone", lambda: database.rds.describe_db_instances()["DBInstances"] == [])
    with pytest.raises(database.rds.exceptions.DBInstanceNotFoundFault):
        database.shown()
    database.rds.delete_db_parameter_group(DBParameterGroupName="shop")
    database.rds.delete_db_subnet_group(DBSubnetGroupName="shop")
    assert [each for each in cloud.part(Supervisor).running() if "postgres" in each.name] == []
    assert list((cloud.settings.state / "rds").iterdir()) == []
    assert aws("secretsmanager").list_secrets()["SecretList"] == []
    assert aws("ec2").describe_network_interfaces()["NetworkInterfaces"] == []


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        ("mon:00:00-mon:00:30", True),
        ("mon:00:10-mon:00:30", True),
        ("mon:00:11-mon:00:30", False),
        ("sun:23:50-mon:00:10", False),
        ("sun:23:50-mon:00:11", True),
        ("tue:00:00-tue:01:00", False),
        ("never", False),
    ],
)
def test_a_window_begins_with_its_first_minute_and_ends_before_its_last(window: str, *, inside: bool) -> None:
    assert in_window(window, datetime(2026, 11, 23, 0, 10, tzinfo=UTC)) is inside  # a Monday


def test_formulas_follow_the_class() -> None:
    micro = size_of("db.t4g.micro")
    assert parameters.formula("LEAST({DBInstanceClassMemory/9531392},5000)", micro) == "112"
    assert parameters.formula("GREATEST(7, {DBInstanceClassMemory/1073741824})", size_of("db.r6g.xlarge")) == "32"
    assert parameters.formula("16MB", micro) == "16MB"


def test_log_lines_become_whole_events(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    first = "2026-01-02 03:04:05 UTC:127.0.0.1(1):u@d:[7]:ERROR:  wrong"
    log.write_text(f"{first}\n\tin two lines\n2026-01-02 03:04:06 UTC::@:[7]:LOG:  cut off he")
    events, offset = log_events(log, 0)
    assert events == [(1767323045000, f"{first}\n\tin two lines")]
    with log.open("a") as file:
        file.write("re\n")
    assert [message[-12:] for _, message in log_events(log, offset)[0]] == ["cut off here"]
