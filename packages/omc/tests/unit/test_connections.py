"""How many connections PostgreSQL takes, by what its parameter group sets, and how many a task may open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.errors import AccessDenied, NotFound, Throttled
from omc.facts.connections import Connections, aurora_default, connections_of, read_connections
from omc.facts.definitions import Definitions
from omc.model.requests import RestartRequest, ScaleRequest
from support import release_facts as example
from support.canned_aws import canned_aws
from support.fake_gateway import FakeGateway

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
SET = {"ParameterName": "work_mem", "ParameterValue": "8192", "Source": "user"}


def limit(*rows: Mapping[str, Any]) -> tuple[Connections, list[str]]:
    """What is read of a group with these parameters, and the operations that it took."""

    def parameters(request: Mapping[str, Any]) -> Mapping[str, Any]:
        assert request["DBParameterGroupName"] == "shop"
        return {"Parameters": [row for row in rows if row["Source"] == request.get("Source", row["Source"])]}

    answers: Any = {
        ("rds", "DescribeDBInstances"): {"DBInstances": [{"DBParameterGroups": [{"DBParameterGroupName": "shop"}]}]},
        ("rds", "DescribeDBParameters"): parameters,
    }
    variables = {"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "2", "DATABASE_POOL_SIZE": "3"}
    there = Definitions({"backend": example.definition("backend", 7, "a", **variables)}, {})
    with canned_aws(answers) as aws:
        gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example"))
        return read_connections(gateway, STAGING, there), aws.operations()


def row(value: str | None, source: str = "user") -> dict[str, Any]:
    return {"ParameterName": "max_connections", "Source": source} | ({"ParameterValue": value} if value else {})


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ([row("80")], 80),
        ([SET, row("80")], 80),
        ([row("1000"), SET], 1000),
        ([row("LEAST({DBInstanceClassMemory/9531392},5000)", "system")], None),
        ([row("LEAST({DBInstanceClassMemory/9531392},5000)")], None),
        ([row("{DBInstanceClassMemory/12582880}"), SET], None),
        ([row(None, "engine-default")], None),
        ([row(None)], None),
        ([SET], None),
        ([], None),
    ],
)
def test_only_a_number_that_the_group_sets_is_known(rows: list[dict[str, Any]], known: int | None) -> None:
    found, operations = limit(*rows)
    assert found.limit == known
    assert bool(found.why_unknown) is (known is None)
    assert found.each_task == {"backend": 6}
    assert operations.count("DescribeDBParameters") == 1


BACKEND = STAGING.services[0]


@pytest.mark.parametrize(
    ("variables", "said", "each", "why"),
    [
        ({}, None, 0, ""),
        ({"WEB_CONCURRENCY": "4"}, None, 0, ""),
        ({"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "4", "DATABASE_POOL_SIZE": "3"}, None, 12, ""),
        ({"POSTGRES_SERVER": "db"}, None, None, "not both WEB_CONCURRENCY and DATABASE_POOL_SIZE"),
        ({"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "4"}, None, None, "connections = NUMBER"),
        ({"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "many", "DATABASE_POOL_SIZE": "3"}, None, None, "is no number"),
        ({"DATABASE_URL": "postgresql://db/x"}, None, None, "[services.backend] connections"),
        ({"DB_HOST": "db"}, None, None, "connections = NUMBER"),
        ({"DATABASE_URL": "postgresql://db/x"}, 20, 20, ""),
        ({}, 20, 20, ""),
        ({"A": "5", "B": "10"}, ("A", "B"), 15, ""),
        ({"A": "5"}, ("A", "B"), None, "B is no number or isn't in its task definition"),
        ({"A": "five", "B": "10"}, ("A", "B"), None, "A is no number"),
    ],
)
def test_a_task_opens_as_many_as_omc_toml_says_else_as_its_workers_pools_hold_else_it_is_unknown(
    variables: dict[str, str], said: int | tuple[str, ...] | None, each: int | None, why: str
) -> None:
    found = connections_of(example.definition("backend", 7, "a", **variables), replace(BACKEND, connections=said))
    assert found.count == each
    assert why in found.why_unknown
    assert bool(found.why_unknown) is (each is None)


def test_a_secret_that_names_a_database_is_one() -> None:
    definition = example.definition("backend", 7, "a")
    definition.body["containerDefinitions"][0]["secrets"].append({"name": "DATABASE_URL", "valueFrom": "arn"})
    assert connections_of(definition, BACKEND).count is None


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ("db.r5.large", 1678),
        ("db.r6g.xlarge", 3357),
        ("db.r7g.2xlarge", 5000),
        ("db.r6g.16xlarge", 5000),
        ("db.t4g.medium", 419),
        ("db.t3.large", 839),
        ("db.x2g.large", 3357),
        ("db.r4.large", None),
        ("db.serverless", None),
        ("db.m1.small", None),
        ("db.z9.large", None),
        ("", None),
    ],
)
def test_auroras_default_by_the_documented_formula(size: str, most: int | None) -> None:
    assert aurora_default(size) == most


ACME = replace(STAGING, name="acme", database="", database_cluster="acme-prod", region="eu-central-1")


def of_cluster(
    *, of_instance: Any = (), of_cluster: Any = (), size: str = "db.r6g.large", engine: str = "aurora-postgresql"
) -> Connections:
    members = [
        {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": size,
            "DBParameterGroups": [{"DBParameterGroupName": "members"}],
        }
        for name in ("acme-1", "acme-2")
    ]
    cluster = {
        "DBClusterIdentifier": "acme-prod",
        "Engine": engine,
        "DBClusterParameterGroup": "whole",
        "DBClusterMembers": [
            {"DBInstanceIdentifier": "acme-1", "IsClusterWriter": False},
            {"DBInstanceIdentifier": "acme-2", "IsClusterWriter": True},
        ],
    }
    gateway = FakeGateway(
        {
            ("rds", "describe_db_clusters"): {"DBClusters": [cluster]},
            ("rds", "describe_db_instances"): {"DBInstances": members},
            ("rds", "describe_db_parameters"): {"Parameters": list(of_instance)},
            ("rds", "describe_db_cluster_parameters"): {"Parameters": list(of_cluster)},
        },
        ACME,
    )
    return read_connections(gateway, ACME, Definitions({}, {}))


def test_a_clusters_limit_is_the_members_own_then_the_clusters_then_auroras_default() -> None:
    assert of_cluster(of_instance=[row("90")], of_cluster=[row("80")]).limit == 90
    assert of_cluster(of_cluster=[row("80")]).limit == 80
    assert of_cluster().limit == 1678
    assert of_cluster(of_instance=[row("LEAST({DBInstanceClassMemory/9531392},5000)")]).limit == 1678
    odd = of_cluster(of_instance=[row("{DBInstanceClassMemory/1}")])
    assert (odd.limit, bool(odd.why_unknown)) == (None, True)
    serverless = of_cluster(size="db.serverless")
    assert (serverless.limit, "db.serverless" in serverless.why_unknown) == (None, True)
    plain = of_cluster(engine="postgres", size="db.m5d.large")  # a Multi-AZ DB cluster
    assert (plain.limit, "doesn't set max_connections" in plain.why_unknown) == (None, True)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (AccessDenied("You may not rds:DescribeDBClusters.", "rds:DescribeDBClusters"), "may not"),
        (NotFound("There is none.", "DBClusterNotFoundFault"), "there is no database acme-prod in eu-central-1"),
        (Throttled("Too many requests."), "Too many"),
    ],
)
def test_a_database_that_cant_be_read_leaves_the_limit_unknown_and_nothing_else(trouble: Exception, why: str) -> None:
    gateway = FakeGateway({("rds", "describe_db_clusters"): trouble}, ACME)
    running = {"backend": example.definition("backend", 7, "a", DATABASE_URL="x")}
    found = read_connections(gateway, ACME, Definitions(running, {}))
    assert found.limit is None
    assert why in found.why_unknown
    assert "backend" in found.unknown


def test_without_a_database_nothing_is_asked_and_nothing_is_unknown() -> None:
    gateway = FakeGateway({}, replace(ACME, database_cluster=None))
    running = {"backend": example.definition("backend", 7, "a", DATABASE_URL="x")}
    assert read_connections(gateway, gateway.environment, Definitions(running, {})) == Connections(None, {})


UNKNOWN = Connections(80, {}, unknown={"backend": "nobody said"})


def test_a_plan_says_that_it_is_unknown_and_is_not_refused_for_it() -> None:
    for procedure, request in (("scale", ScaleRequest("backend", 4)), ("restart", RestartRequest(("backend",)))):
        plan = example.planned(procedure, request, connections=UNKNOWN)
        assert plan.refusals == (), procedure
        assert any("how many a task of backend opens is unknown" in note.lower() for note in plan.notes), procedure
