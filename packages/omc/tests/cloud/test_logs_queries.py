"""omc's queries where they are run, by the local cloud: on Athena, over files in S3 and tables like the Terraform's; in
Logs Insights, over log groups; and Live Tail."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.config import Config

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.services.elbv2.component import LoadBalancers
from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.errors import Unknown
from omc.facts.flow_log import FlowLog
from omc.facts.followup.request_clients import read_request_clients
from omc.facts.scope import Scope
from omc.logs.athena import OPERATIONS, Execution, ask_athena, most_scanned, sql_of
from omc.logs.from_s3 import ask_access_logs
from omc.logs.insights import ask
from omc.logs.live import FOLLOWING, Tail, follow, groups_there
from omc.logs.model import Span
from omc.logs.portable import portable_queries, portable_query
from omc.logs.queries import database_group, groups_over, shipped
from omc.logs.reading import read_errors, read_statements, read_talkers
from omc.logs.talkers import talkers_of
from omc.logs.trace import read_trace, span_of_id
from support.running_cloud import smallest_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud

Clients = Callable[[str], Any]
AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
SPAN = Span(AT - timedelta(hours=1), AT + timedelta(hours=1))
PLACE = Execution("ohmycoins-staging-logs", "ohmycoins_staging_logs")
FLOW = (
    *(("srcaddr", "string"), ("dstaddr", "string"), ("srcport", "int"), ("dstport", "int"), ("protocol", "bigint")),
    *(("packets", "bigint"), ("bytes", "bigint"), ("start", "bigint"), ("end", "bigint"), ("action", "string")),
    ("interface_id", "string"),
)
REQUEST = (
    *("type", "time", "elb", "client_ip", "client_port", "target_ip", "target_port", "request_processing_time"),
    *("target_processing_time", "response_processing_time", "elb_status_code", "target_status_code", "received_bytes"),
    *("sent_bytes", "request_verb", "request_url", "user_agent", "trace_id", "domain_name", "error_reason"),
)
FLOWS = (("10.0.21.9 10.0.11.5 5432 40000", 900), ("10.0.11.5 203.0.113.9 41000 443", 50))
NUMBERS = {"client_port": "int", "elb_status_code": "int", "received_bytes": "bigint", "sent_bytes": "bigint"}
SECONDS = frozenset({"request_processing_time", "target_processing_time", "response_processing_time"})
LINE = (
    "https {time} app/o/1 203.0.113.9:2817 10.0.11.24:8000 0.001 0.25 0.0 502 - 34 366 "
    '"GET /a" "curl" "Root=1-x" "d" "e"'
)
REGEX = (
    r"([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) ([^ ]*):([0-9]*) ([-.0-9]*) ([-.0-9]*) ([-.0-9]*) ([0-9]*) "
    r'([^ ]*) ([0-9]*) ([0-9]*) "([^ ]*) ([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)"'
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The smallest cloud that has Athena."""
    with smallest_cloud(tmp_path_factory.mktemp("cloud") / "state", "athena") as running:
        yield running


@pytest.fixture(scope="module")
def aws(cloud: Cloud) -> Clients:
    identity = cloud.part(Identity)
    session = boto3.Session(identity.access_key_id, identity.secret_access_key, region_name=cloud.settings.region)
    config = Config(s3={"addressing_style": "path"})
    return partial(session.client, endpoint_url=cloud.settings.endpoint, config=config)


