"""Performance Insights tells the truth about a real PostgreSQL: who waits for what, how much, and which SQL does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.pi import Insights, queries, sampler, store
from localcloud.services.pi.sampler import NAME, Session
from localcloud.services.pi.statements import Statement, tokenized
from localcloud.services.pi.store import Span, Store
from localcloud.services.rds import Databases
from support.data_layer import Clients
from support.waiting import eventually

SLEEP = "SELECT pg_sleep(600) /* nightly report */"


class Watched:
    """A small instance and what Performance Insights says of it."""

    def __init__(self, cloud: Cloud, aws: Clients, name: str, *, insights: bool = True) -> None:
        self.cloud, self.rds, self.pi, self.name = cloud, aws("rds"), aws("pi"), name
        ec2 = aws("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{20 + n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for n, zone in enumerate(zones)
        ]
        self.rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=subnets)
        self.rds.create_db_parameter_group(
            DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="p"
        )
        values = {"max_connections": "20", "rds.force_ssl": "0", "log_min_duration_statement": "0"}
        self.rds.modify_db_parameter_group(
            DBParameterGroupName=name,
            Parameters=[
                {"ParameterName": key, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
                for key, value in values.items()
            ],
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="17",
            AllocatedStorage=20,
            DBName="shop",
            MasterUsername="keeper",
            MasterUserPassword="open-sesame",
            DBSubnetGroupName=name,
            DBParameterGroupName=name,
            BackupRetentionPeriod=0,
            EnablePerformanceInsights=insights,
        )
        self.available()
        self.id = str(self.shown()["DbiResourceId"])

    def shown(self) -> dict[str, Any]:
        return dict(self.rds.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0])

    def available(self) -> None:
        eventually("the database is available", lambda: self.shown()["DBInstanceStatus"] == "available")

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        endpoint = self.shown()["Endpoint"]
        return psycopg.connect(
            host=endpoint["Address"],
            port=endpoint["Port"],
            user="keeper",
            password="open-sesame",
            dbname="shop",
            autocommit=True,
            **more,
        )

    @contextmanager
    def running(self, query: str, **more: Any) -> Iterator[psycopg.Connection[Any]]:
        """A session that is busy with this query as long as the context lasts."""
        connection = self.connect(**more)
        pid = connection.info.backend_pid

        def run() -> None:
            try:
                connection.execute(query.encode())
            except psycopg.errors.QueryCanceled:
                return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            eventually("the session runs its statement", lambda: self.is_busy(pid))
            yield connection
        finally:
            connection.cancel_safe(timeout=60)
            thread.join(60)
            connection.close()

    def is_busy(self, pid: int) -> bool:
        """Whether this session runs a statement; asked as the administrator, who is in no sample."""
        with self.cloud.part(Databases).connect(self.name) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
            return connection.execute(query, [pid]).fetchone() is not None

    def top(self, group: str, since: datetime, **more: Any) -> dict[str, float]:
        """Load by the group's last dimension in the seconds since then."""
        answer = self.pi.describe_dimension_keys(
            ServiceType="RDS",
            Identifier=self.id,
            StartTime=since,
            EndTime=datetime.now(UTC),
            PeriodInSeconds=1,
            Metric="db.load.avg",
            GroupBy={"Group": group} if "GroupBy" not in more else more.pop("GroupBy"),
            **more,
        )
        return {next(iter(reversed(key["Dimensions"].values()))): key["Total"] for key in answer["Keys"]}

    def metrics(self, *requested: dict[str, Any], period: int = 60, **more: Any) -> dict[str, Any]:
        now = datetime.now(UTC)
        return dict(
            self.pi.get_resource_metrics(
                **{
                    "ServiceType": "RDS",
                    "Identifier": self.id,
                    "MetricQueries": list(requested),
                    "StartTime": now - timedelta(minutes=5),
                    "EndTime": now,
                    "PeriodInSeconds": period,
                    **more,
                }
            )
        )

    def sampled(self, since: datetime) -> list[bool]:
        """For each second since then whether it was sampled."""
        answer = self.metrics({"Metric": "db.load.avg"}, period=1, StartTime=since)
        return ["Value" in point for point in answer["MetricList"][0]["DataPoints"]]

    def sample(self, since: datetime, seconds: int = 5) -> None:
        """Wait until so many of the seconds since then were sampled."""
        eventually("enough seconds are sampled", lambda: sum(self.sampled(since)) >= seconds)

    def values(self, name: str) -> list[float]:
        return [
            point["Value"]
            for point in self.metrics({"Metric": name})["MetricList"][0]["DataPoints"]
            if "Value" in point
        ]


