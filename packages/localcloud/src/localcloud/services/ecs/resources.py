"""What ECS's calls touch, as ARNs; after AWS's authorization reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localcloud.core.registry import Call, resources
from localcloud.front.resources import arn, values_of
from localcloud.services.ecs.lookup import find_definition
from localcloud.services.ecs.records import Records

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@resources("ecs")
def resources_of(cloud: Cloud, call: Call) -> Iterator[str]:
    cluster = str(call.params.get("cluster") or "default").rpartition("/")[2]
    match call.operation:
        case "DescribeClusters":
            names = list(values_of(call, "clusters")) or ["default"]
            yield from (arn(call, f"cluster/{name.rpartition('/')[2]}") for name in names)
        case "UpdateCluster" | "UpdateClusterSettings" | "DeleteCluster" | "PutClusterCapacityProviders":
            yield arn(call, f"cluster/{cluster}")
        case "CreateService" | "UpdateService" | "DeleteService" | "DescribeServices" | "ListServiceDeployments":
            for name in values_of(call, "serviceName", "service", "services"):
                yield arn(call, f"service/{cluster}/{name.rpartition('/')[2]}")
        case "DescribeTasks" | "StopTask" | "ExecuteCommand":
            if call.operation == "ExecuteCommand":
                yield arn(call, f"cluster/{cluster}")
            for name in values_of(call, "tasks", "task"):
                yield arn(call, f"task/{cluster}/{name.rpartition('/')[2]}")
        case "RunTask":
            for name in values_of(call, "taskDefinition"):  # of a family alone, the newest revision
                found = find_definition(cloud.part(Records), name)
                yield found.arn if found else arn(call, f"task-definition/{name.rpartition('/')[2]}")
        case "TagResource" | "UntagResource" | "ListTagsForResource":
            yield from values_of(call, "resourceArn")
        case _:
            pass
