"""The tasks of many services are listed once, of a few one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from omc.facts.tasks import FEW_SERVICES, running_tasks_of
from support.fake_gateway import FakeGateway


def task(arn: str, group: str) -> dict[str, Any]:
    return {"taskArn": arn, "taskDefinitionArn": "x/a:1", "lastStatus": "RUNNING", "group": group, "containers": []}


@pytest.mark.parametrize(("services", "listings"), [(1, 1), (FEW_SERVICES, FEW_SERVICES), (11, 1), (200, 1)])
def test_the_tasks_of_each_service(services: int, listings: int) -> None:
    names = [f"s{number}" for number in range(services)]
    every = {f"c/{name}-{number}": f"service:{name}" for name in names for number in (1, 2)} | {"c/job": "family:job"}

    def list_tasks(params: Mapping[str, Any]) -> dict[str, Any]:
        group = params.get("serviceName")
        return {"taskArns": [arn for arn, of in every.items() if group is None or of == f"service:{group}"]}

    def describe_tasks(params: Mapping[str, Any]) -> dict[str, Any]:
        assert len(params["tasks"]) <= 100
        return {"tasks": [task(arn, every[arn]) for arn in params["tasks"]]}

    gateway = FakeGateway({("ecs", "list_tasks"): list_tasks, ("ecs", "describe_tasks"): describe_tasks})
    found = running_tasks_of(gateway, names)
    assert {name: [one.id for one in some] for name, some in found.items()} == {
        name: [f"{name}-1", f"{name}-2"] for name in names
    }
    assert len(gateway.calls("list_tasks")) == listings