def seconds_from_now(seconds: int) -> datetime:
    """A whole second in the future, waited for: samples from there on are of what is running already."""
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    eventually("that second has come", lambda: datetime.now(UTC) >= moment)
    return moment


@pytest.fixture(scope="module")
def watched(shared_cloud: Cloud, shared_aws: Clients) -> Watched:
    return Watched(shared_cloud, shared_aws, "shop")


@pytest.mark.cloud
def test_a_sleeping_session_is_load_under_its_wait_event_and_its_sql_is_named(watched: Watched) -> None:
    with watched.running(SLEEP, application_name="nightly"), watched.running(SLEEP.replace("600", "700")):
        since = seconds_from_now(2)
        watched.sample(since)
        assert watched.top("db.wait_event_type", since) == {"Timeout": pytest.approx(2, abs=0.1)}
        assert watched.top("db.wait_event", since, GroupBy={"Group": "db.wait_event", "Dimensions": [
            "db.wait_event.name"]}) == {"Timeout:PgSleep": pytest.approx(2, abs=0.1)}  # fmt: skip
        assert watched.top("db.user", since) == {"keeper": pytest.approx(2, abs=0.1)}
        assert watched.top("db.application", since) == {"nightly": pytest.approx(1, abs=0.1)}
        assert watched.top("db", since) == {"shop": pytest.approx(2, abs=0.1)}
        hosts = watched.top("db.host", since)
        assert list(hosts.values()) == [pytest.approx(2, abs=0.1)]
        assert next(iter(hosts)).startswith("127.")
        # Two statements, one digest.
        digest = {"Group": "db.sql_tokenized", "Dimensions": ["db.sql_tokenized.statement"]}
        assert watched.top("", since, GroupBy=digest) == {"SELECT pg_sleep(?)": pytest.approx(2, abs=0.1)}
        texts = watched.top("", since, GroupBy={"Group": "db.sql", "Dimensions": ["db.sql.statement"]})
        assert texts == {
            SLEEP: pytest.approx(1, abs=0.1),
            SLEEP.replace("600", "700"): pytest.approx(1, abs=0.1),
        }
        numbers = watched.top(
            "", since, GroupBy={"Group": "db.sql_tokenized", "Dimensions": ["db.sql_tokenized.db_id"]}
        )
        with watched.connect() as own:
            row = own.execute("SELECT query_id FROM pg_stat_activity WHERE application_name = 'nightly'").fetchone()
        assert row is not None
        assert list(numbers) == [str(row[0])]
        ids = watched.top("", since, GroupBy={"Group": "db.sql", "Dimensions": ["db.sql.id"]}, Filter={
            "db.application.name": "nightly"})  # fmt: skip
        details = watched.pi.get_dimension_key_details(
            ServiceType="RDS",
            Identifier=watched.id,
            Group="db.sql",
            GroupIdentifier=next(iter(ids)),
            RequestedDimensions=["statement"],
        )
        assert details["Dimensions"] == [{"Dimension": "db.sql.statement", "Value": SLEEP, "Status": "AVAILABLE"}]