@pytest.fixture(scope="module")
def gateway(cloud: Cloud, aws: Clients, tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    fill(aws, tmp_path_factory.mktemp("data"))
    identity = cloud.part(Identity)
    environment = replace(load(Path(__file__).parents[4] / "omc.toml").environments["staging"], account=None)
    access = Access(cloud.settings.endpoint, identity.access_key_id, identity.secret_access_key)
    return Gateway(environment, access, allowed=OPERATIONS)


def fill(aws: Clients, folder: Path) -> None:
    """Two days of a flow log and of access logs, their tables, and a workgroup with a bound."""
    s3, glue = aws("s3"), aws("glue")
    s3.create_bucket(Bucket="queried-logs", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    for day in (AT, AT - timedelta(days=3)):
        at, parquet = int(day.timestamp()), folder / f"{day:%d}.parquet"
        values = ", ".join(
            f"('{one}', '{other}', {ports}, 6, 3, {size}, {at}, {at + 60}, '{action}', 'eni-1')"
            for one, other, ports, size, action in (
                ("10.0.21.9", "10.0.11.5", "5432, 40000", 9000, "ACCEPT"),
                ("10.0.11.5", "10.0.21.9", "40000, 5432", 500, "ACCEPT"),
                ("203.0.113.7", "10.0.11.5", "50000, 22", 60, "REJECT"),
            )
        )
        names = ", ".join(f'"{name}"' for name, _ in FLOW)
        duckdb.connect().execute(f"COPY (SELECT * FROM (VALUES {values}) t({names})) TO '{parquet}' (FORMAT parquet)")
        s3.put_object(Bucket="queried-logs", Key=f"flow/{day:%Y/%m/%d}/a.parquet", Body=parquet.read_bytes())
        line = LINE.format(time=f"{day:%Y-%m-%dT%H:%M:%S}.5Z")
        s3.put_object(
            Bucket="queried-logs",
            Key=f"alb/{day:%Y/%m/%d}/a.log.gz",
            Body=gzip.compress(f"{line}\nnonsense\n".encode()),
        )
    glue.create_database(DatabaseInput={"Name": PLACE.database})
    hive = "org.apache.hadoop.hive"
    parquet_serde = {"SerializationLibrary": f"{hive}.ql.io.parquet.serde.ParquetHiveSerDe"}
    regex_serde = {"SerializationLibrary": f"{hive}.serde2.RegexSerDe", "Parameters": {"input.regex": REGEX}}
    requests = [(name, "double" if name in SECONDS else NUMBERS.get(name, "string")) for name in REQUEST]
    for table, place, columns, serde in (
        ("flow_log", "flow", FLOW, parquet_serde),
        ("access_log", "alb", requests, regex_serde),
    ):
        glue.create_table(
            DatabaseName=PLACE.database,
            TableInput={
                "Name": table,
                "Parameters": {"storage.location.template": f"s3://queried-logs/{place}/${{day}}"},
                "PartitionKeys": [{"Name": "day", "Type": "string"}],
                "StorageDescriptor": {
                    "Location": f"s3://queried-logs/{place}/",
                    "Columns": [{"Name": name, "Type": kind} for name, kind in columns],
                    "SerdeInfo": serde,
                },
            },
        )
    aws("athena").create_work_group(
        Name=PLACE.workgroup,
        Configuration={
            "BytesScannedCutoffPerQuery": 10**9,
            "ResultConfiguration": {"OutputLocation": "s3://queried-logs/results/"},
        },
    )


def silent(_: str) -> None:
    """Nobody looks at the progress."""


def test_every_query_of_omc_runs_and_reads_its_own_days_alone(gateway: Gateway) -> None:
    assert most_scanned(gateway, PLACE) == 10**9
    found = {}
    for name in portable_queries():
        sql = sql_of(portable_query(name), SPAN, 10, "1-x")
        answer = ask_athena(gateway, PLACE, sql, patience=60, report=silent)
        assert answer.gaps == (), name
        found[name] = answer
    assert [(each.bytes, each.port, each.protocol) for each in talkers_of(found["talkers"].rows)] == [
        (9000, 5432, "TCP"),
        (500, 5432, "TCP"),
        (60, 22, "TCP"),
    ]
    assert [row["srcaddr"] for row in found["rejected"].rows] == ["203.0.113.7"]
    assert found["statuses"].rows[0]["requests"] == "1"
    assert found["trace"].rows[0]["request_url"] == "/a"
    assert found["slow-requests"].rows[0]["target_processing_time"] == "0.25"
    assert found["talkers"].bytes_scanned > 0


def test_what_athena_refuses_and_what_fails_is_said(gateway: Gateway, aws: Clients) -> None:
    answer = ask_athena(gateway, PLACE, "SELECT nothing FROM flow_log", patience=60, report=silent)
    assert answer.gaps[0].startswith("Athena's query failed: ")
    athena = aws("athena")
    with pytest.raises(athena.exceptions.InvalidRequestException, match="SELECT alone"):
        athena.start_query_execution(QueryString="DROP TABLE flow_log", WorkGroup=PLACE.workgroup)
    started = athena.start_query_execution(QueryString="SELECT 1", WorkGroup=PLACE.workgroup)["QueryExecutionId"]
    athena.stop_query_execution(QueryExecutionId=started)
    state = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]["State"]
    assert state in ("CANCELLED", "SUCCEEDED")


def put(aws: Clients, group: str, *messages: str) -> None:
    """A log group with these lines, written just now."""
    logs, now = aws("logs"), int(datetime.now(UTC).timestamp() * 1000)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    events = [{"timestamp": now - 1000 + at, "message": message} for at, message in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


def test_insights_takes_each_query_of_omc(gateway: Gateway, aws: Clients) -> None:
    environment, now = gateway.environment, datetime.now(UTC)
    span = Span(now - timedelta(minutes=5), now + timedelta(minutes=5))
    backend = next(service.log_group for service in environment.services if service.name == "backend")
    request = "1-67e1a2b3-0123456789abcdef01234567"
    put(aws, backend, "ERROR no quote of 12 coins", "ERROR no quote of 7 coins", f"INFO trace={request} served")
    head = "2026-11-23 12:00:00 UTC:10.0.11.5(4):app@coins:[7]:LOG:  "
    put(aws, database_group(environment), f"{head}duration: 1500.2 ms  statement: SELECT *", "\tFROM prices")
    at = int(now.timestamp())
    flows = [f"2 123456789012 eni-0a1b2c3d4e5f60718 {ends} 6 3 {size} {at} {at} ACCEPT OK" for ends, size in FLOWS]
    put(aws, f"/vpc/{environment.prefix}/flow", *flows)
    errors = read_errors(gateway, environment, span, 30, silent)
    assert [(each.count, each.sources) for each in errors.shapes] == [(2, ("backend",))]
    statements, _ = read_statements(gateway, environment, span, 30, silent)
    assert [each.shape for each in statements] == ["select * from prices"]
    flow = FlowLog(f"/vpc/{environment.prefix}/flow")
    talkers, answer = read_talkers(gateway, environment, flow, span, 5, 30, silent)
    assert [(each.bytes, each.port) for each in talkers] == [(900, 5432), (50, 443)], answer
    events = read_trace(gateway, environment, request, span, 30, silent).events
    assert [event.message for event in events] == [f"INFO trace={request} served"]
    for saved in shipped().values():
        found = ask(gateway, groups_over(saved, environment), saved.text, span, patience=30, report=silent)
        assert found.gaps == (), saved.name


def test_lines_are_followed_by_live_tail(gateway: Gateway, aws: Clients) -> None:
    put(aws, "/ecs/live", "before")
    following = replace_allowed(gateway)
    tail, over = Tail(groups_there(following, ["/ecs/live", "/ecs/none"])), threading.Event()
    notes: list[str] = []
    seen = follow(following, tail, None, notes.append, over.is_set)

    def write() -> None:
        logs = aws("logs")
        while not over.wait(0.3):
            event = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": "while it is followed"}
            logs.put_log_events(logGroupName="/ecs/live", logStreamName="s", logEvents=[event])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        assert next(seen).message == "while it is followed"
    finally:
        over.set()
        writer.join()
        seen.close()
    assert notes == []


def replace_allowed(gateway: Gateway) -> Gateway:
    """The same environment, for Live Tail."""
    return Gateway(gateway.environment, gateway.access, allowed=FOLLOWING)


def fixed_answers(aws: Clients, name: str, account: str) -> str:
    """A load balancer that answers everything with 418 by itself and writes access logs; where it listens."""
    ec2, elb, s3 = aws("ec2"), aws("elbv2"), aws("s3")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    made = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}
    arn = made["LoadBalancerArn"]
    s3.create_bucket(Bucket="queried-access", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::queried-access/AWSLogs/{account}/*",
    }
    s3.put_bucket_policy(
        Bucket="queried-access", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    wanted = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "queried-access"}
    attributes = [{"Key": key, "Value": value} for key, value in wanted.items()]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[fixed])
    return str(made["DNSName"])


def test_access_logs_that_the_load_balancer_wrote_are_read_from_s3(
    cloud: Cloud, gateway: Gateway, aws: Clients
) -> None:
    with pytest.raises(Unknown, match="writes access logs"):
        ask_access_logs(gateway, gateway.environment, portable_query("clients"), SPAN, 5, silent)
    host = fixed_answers(aws, gateway.environment.prefix, cloud.settings.account)
    trace = f"1-{int(datetime.now(UTC).timestamp()):08x}-abcdef012345678912345678"
    span = span_of_id(trace)
    assert span is not None

    def asked() -> bool:
        with suppress(OSError):
            connection = http.client.HTTPConnection(host, cloud.settings.real_port(80), timeout=10)
            headers = {"X-Amzn-Trace-Id": f"Root={trace}", "User-Agent": "a test"}
            connection.request("GET", "/health?token=s3cr3t", headers=headers)
            return connection.getresponse().status == 418
        return False

    eventually("the load balancer answers", asked)

    def written() -> bool:
        cloud.part(LoadBalancers).access_logs(deliver=True)
        read = read_trace(gateway, gateway.environment, trace, span, 30, silent)
        return bool(read.events)

    eventually("the access log is in its bucket", written)
    scope = Scope(datetime.now(UTC))
    found = read_request_clients(gateway, gateway.environment, scope)
    assert found.bucket == "queried-access"
    assert [address.rpartition(".")[0][:4] for address, _ in found.most] == ["127."]
    assert (found.objects, found.requests > 0, found.size > 0) == (found.there, True, True)
    traced = read_trace(gateway, gateway.environment, trace, span, 30, silent)
    assert next(event.source for event in traced.events) == f"load balancer {gateway.environment.prefix}"
    answer = ask_access_logs(gateway, gateway.environment, portable_query("statuses"), span, 5, silent)
    assert [row["elb_status_code"] for row in answer.rows] == ["418"]
    assert answer.gaps == ()
    assert answer.bytes_scanned == found.size
    clients = ask_access_logs(gateway, gateway.environment, portable_query("clients"), span, 5, silent).rows
    assert int(clients[0]["requests"]) == found.most[0][1]
    assert clients[0]["client"] == found.most[0][0]
