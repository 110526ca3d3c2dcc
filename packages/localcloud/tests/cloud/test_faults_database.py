"""Faults of the database: each symptom is to be seen through the AWS API, and gone once the fault is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from localcloud.services.rds import Databases
from support.data_layer import Clients, Database, below, newest
from support.waiting import eventually

pytestmark = pytest.mark.cloud
LOG = "/aws/rds/instance/shop/postgresql"


@pytest.fixture(scope="module")
def database(shared_cloud: Cloud, shared_aws: Clients) -> Database:
    shared_aws("logs").create_log_group(logGroupName=LOG)
    made = Database(shared_cloud, shared_aws, EnableCloudwatchLogsExports=["postgresql"])
    made.set(log_min_duration_statement=("200", "immediate"), log_lock_waits=("1", "immediate"))
    made.ask("CREATE TABLE orders (n int); INSERT INTO orders SELECT generate_series(1, 10)")
    return made


@contextmanager
def fault(database: Database, name: str, **settings: str) -> Iterator[None]:
    """In force as long as the context lasts; afterwards nothing of it runs any more."""
    faults = database.cloud.part(StackFaults)
    faults.begin(name, settings)
    try:
        yield
    finally:
        faults.end(name)
    running = [process.name for process in database.cloud.part(Supervisor).running()]
    assert [each for each in running if each.startswith("fault ")] == []


def metric(database: Database, name: str) -> float | None:
    return newest(database.aws("cloudwatch"), "AWS/RDS", name, DBInstanceIdentifier="shop")


def load(database: Database, group: str, since: datetime) -> dict[str, float]:
    """Performance Insights: average load since then by wait event or by SQL."""
    keys = database.aws("pi").describe_dimension_keys(
        ServiceType="RDS",
        Identifier=database.shown()["DbiResourceId"],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(seconds=1),
        PeriodInSeconds=1,
        Metric="db.load.avg",
        GroupBy={"Group": group},
    )["Keys"]
    return {" ".join(key["Dimensions"].values()): key["Total"] for key in keys}


def logged(database: Database, text: str) -> bool:
    events = database.aws("logs").filter_log_events(logGroupName=LOG, filterPattern=f'"{text}"')["events"]
    return bool(events)


def sessions(database: Database, application: str) -> int:
    with database.cloud.part(Databases).connect("shop") as connection:
        question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        row = connection.execute(question, [application]).fetchone()
    return int(row[0]) if row else 0


def test_slow_queries_are_seen_by_sql_and_in_the_slow_log(database: Database) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    with fault(database, "slow-queries", seconds="1"):
        eventually(
            "the slow query is load", lambda: any("report_trades" in sql for sql in load(database, "db.sql", since))
        )
        eventually("the slow query is in the log", lambda: logged(database, "report_trades later"))
        eventually("it takes processor time", lambda: (metric(database, "CPUUtilization") or 0) > 4)
    assert sessions(database, "nightly-report") == 0
    assert database.ask("SELECT to_regclass('report_trades')") is None
    eventually("it takes no more processor time", lambda: below(metric(database, "CPUUtilization"), 4))


def test_a_rotated_password_keeps_who_is_in_and_refuses_the_old_one(database: Database) -> None:
    old, arn = database.password(), database.shown()["MasterUserSecret"]["SecretArn"]
    before = psycopg.connect(**database.url())
    with before, fault(database, "password-rotation", every="1"):
        first = database.password()
        assert first != old
        assert before.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            database.ask("SELECT 1", password=old)
        assert "LastRotatedDate" in database.aws("secretsmanager").describe_secret(SecretId=arn)
        eventually("the password is rotated again", lambda: database.password() != first)
    database.available()
    assert database.ask("SELECT 1") == 1


def test_a_connection_leak_ends_at_max_connections_and_the_application_is_refused(database: Database) -> None:
    with fault(database, "connection-leak", per_second="50"):
        # Of 20, three are reserved.
        eventually("the connections are taken", lambda: (metric(database, "DatabaseConnections") or 0) >= 16)

        def refused() -> str:
            try:
                database.ask("SELECT 1")
            except psycopg.OperationalError as problem:
                return str(problem)
            return ""

        # A busy server may first be too slow to answer.
        eventually("the application is refused", lambda: "connection slots" in refused())
        eventually("the refusal is in the log", lambda: logged(database, "connection slots are reserved"))
    assert database.ask("SELECT 1") == 1
    eventually("the connections are free again", lambda: below(metric(database, "DatabaseConnections"), 5))


def test_a_leak_goes_on_after_the_server_was_restarted(database: Database) -> None:
    with fault(database, "connection-leak", per_second="50", connections="5"):
        eventually("all connections are leaked", lambda: sessions(database, "price-export") == 5)
        database.rds.reboot_db_instance(DBInstanceIdentifier="shop")
        database.available()
        eventually("all connections are leaked again", lambda: sessions(database, "price-export") == 5)
    assert sessions(database, "price-export") == 0


def test_writers_pile_up_behind_a_lock(database: Database) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    with fault(database, "lock-pile-up"):
        eventually("the table is locked", lambda: sessions(database, "schema-change") == 1)

        def blocked() -> bool:
            try:
                database.ask("INSERT INTO orders VALUES (0)", options="-c statement_timeout=3s")
            except psycopg.errors.QueryCanceled:
                return True
            return False

        eventually("a writer is blocked", blocked)  # the worker may still be asking for its lock
        eventually(
            "the lock is waited for",
            lambda: any("Lock:relation" in event for event in load(database, "db.wait_event", since)),
        )
        eventually("the wait is in the log", lambda: logged(database, "still waiting for"))
    assert database.ask("INSERT INTO orders VALUES (0) RETURNING n", options="-c statement_timeout=30s") == 0


def test_a_stopped_database_was_stopped_by_somebody(database: Database) -> None:
    with fault(database, "database-stopped"):
        eventually("the database is stopped", lambda: database.shown()["DBInstanceStatus"] == "stopped")
        with pytest.raises(AwsError, match="isn't available; it is stopped"):
            database.cloud.part(StackFaults).begin("lock-pile-up", {})
        events = database.aws("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StopDBInstance"}]
        )["Events"]
        assert {"ResourceName": "shop"} in events[0]["Resources"]
        with pytest.raises(psycopg.OperationalError):
            database.ask("SELECT 1")
    assert database.available()["DBInstanceStatus"] == "available"
    assert database.ask("SELECT count(*) FROM orders") > 0


def test_a_database_that_somebody_started_again_stays_started(database: Database) -> None:
    with fault(database, "database-stopped"):
        eventually("the database is stopped", lambda: database.shown()["DBInstanceStatus"] == "stopped")
        database.rds.start_db_instance(DBInstanceIdentifier="shop")
        database.available()
    assert database.ask("SELECT 1") == 1


def test_storage_runs_full_and_is_given_back(database: Database) -> None:
    before = eventually("the free storage is measured", lambda: metric(database, "FreeStorageSpace"))
    assert before > 19 << 30
    with fault(database, "storage-filling", mebibytes="20", free_percent="5"):
        eventually("the storage runs full", lambda: below(metric(database, "FreeStorageSpace"), 0.1 * (20 << 30)))
        written = "SELECT coalesce(pg_total_relation_size(to_regclass('audit_events')), 0)"
        eventually("the table is written", lambda: database.ask(written) >= 20 << 20)
        on_disk = sum(each.stat().st_blocks * 512 for each in (database.data() / "base" / "pgsql_tmp").iterdir())
        assert on_disk < 1 << 20  # as large as it is, it takes nothing of this machine's disk
    assert database.ask("SELECT to_regclass('audit_events')") is None
    eventually("the storage is given back", lambda: (metric(database, "FreeStorageSpace") or 0) > 19 << 30)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("slow-queries", {"sessions": "many"}, "sessions is a number from 1 to 8, not 'many'"),
        ("slow-queries", {"database": "other"}, "no DB instance 'other'; there are shop"),
        ("lock-pile-up", {"table": "nowhere"}, "no table nowhere in shop"),
        ("lock-pile-up", {"mode": "TOTAL"}, "one of ACCESS EXCLUSIVE"),
    ],
)
def test_what_cannot_be_made_is_refused(database: Database, name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        database.cloud.part(StackFaults).begin(name, settings)


def test_a_volume_without_credits_slows_the_whole_database_to_its_baseline(database: Database) -> None:
    """87 Mbit a second of a db.t4g.micro, and all of it at once again when the fault is over."""

    def moved() -> float:
        return (metric(database, "WriteThroughput") or 0.0) / 1e6

    with fault(database, "burst-credits", megabytes_per_second="60"):
        brake = eventually("there is a brake", lambda: database.cloud.part(Databases)._brakes.get("shop"))
        eventually("it is told", lambda: metric(database, "EBSByteBalance%") == 0)
        eventually("the server is held back", lambda: brake.share < 0.9)
        eventually("it moves what its class may", lambda: 3 < moved() < 25, within=60)
        assert database.ask("SELECT 1") == 1
    assert brake.share == 1
    eventually("the credits are back", lambda: (metric(database, "EBSByteBalance%") or 0) > 90)
    assert database.ask("SELECT to_regclass('price_archive')") is None


def test_an_instance_of_unlimited_mode_goes_on_without_cpu_credits(database: Database) -> None:
    with fault(database, "burst-credits", of="cpu"):
        eventually("they are gone", lambda: below(metric(database, "CPUCreditBalance"), 1))
        assert all(brake.share == 1 for brake in database.cloud.part(Databases)._brakes.values())


def test_an_old_transaction_keeps_dead_rows_and_lets_transaction_ids_grow_old(database: Database) -> None:
    before = metric(database, "MaximumUsedTransactionIDs") or 0.0

    def dead() -> int:
        return int(
            database.ask("SELECT coalesce(max(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname = 'job_queue'")
        )

    with fault(database, "old-transaction", per_second="500"):
        eventually("dead rows are counted", lambda: dead() > 500)
        with psycopg.connect(**database.url(), autocommit=True) as connection:
            connection.execute("VACUUM job_queue")
        assert dead() > 500, "vacuuming has to leave them"
        eventually("ids grow old", lambda: (metric(database, "MaximumUsedTransactionIDs") or 0) > before + 500)
        assert sessions(database, "stock-count") == 2
    assert sessions(database, "stock-count") == 0
    assert database.ask("SELECT to_regclass('job_queue')") is None