@pytest.mark.cloud
def test_who_waits_for_a_lock_shows_with_the_statement_that_waits_and_with_the_one_that_holds_it(
    watched: Watched,
) -> None:
    with watched.connect() as holder:
        holder.execute("CREATE TABLE coins (id int PRIMARY KEY, held int); INSERT INTO coins VALUES (1, 0), (2, 0)")
        holder.execute("BEGIN")
        holder.execute("UPDATE coins SET held = 7 WHERE id = 1")
        update = "UPDATE coins SET held = held + 1 WHERE id = 1"
        with watched.running(update), watched.running(update), watched.running(update):
            since = seconds_from_now(2)
            watched.sample(since)
            events = watched.top("", since, GroupBy={"Group": "db.wait_event", "Dimensions": ["db.wait_event.name"]})
            # One waits for the holder's transaction, those behind it for the row's turn.
            assert events["Lock:transactionid"] + events["Lock:tuple"] == pytest.approx(3, abs=0.2)
            assert events["Client:ClientRead"] == pytest.approx(1, abs=0.1)
            by_sql = watched.pi.describe_dimension_keys(
                ServiceType="RDS",
                Identifier=watched.id,
                StartTime=since,
                EndTime=datetime.now(UTC),
                PeriodInSeconds=1,
                Metric="db.load.avg",
                GroupBy={"Group": "db.sql_tokenized", "Dimensions": ["db.sql_tokenized.statement"]},
                PartitionBy={"Group": "db.wait_event_type"},
            )
        holder.execute("ROLLBACK")
    waits = [part["Dimensions"]["db.wait_event_type.name"] for part in by_sql["PartitionKeys"]]
    assert waits == ["Lock", "Client"]
    assert [(key["Dimensions"]["db.sql_tokenized.statement"], *key["Partitions"]) for key in by_sql["Keys"]] == [
        ("UPDATE coins SET held = held + ? WHERE id = ?", pytest.approx(3, abs=0.2), 0),
        ("UPDATE coins SET held = ? WHERE id = ?", 0, pytest.approx(1, abs=0.1)),
    ]


@pytest.mark.cloud
def test_a_session_that_computes_is_load_on_the_cpu_and_the_counters_agree(watched: Watched) -> None:
    busy = "DO $$ BEGIN LOOP NULL; END LOOP; END $$"  # until it is cancelled, however quick the machine is
    with watched.running(busy):
        since = seconds_from_now(2)
        watched.sample(since)
        assert watched.top("db.wait_event_type", since)["CPU"] == pytest.approx(1, abs=0.2)
        eventually(
            "the processor is seen to be busy",
            lambda: max(watched.values("os.cpuUtilization.total.max"), default=0) > 10,
        )
    assert watched.values("os.general.numVCPUs.avg")[-1] == 2
    assert watched.values("db.User.max_connections.max")[-1] == 20


@pytest.mark.cloud
def test_the_watcher_takes_no_connection_from_anybody_and_is_not_in_log_and_statistics(watched: Watched) -> None:
    def seen() -> list[Any]:
        with watched.connect() as own:
            query = "SELECT backend_type FROM pg_stat_activity WHERE application_name = %s"
            return own.execute(query, [NAME]).fetchall()

    assert eventually("the watcher is connected", seen) == [("walsender",)]
    held: list[psycopg.Connection[Any]] = []

    def one_more() -> bool:
        try:
            held.append(watched.connect())
        except psycopg.OperationalError:
            return False  # the reader of CloudWatch's metrics may be in, for a moment
        return True

    try:
        for _ in range(17):  # all of max_connections but PostgreSQL's own reserve of 3
            eventually("a connection is free", one_more)
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            watched.connect()
        since = seconds_from_now(1)
        watched.sample(since, 1)  # and it goes on
    finally:
        for connection in held:
            connection.close()
    eventually("the connections are counted", lambda: watched.values("db.User.numbackends.max"))
    with watched.connect() as own:
        statements = own.execute("SELECT query FROM pg_stat_statements").fetchall()
    assert not [text for (text,) in statements if "client_hostname" in text]
    log = watched.cloud.part(Databases).server("shop").log.read_text()
    assert "duration:" in log
    assert "client_hostname" not in log


