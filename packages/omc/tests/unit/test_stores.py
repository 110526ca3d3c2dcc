"""No database or cache, a DB cluster, a serverless cache: what is read of each, what is said, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from omc.checks.backups import backups_verified
from omc.checks.cache import cache_items
from omc.checks.causes.database import database_trouble
from omc.checks.database import database_cluster
from omc.checks.finding import Finding, Level
from omc.checks.maintenance import pending_changes
from omc.checks.run import Report
from omc.config.stores import database_log_group, left_out
from omc.errors import AccessDenied, NotFound, Refused
from omc.facts.backups import Backups, read_backups
from omc.facts.cache_group import CacheGroup, read_cache_group, read_cache_types
from omc.facts.costs.support import read_engine_support
from omc.facts.data_doors import read_cache, read_database
from omc.facts.database_options import read_storage_change
from omc.facts.followup.data_stores import read_data_stores
from omc.facts.followup.database_log import read_database_log
from omc.facts.followup.gauges import read_gauges
from omc.facts.infrastructure import read_deletion_protection
from omc.facts.log_groups import expected
from omc.facts.pending import Pending, read_pending
from omc.facts.performance.database_lines import read_database_lines
from omc.facts.secrets import _master_secret
from omc.facts.traffic import MetricsAge, read_metrics_age
from omc.facts.verifications import RecordedVerifications, Verifications
from omc.model.requests import BackupCreateRequest, CacheRebootRequest
from omc.reports.screen import _foot
from support import release_facts as example
from support.fake_gateway import FakeGateway

PLAIN = replace(example.environment(), name="acme", region="eu-central-1", services=())
NOTHING = replace(PLAIN, database="", cache="")
CLUSTER = replace(NOTHING, database_cluster="acme-prod")
SERVERLESS = replace(NOTHING, cache_serverless="acme-cache")
SCOPE = example.SCOPE
AT = datetime(2026, 11, 30, 3, tzinfo=UTC)
SECRET = "arn:aws:secretsmanager:eu-central-1:1:secret:rds!cluster-1-AbCdEf"


def member(name: str, status: str = "available") -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceStatus": status,
        "DBInstanceClass": "db.r6g.large",
        "DBInstanceArn": f"arn:{name}",
        "PendingModifiedValues": {},
        "DBParameterGroups": [],
        "DbiResourceId": name,
        "Engine": "aurora-postgresql",
        "EngineVersion": "16.4",
        "PerformanceInsightsEnabled": True,
        "PreferredMaintenanceWindow": "sat:16:00-sat:18:00",
        "Endpoint": {"Address": f"{name}.rds", "Port": 5432},
    }


def cluster(status: str = "available", writer: str = "acme-2", **more: Any) -> dict[str, Any]:
    return {
        "DBClusterIdentifier": "acme-prod",
        "Status": status,
        "Engine": "aurora-postgresql",
        "DBClusterArn": "arn:cluster",
        "DeletionProtection": True,
        "MasterUserSecret": {"SecretArn": SECRET},
        "Endpoint": "acme.cluster",
        "ReaderEndpoint": "acme.cluster-ro",
        "Port": 5432,
        "DatabaseName": "acme",
        "DBClusterMembers": [
            {"DBInstanceIdentifier": name, "IsClusterWriter": name == writer} for name in ("acme-1", "acme-2")
        ],
        "EarliestRestorableTime": AT,
        "LatestRestorableTime": AT,
        **more,
    }


def no_figures(asked: Mapping[str, Any]) -> Any:
    empty = {"Timestamps": [], "Values": [], "StatusCode": "Complete"}
    return {"MetricDataResults": [{"Id": each["Id"], **empty} for each in asked["MetricDataQueries"]]}


def event(source: str) -> dict[str, Any]:
    return {"Date": AT, "SourceIdentifier": source, "Message": f"{source} failed over"}


def rds(there: Mapping[str, Any] | None = None, *members: dict[str, Any]) -> FakeGateway:
    """A cluster with its members as RDS tells of them."""

    def events(asked: Mapping[str, Any]) -> Any:
        if asked["SourceType"] == "db-cluster":
            return {"Events": [event("acme-prod")]}
        return {"Events": [event("acme-1"), event("somebody-elses")]}

    return FakeGateway(
        {
            ("rds", "describe_db_clusters"): {"DBClusters": [there or cluster()]},
            ("rds", "describe_db_instances"): {"DBInstances": list(members or (member("acme-1"), member("acme-2")))},
            ("rds", "describe_pending_maintenance_actions"): {"PendingMaintenanceActions": []},
            ("rds", "describe_events"): events,
            ("elasticache", "describe_events"): {"Events": []},
            ("rds", "describe_db_cluster_snapshots"): lambda asked: {"DBClusterSnapshots": snapshots(asked)},
            ("elbv2", "describe_load_balancers"): {"LoadBalancers": []},
            ("cloudwatch", "get_metric_data"): no_figures,
            ("rds", "describe_db_major_engine_versions"): {"DBMajorEngineVersions": []},
        },
        CLUSTER,
    )


def snapshots(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    taken = {"DBClusterSnapshotIdentifier": "nightly", "SnapshotType": "manual", "Status": "available"}
    return [{**taken, "SnapshotCreateTime": AT}] if asked["SnapshotType"] == "manual" else []


# -- none ------------------------------------------------------------------------------------------------------------

READERS: Mapping[str, Any] = {
    "pending": lambda aws: read_pending(aws, NOTHING),
    "backups": lambda aws: read_backups(aws, NOTHING),
    "cache group": lambda aws: read_cache_group(aws, NOTHING),
    "cache types": lambda aws: read_cache_types(aws, NOTHING),
    "storage": lambda aws: read_storage_change(aws, NOTHING),
    "database log": lambda aws: read_database_log(aws, NOTHING, SCOPE),
    "database lines": lambda aws: read_database_lines(aws, NOTHING, SCOPE),
    "master secret": lambda aws: _master_secret(aws, NOTHING),
    "log groups": lambda aws: expected(NOTHING),
    "support": lambda aws: read_engine_support(aws, NOTHING, read_pending(aws, NOTHING)),
}


@pytest.mark.parametrize("name", READERS)
def test_of_what_omc_toml_has_none_of_nothing_is_asked(name: str) -> None:
    aws = FakeGateway({}, NOTHING)
    found = READERS[name](aws)
    assert aws.requests == []
    assert name != "pending" or found.left_out == {"database", "cache"}
    assert name != "log groups" or not any("/aws/rds" in group for group in found)


def test_nothing_is_asked_by_an_empty_name_where_only_the_rest_is_read() -> None:
    metrics = FakeGateway({("cloudwatch", "get_metric_data"): no_figures}, NOTHING)
    read_metrics_age(metrics, NOTHING, SCOPE)
    stores = FakeGateway({("elasticache", "describe_events"): {"Events": []}}, NOTHING)
    found = read_data_stores(stores, NOTHING)
    assert (found.database.name, found.cache.name) == ("", "")
    read_gauges(metrics, NOTHING, SCOPE, found)
    assert "'Value': ''" not in str(metrics.requests)
    assert (
        read_deletion_protection(
            FakeGateway({("elbv2", "describe_load_balancers"): {"LoadBalancers": []}}, NOTHING), NOTHING
        ).protected
        == ()
    )


def test_checks_of_what_isnt_there_say_nothing_and_it_is_said_once() -> None:
    pending = read_pending(FakeGateway({}, NOTHING), NOTHING)
    known = RecordedVerifications(Verifications())
    every: list[Finding] = [
        *cache_items(MetricsAge(()), pending, NOTHING, SCOPE),
        *backups_verified(known, NOTHING, SCOPE),
        *pending_changes(pending, NOTHING, SCOPE),
        *database_cluster(pending, NOTHING),
        *database_cluster(pending, PLAIN),
    ]
    assert every == []
    assert left_out(NOTHING) == ("no database in omc.toml", "no cache in omc.toml")
    assert left_out(PLAIN) == left_out(replace(CLUSTER, cache="x")) == ()
    assert left_out(CLUSTER) == ("no cache in omc.toml",)
    report = Report("Morning check", NOTHING, None, AT, 0.1, (), ())
    assert report.left_out == left_out(NOTHING)
    assert any("no database in omc.toml" in line for line in _foot([report], 100, SimpleNamespace(is_limited=True)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "procedure", "request_", "words"),
    [
        (NOTHING, "backup-create", BackupCreateRequest(""), 'database = ""'),
        (CLUSTER, "backup-create", BackupCreateRequest(""), "create-db-cluster-snapshot"),
        (NOTHING, "cache-reboot", CacheRebootRequest("x"), 'cache = ""'),
        (SERVERLESS, "cache-reboot", CacheRebootRequest("x"), "modify-serverless-cache"),
    ],
)
def test_what_changes_one_is_refused_in_a_sentence(environment: Any, procedure: str, request_: Any, words: str) -> None:
    with pytest.raises(Refused) as raised:
        example.planned(
            procedure,
            request_,
            environment=environment,
            backups=Backups(None),
            cache=CacheGroup(None),
            pending=Pending(()),
        )
    assert words in raised.value.message
    assert raised.value.message.count("\n") == 0


def test_a_door_to_what_isnt_there_is_refused_before_anything_is_asked() -> None:
    aws = FakeGateway({}, NOTHING)
    for read in (read_database, read_cache):
        with pytest.raises(Refused, match=r"omc\.toml names none"):
            read(aws)
    assert aws.requests == []


# -- a cluster -------------------------------------------------------------------------------------------------------


def judged(there: Mapping[str, Any] | None = None, *members: dict[str, Any]) -> Finding:
    [found] = database_cluster(read_pending(rds(there, *members), CLUSTER), CLUSTER)
    assert found.place == "database"
    return found


@pytest.mark.parametrize(
    ("there", "members", "level", "words"),
    [
        (None, (), Level.OK, "acme-2 takes writes, acme-1 follows"),
        (cluster("failing-over"), (), Level.FAIL, "The cluster is failing-over"),
        (cluster(writer=""), (), Level.FAIL, "No member of the cluster takes writes"),
        (
            None,
            (member("acme-1"), member("acme-2", "rebooting")),
            Level.FAIL,
            "acme-2, which takes writes, is rebooting",
        ),
        (None, (member("acme-1", "creating"), member("acme-2")), Level.WARN, "acme-1 is creating"),
        (None, (member("acme-2"),), Level.OK, "it has no reader"),
    ],
)
def test_the_morning_check_judges_a_cluster_and_its_members(there: Any, members: Any, level: Level, words: str) -> None:
    found = judged(there, *members)
    assert found.level is level
    assert words in found.sentence


def test_a_cluster_that_isnt_there_is_unknown_with_what_helps() -> None:
    gone = rds()
    gone.answers["rds", "describe_db_clusters"] = NotFound("none", "DBClusterNotFoundFault")
    [found] = database_cluster(read_pending(gone, CLUSTER), CLUSTER)
    assert found.level is Level.UNKNOWN
    assert "correct database_cluster" in found.sentence


def test_one_that_may_not_be_read_is_unknown_and_never_none() -> None:
    denied = rds()
    denied.answers["rds", "describe_db_clusters"] = AccessDenied("You may not.", "rds:DescribeDBClusters")
    with pytest.raises(AccessDenied):
        read_pending(denied, CLUSTER)


def test_what_is_read_of_a_cluster_is_the_writers_and_its_own() -> None:
    aws = rds()
    pending = read_pending(aws, CLUSTER)
    assert pending.database is not None
    assert pending.database["DBInstanceIdentifier"] == "acme-2"
    assert [each["DBInstanceIdentifier"] for each in pending.members] == ["acme-2", "acme-1"]
    assert database_log_group(CLUSTER) == "/aws/rds/cluster/acme-prod/postgresql"
    assert _master_secret(aws, CLUSTER) == SECRET
    assert read_deletion_protection(aws, CLUSTER).protected == ("the database acme-prod",)
    [support] = read_engine_support(aws, CLUSTER, pending).stores
    assert (support.name, support.nodes) == ("acme-prod", 2)
    backups = read_backups(aws, CLUSTER)
    assert ([one.name for one in backups.snapshots], backups.latest, backups.instance) == (["nightly"], AT, None)


def test_its_state_is_what_a_diagnosis_begins_with() -> None:
    store = read_data_stores(rds(), CLUSTER).database
    assert (store.name, store.host, store.instance, store.status) == (
        "acme-prod",
        "acme.cluster",
        "acme-2",
        "available",
    )
    assert [each.source for each in store.events] == ["acme-prod", "acme-1"]
    assert store.resource_id == "acme-2", "Performance Insights are the writer's"
    assert read_data_stores(rds(cluster("failing-over")), CLUSTER).database.status == "failing-over"
    aws = rds()
    read_gauges(aws, CLUSTER, SCOPE, read_data_stores(aws, CLUSTER))
    [asked] = aws.calls("get_metric_data")
    dimensions = {str(each["MetricStat"]["Metric"]["Dimensions"]) for each in asked["MetricDataQueries"]}
    assert dimensions == {"[{'Name': 'DBInstanceIdentifier', 'Value': 'acme-2'}]"}


def test_its_door_leads_to_the_writer_and_for_reading_to_its_readers() -> None:
    place = read_database(rds())
    assert (place.address, place.port, place.name, place.master_secret) == ("acme.cluster", 5432, "acme", SECRET)
    assert place.reader_address == "acme.cluster-ro"
    assert read_database(rds(None, member("acme-2"))).reader_address == ""


# -- a serverless cache ----------------------------------------------------------------------------------------------


def elasticache(answer: Any) -> FakeGateway:
    return FakeGateway(
        {
            ("elasticache", "describe_serverless_caches"): answer,
            ("elasticache", "describe_events"): {"Events": []},
            ("cloudwatch", "get_metric_data"): no_figures,
        },
        SERVERLESS,
    )


THERE = {
    "ServerlessCaches": [
        {
            "ServerlessCacheName": "acme-cache",
            "Status": "available",
            "Engine": "valkey",
            "Endpoint": {"Address": "acme.cache", "Port": 6379},
            "SecurityGroupIds": ["sg-1"],
            "SubnetIds": ["s"],
        }
    ]
}


def test_a_serverless_cache_is_read_as_a_whole() -> None:
    aws = elasticache(THERE)
    pending = read_pending(aws, SERVERLESS)
    assert (pending.cache, pending.serverless) == (None, THERE["ServerlessCaches"][0])
    store = read_data_stores(aws, SERVERLESS).cache
    assert (store.name, store.status, store.host, store.groups) == ("acme-cache", "available", "acme.cache", ("sg-1",))
    place = read_cache(aws)
    assert (place.address, place.has_tls, place.has_token) == ("acme.cache", True, False)
    read_metrics_age(aws, SERVERLESS, SCOPE)
    asked = str(aws.calls("get_metric_data")[0])
    assert "{'Name': 'clusterId', 'Value': 'acme-cache'}" in asked
    assert "acme-cache-001" not in asked


def test_one_that_isnt_there_says_so() -> None:
    gone = elasticache(NotFound("none", "ServerlessCacheNotFoundFault"))
    assert read_pending(gone, SERVERLESS).serverless is None
    with pytest.raises(Refused, match="no serverless cache acme-cache"):
        read_cache(gone)


def test_no_cause_is_looked_for_at_a_database_that_isnt_there() -> None:
    stores = read_data_stores(FakeGateway({("elasticache", "describe_events"): {"Events": []}}, NOTHING), NOTHING)
    assert list(database_trouble(SimpleNamespace(stores=stores))) == []  # type: ignore[arg-type]
