"""What is refused before anybody looks at what is asked for: the same for our handlers and for moto, in one place.

So far: counts. An operation that makes as many things as a number says would hold the cloud's lock and the machine's
memory for as long as the caller likes. Which number that is, the model's names tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.core.registry import Call
    from localcloud.front.protocol import Wire

COUNT = re.compile(r"(?:Counts?|Quantity|TargetCapacity)$|^(?:count|quantity|NumberOf\w+|Num[A-Z]\w+|Replicas\w*)$")
"""Names of integers that say how many things are to be made, shown or returned."""
MOST = 10_000
"""Where nothing says how many AWS allows. It allows more of nothing that this cloud makes in one call."""
LIMITS: Mapping[tuple[str, str, str], int] = {
    ("ec2", "AllocateHosts", "Quantity"): 100,
    ("ec2", "AssignIpv6Addresses", "Ipv6AddressCount"): 256,
    ("ec2", "AssignPrivateIpAddresses", "SecondaryPrivateIpAddressCount"): 256,
    ("ec2", "CreateFleet", "TotalTargetCapacity"): 1000,
    ("ec2", "CreateNetworkInterface", "Ipv6AddressCount"): 256,
    ("ec2", "CreateNetworkInterface", "SecondaryPrivateIpAddressCount"): 256,
    ("ec2", "RequestSpotFleet", "TargetCapacity"): 1000,
    ("ec2", "RequestSpotInstances", "InstanceCount"): 1000,
    ("ec2", "RunInstances", "MaxCount"): 1000,
    ("ec2", "RunInstances", "MinCount"): 1000,
    ("ecs", "CreateService", "desiredCount"): 5000,
    ("ecs", "UpdateService", "desiredCount"): 5000,
    ("elasticache", "CreateCacheCluster", "NumCacheNodes"): 40,
    ("elasticache", "CreateReplicationGroup", "NumCacheClusters"): 6,
    ("elasticache", "CreateReplicationGroup", "NumNodeGroups"): 500,
    ("kms", "GenerateRandom", "NumberOfBytes"): 1024,
}
"""The services' own quotas, by operation and parameter: EC2's are the sums of an account's default ones, the rest is of
the operations' documentation."""


def refuse(wire: Wire, call: Call) -> None:
    """Raises for parameters that AWS would refuse."""
    if wire.operation.input_shape is not None:
        _bounded(wire, call)


def _bounded(wire: Wire, call: Call) -> None:
    for name, value, shape in _numbers(call.params, wire.operation.input_shape, ""):
        most = LIMITS.get((call.service, call.operation, name), shape.metadata.get("max"))
        if most is None:
            most = MOST if COUNT.search(name) else None
        if most is not None and value > most:
            raise AwsError(_code(wire), f"Value ({value}) for parameter {name} is invalid: it must be {most} at most.")


def _code(wire: Wire) -> str:
    if wire.protocol == "ec2":
        return "InvalidParameterValue"
    return "ValidationError" if wire.protocol == "query" else "ValidationException"


def _numbers(value: Any, shape: Any, name: str) -> Iterator[tuple[str, int, Any]]:
    """Every integer of the parameters with its name and its shape."""
    if isinstance(value, Mapping) and shape.type_name == "structure":
        for key, held in value.items():
            if key in shape.members:
                yield from _numbers(held, shape.members[key], key)
    elif isinstance(value, Mapping) and shape.type_name == "map":
        for held in value.values():
            yield from _numbers(held, shape.value, name)
    elif isinstance(value, list) and shape.type_name == "list":
        for held in value:
            yield from _numbers(held, shape.member, name)
    elif isinstance(value, int) and not isinstance(value, bool) and shape.type_name in ("integer", "long"):
        yield name, value, shape