@pytest.mark.cloud
def test_commits_are_counted_without_those_of_the_watcher(watched: Watched) -> None:
    began = time.monotonic()
    made: list[float] = []
    with watched.connect() as own:
        pid = own.info.backend_pid
        while time.monotonic() < began + 21:
            own.execute("SELECT count(*) FROM pg_am")  # PostgreSQL counts what reads no table only later
            made.append(time.monotonic())
            time.sleep(0.05)
    # Readings are ten seconds apart, so one of them lies wholly inside; the minute may hold quieter ones too. On a busy
    # machine there are fewer in some ten seconds than in others.
    spans = [sum(at <= each < at + 10 for each in made) / 10 for at in made if at + 10 <= made[-1]]
    assert 0.7 * min(spans) <= max(watched.values("db.Transactions.xact_commit.max")) <= 1.3 * max(spans)
    databases = watched.cloud.part(Databases)
    processes, size = databases.processes("shop"), databases.instances["shop"].size
    with sampler.watching(databases.server("shop")) as request:
        # A session may tell of its last commits as late as at its end.
        eventually(
            "the session is gone", lambda: not request._ask(f"SELECT pid FROM pg_stat_activity WHERE pid = {pid}")
        )
        request.counters(processes, size)
        for _ in range(30):
            request.sessions()
            time.sleep(0.1)
        assert request.counters(processes, size)["db.Transactions.xact_commit"] < 4  # of the twenty a second made here


@pytest.mark.cloud
def test_times_are_aligned_and_points_stand_at_the_end_of_their_period(watched: Watched) -> None:
    eventually("there is load", lambda: watched.values("db.load.avg"))
    start = datetime.now(UTC).replace(second=30, microsecond=0) - timedelta(minutes=3)
    more: dict[str, Any] = {"StartTime": start, "EndTime": start + timedelta(minutes=2)}
    answer = watched.metrics({"Metric": "db.load.avg"}, **more)
    whole = start.replace(second=0)
    assert answer["Identifier"] == watched.id
    assert answer["AlignedStartTime"] == whole
    assert answer["AlignedEndTime"] == whole + timedelta(minutes=3)
    stamps = [point["Timestamp"] for point in answer["MetricList"][0]["DataPoints"]]
    assert stamps == [whole + timedelta(minutes=n) for n in (1, 2, 3)]
    answer = watched.metrics({"Metric": "db.load.avg"}, PeriodAlignment="START_TIME", **more)
    assert [point["Timestamp"] for point in answer["MetricList"][0]["DataPoints"]] == [
        whole + timedelta(minutes=n) for n in (0, 1, 2)
    ]
    for period in (1, 60, 300, 3600, 86400):
        answer = watched.metrics({"Metric": "db.load.avg"}, period=period)
        assert answer["AlignedStartTime"].timestamp() % period == 0


@pytest.mark.cloud
def test_long_answers_come_in_pages(watched: Watched) -> None:
    requested = [{"Metric": f"db.User.numbackends.{each}"} for each in ("avg", "min", "max", "sum")]
    first = watched.metrics(*requested, MaxResults=3)
    rest = watched.metrics(*requested, MaxResults=3, NextToken=first["NextToken"])
    assert [len(first["MetricList"]), len(rest["MetricList"])] == [3, 1]
    assert "NextToken" not in rest
    assert rest["MetricList"][0]["Key"] == {"Metric": "db.User.numbackends.sum"}


