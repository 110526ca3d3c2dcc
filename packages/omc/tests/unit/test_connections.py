"""How many connections PostgreSQL takes, by what its parameter group sets, and how many a task may open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.facts.connections import Connections, connections_of, read_connections
from omc.facts.definitions import Definitions
from support import release_facts as example
from support.canned_aws import canned_aws

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


@pytest.mark.parametrize(
    ("variables", "each"),
    [
        ({}, 0),
        ({"WEB_CONCURRENCY": "4"}, 0),
        ({"POSTGRES_SERVER": "db"}, 5),
        ({"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "4"}, 20),
        ({"POSTGRES_SERVER": "db", "DATABASE_POOL_SIZE": "3"}, 3),
        ({"POSTGRES_SERVER": "db", "WEB_CONCURRENCY": "many", "DATABASE_POOL_SIZE": "3"}, 3),
    ],
)
def test_a_task_opens_as_many_as_its_workers_pools_hold(variables: dict[str, str], each: int) -> None:
    assert connections_of(example.definition("backend", 7, "a", **variables)) == each