@pytest.mark.cloud
def test_what_can_be_asked_is_reported_and_can_be_asked(watched: Watched) -> None:
    who = {"ServiceType": "RDS", "Identifier": watched.id}
    page = watched.pi.list_available_resource_metrics(**who, MetricTypes=["os", "db"])
    more = watched.pi.list_available_resource_metrics(**who, MetricTypes=["os", "db"], NextToken=page["NextToken"])
    names = [each["Metric"] for each in page["Metrics"] + more["Metrics"]]
    assert len(set(names)) == len(names) > 20
    for name in names:
        assert watched.metrics({"Metric": f"{name}.avg"})["MetricList"][0]["Key"]["Metric"] == f"{name}.avg"
    assert watched.pi.list_available_resource_metrics(**who, MetricTypes=["db.sql.stats"])["Metrics"] == []
    payload = watched.pi.list_available_resource_dimensions(**who, Metrics=["db.load"])["MetricDimensions"]
    for group in payload[0]["Groups"]:
        names = [each["Identifier"] for each in group["Dimensions"]]
        watched.metrics({"Metric": "db.load.avg", "GroupBy": {"Group": group["Group"], "Dimensions": names}})
    assert watched.pi.get_resource_metadata(**who)["Features"]["SQL_STATISTICS"]["Status"] == "UNSUPPORTED"


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"Identifier": "shop"}, "NotAuthorizedException", "shop for service type RDS is not authorized"),
        ({"Identifier": "db-" + "A" * 26}, "NotAuthorizedException", "not authorized for this account"),
        ({"ServiceType": "DOCDB"}, "NotAuthorizedException", "for service type DOCDB"),
        ({"ServiceType": "EC2"}, "InvalidArgumentException", "serviceType"),
        ({"MetricQueries": [{"Metric": "db.load"}]}, "InvalidArgumentException", "not a known statistic"),
        ({"MetricQueries": [{"Metric": "db.load.max"}]}, "InvalidArgumentException", "only avg"),
        ({"MetricQueries": [{"Metric": "os.swap.free.avg"}]}, "InvalidArgumentException", "not a known metric"),
        (
            {"MetricQueries": [{"Metric": "db.load.avg", "GroupBy": {"Group": "db.plans"}}]},
            "InvalidArgumentException",
            "not a known group: db.plans",
        ),
        (
            {"MetricQueries": [{"Metric": "db.load.avg", "Filter": {"db.colour": "red"}}]},
            "InvalidArgumentException",
            "not a known dimension: db.colour",
        ),
        (
            {"MetricQueries": [{"Metric": "db.User.numbackends.avg", "GroupBy": {"Group": "db.user"}}]},
            "InvalidArgumentException",
            "not valid for the counter metric",
        ),
        ({"PeriodInSeconds": 30}, "InvalidArgumentException", "period is not valid"),
        ({"StartTime": datetime.now(UTC) - timedelta(days=8)}, "InvalidArgumentException", "retention"),
        ({"StartTime": datetime.now(UTC) + timedelta(days=1)}, "InvalidArgumentException", "earlier than the EndTime"),
        (
            {"StartTime": datetime.now(UTC) - timedelta(days=2), "PeriodInSeconds": 1},
            "InvalidArgumentException",
            "data points",
        ),
        ({"NextToken": "abc"}, "InvalidArgumentException", "NextToken"),
        ({"PeriodAlignment": "MIDDLE"}, "InvalidArgumentException", "periodAlignment"),
    ],
)
def test_what_aws_refuses_is_refused(watched: Watched, change: dict[str, Any], error: str, message: str) -> None:
    with pytest.raises(watched.pi.exceptions.ClientError, match=message) as refused:
        watched.metrics({"Metric": "db.load.avg"}, **change)
    assert refused.value.response["Error"]["Code"] == error
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.cloud
def test_the_runbooks_command_works_with_the_times_it_leaves_out(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "query.json").write_text(
        json.dumps([{"Metric": "db.load.avg", "GroupBy": {"Group": "db.wait_event", "Limit": 5}}])
    )
    identity = watched.cloud.part(Identity)
    command = [str(Path(sys.executable).parent / "aws"), "pi", "get-resource-metrics", "--service-type", "RDS"]
    command += ["--identifier", watched.id, "--metric-queries", "file://query.json"]
    with watched.running(SLEEP):
        since = seconds_from_now(2)
        eventually("the sleep is load", lambda: "Timeout" in watched.top("db.wait_event_type", since))
        # From then on: what earlier tests waited for would be more than this, and only five events are told.
        begin, end = since, datetime.now(UTC) + timedelta(minutes=1)
        command += ["--start-time", f"{begin:%FT%TZ}", "--end-time", f"{end:%FT%TZ}"]
        answer = subprocess.run(
            [*command, "--output", "json"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AWS_ENDPOINT_URL": watched.cloud.settings.endpoint,
                "AWS_DEFAULT_REGION": watched.cloud.settings.region,
                "AWS_ACCESS_KEY_ID": identity.access_key_id,
                "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
                "AWS_MAX_ATTEMPTS": "1",
            },
        )
    assert answer.stderr == ""
    payload = json.loads(answer.stdout)
    assert payload["Identifier"] == watched.id
    assert payload["MetricList"][0]["Key"] == {"Metric": "db.load.avg"}
    named = [each["Key"]["Dimensions"]["db.wait_event.name"] for each in payload["MetricList"][1:]]
    assert "Timeout:PgSleep" in named


@pytest.mark.cloud
def test_sampling_goes_on_after_a_stop_and_a_start_and_a_gap_shows_as_a_gap(watched: Watched) -> None:
    eventually("the instance is sampled", lambda: any(watched.sampled(datetime.now(UTC) - timedelta(seconds=5))))
    watched.rds.stop_db_instance(DBInstanceIdentifier="shop")
    eventually("the instance is stopped", lambda: watched.shown()["DBInstanceStatus"] == "stopped")
    stopped = seconds_from_now(1)
    eventually("three seconds have passed", lambda: datetime.now(UTC) > stopped + timedelta(seconds=3))
    assert not any(watched.sampled(stopped))
    watched.rds.start_db_instance(DBInstanceIdentifier="shop")
    watched.available()
    eventually("the instance is sampled again", lambda: any(watched.sampled(stopped)))
    assert not watched.sampled(stopped)[0]


@pytest.mark.cloud
def test_an_instance_with_insights_off_is_neither_watched_nor_known(watched: Watched) -> None:
    modify = watched.rds.modify_db_instance

    def watchers() -> list[str]:
        with watched.connect() as own:
            query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
            return [str(pid) for (pid,) in own.execute(query, [NAME])]

    modify(DBInstanceIdentifier="shop", EnablePerformanceInsights=False, ApplyImmediately=True)
    watched.available()
    with pytest.raises(watched.pi.exceptions.NotAuthorizedException, match=f"{watched.id} for service type RDS is not"):
        watched.metrics({"Metric": "db.load.avg"})
    eventually("the watcher has left", lambda: not watchers())
    modify(DBInstanceIdentifier="shop", EnablePerformanceInsights=True, ApplyImmediately=True)
    watched.available()
    assert watched.metrics({"Metric": "db.load.avg"})["Identifier"] == watched.id
    eventually("the watcher is back", watchers)


# -- the parts that need no server ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("SELECT *\n  FROM t -- who\n WHERE a = 'it''s' AND b=$1", "SELECT * FROM t WHERE a = ? AND b=?"),
        ("select x1, 1.5e3, E'a\\'b' from \"T 1\"", 'select x1, ?, ? from "T 1"'),
        ("DO $f$ BEGIN 'x' END $f$", "DO ?"),
        ("INSERT INTO t VALUES ('cut off he", "INSERT INTO t VALUES (?"),
        ("SELECT 1 /* cut", "SELECT ?"),
    ],
)
def test_a_digest_has_no_literals(text: str, digest: str) -> None:
    assert tokenized(text) == digest


@given(st.text(alphabet="ab1 '\"$-/*\n\\eE.,?()"))
def test_a_digest_of_a_digest_is_itself(text: str) -> None:
    assert tokenized(tokenized(text)) == tokenized(text)


@given(st.integers(min_value=0), st.text(alphabet=st.characters(exclude_characters="\0")))
def test_statements_that_differ_in_literals_only_have_one_digest(number: int, name: str) -> None:
    quoted = name.replace("'", "''")
    text = f"SELECT a FROM t WHERE id = {number} AND name = '{quoted}'"
    assert tokenized(text) == "SELECT a FROM t WHERE id = ? AND name = ?"


def _busy(text: str, wait: str = "CPU") -> Session:
    return Session((("db.user.name", "keeper"), ("db.wait_event.name", wait)), Statement(text, None))


def test_what_is_kept_is_bounded_and_the_load_stays_true(tmp_path: Path) -> None:
    kept = Store(tmp_path / "insights.sqlite")
    now = 1_800_000_000 // 60 * 60
    for second in range(30):
        kept.add("db-A", now + second, [_busy(f"SELECT {second} AS n{n}") for n in range(20)])
    load = kept.load("db-A", Span(now, now + 60, 60))
    assert load.samples == {0: 30}
    assert queries.total(load, list(load.keys)) == 20
    assert len(load.keys) == store.MOST_KEYS + 1
    kept.prune(now + store.HOUR + 60)
    assert kept.load("db-A", Span(now, now + 60, 1)).samples == {}
    assert kept.load("db-A", Span(now, now + 60, 60)).samples == {0: 30}
    kept.prune(now + 8 * store.DAY)
    assert kept.load("db-A", Span(now, now + 60, 60)).keys == {}
    kept.close()


def test_the_store_is_there_again_after_a_restart_and_instances_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "insights.sqlite"
    now = 1_800_000_000 // 60 * 60
    first = Store(path)
    first.add("db-A", now, [_busy("SELECT 1"), _busy("SELECT 1"), _busy("SELECT 2", "IO:DataFileRead")])
    first.add("db-B", now, [])
    first.close()
    again = Store(path)
    again.add("db-A", now + 1, [_busy("SELECT 1")])
    load = again.load("db-A", Span(now, now + 60, 60))
    by_sql = queries.split(load, load.keys, queries.group({"Group": "db.sql", "Dimensions": ["db.sql.statement"]}))
    assert [(named["db.sql.statement"], queries.total(load, keys)) for named, keys in by_sql] == [
        ("SELECT 1", 1.5),
        ("SELECT 2", 0.5),
    ]
    idle = again.load("db-B", Span(now, now + 60, 60))
    assert queries.series(idle, list(idle.keys)) == {0: 0.0}
    assert again.statement("db-B", Statement("SELECT 1", None).id) is None
    assert again.statement("db-A", Statement("SELECT 1", None).id) == "SELECT 1"
    again.close()


@given(st.integers(min_value=1, max_value=6 * 86400), st.integers(min_value=0, max_value=3600))
def test_a_span_covers_what_was_asked_and_no_period_more(seconds: int, age: int) -> None:
    now = datetime(2027, 1, 15, 8, 0, 7, tzinfo=UTC)
    end = now - timedelta(seconds=age)
    span = queries.span({"StartTime": end - timedelta(seconds=seconds), "EndTime": end}, now)
    assert span.start % span.period == span.end % span.period == 0
    assert 0 <= (end - timedelta(seconds=seconds)).timestamp() - span.start < span.period
    assert 0 <= span.end - end.timestamp() < span.period
    assert span.slots <= 1200


def test_the_component_is_part_of_every_cloud(shared_cloud: Cloud) -> None:
    assert shared_cloud.has(Insights)
