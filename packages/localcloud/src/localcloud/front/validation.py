"""What is refused before anybody looks at what is asked for: the same for our handlers and for moto, in one place.

Three parts, in AWS's order: what the operation's model says (``constraints``), counts that would cost this machine more
than any caller may, and the rules of AWS's own that no model has (``registry.RULES``; each service's ``rules``
hold them). Which error code a service has for what its model forbids is in ``CODES``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import RULES, AwsError
from localcloud.front import constraints
from localcloud.front.constraints import ENUM, MISSING, TYPE, Violation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.registry import Call
    from localcloud.front.protocol import Wire


@dataclass(frozen=True, slots=True)
class Codes:
    """Error codes of one service for what its model forbids."""

    invalid: str = "ValidationException"
    missing: str = ""
    """Where it differs from ``invalid``."""
    smithy: bool = True
    """Whether the message is the one of Smithy's servers, which names all that is wrong."""


CODES: Mapping[str, Codes] = {
    "acm": Codes(),
    "budgets": Codes("InvalidParameterException"),
    "cloudwatch": Codes("ValidationError", "MissingParameter"),
    "ec2": Codes("InvalidParameterValue", "MissingParameter", smithy=False),
    "ecr": Codes("InvalidParameterException"),
    "ecs": Codes("InvalidParameterException"),
    "elasticache": Codes("InvalidParameterValue", "MissingParameter", smithy=False),
    "elbv2": Codes("ValidationError"),
    "iam": Codes("ValidationError"),
    "logs": Codes("InvalidParameterException"),
    "pi": Codes("InvalidArgumentException"),
    "rds": Codes("InvalidParameterValue", "MissingParameter", smithy=False),
    "resourcegroupstaggingapi": Codes("InvalidParameterException"),
    "route53": Codes("InvalidInput"),
    "s3": Codes("InvalidArgument", smithy=False),
    "s3control": Codes("InvalidRequest", smithy=False),
    "service-quotas": Codes("IllegalArgumentException"),
    "servicediscovery": Codes("InvalidInput"),
    "sns": Codes("InvalidParameter", smithy=False),
    "sqs": Codes("InvalidParameterValue", "MissingParameter", smithy=False),
    "sts": Codes("ValidationError"),
}
"""Those of the operations' documentation and models. All others say ValidationException, as Smithy's servers do."""

STRICT = ("json", "rest-json", "cbor")
"""Protocols with an error of their own, SerializationException, for a value of a wrong type."""

LOOSE = frozenset(
    {
        ("s3", "BucketLocationConstraint"),  # refused with a code of its own, by moto
        # ReceiveMessage takes a message's attributes by the queue's parameter too (clients of before its own one);
        # everywhere else a wrong name is InvalidAttributeName, by moto.
        ("sqs", "QueueAttributeName"),
        ("sns", "CreatePlatformApplicationInput"),  # whose Attributes may be empty, and then aren't sent
    }
)
"""Shapes whose constraints aren't enforced: their service takes more than its model says, or refuses it otherwise."""

UNSPECIFIED = frozenset({("logs", "LogGroupIdentifier"), ("logs", "StartLiveTailLogGroupIdentifiers")})
"""Shapes whose refused value the service was seen to leave out of its message."""

COUNT = re.compile(r"(?:Counts?|Quantity|TargetCapacity)$|^(?:count|quantity|NumberOf\w+|Num[A-Z]\w+|Replicas\w*)$")
"""Names of integers that say how many things are to be made, shown or returned."""
MAX_COUNT = 10_000
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


def refuse(cloud: Cloud, wire: Wire, call: Call) -> None:
    """Raises AWS's error for parameters that it would refuse."""
    if wire.operation.input_shape is not None:
        _follow_model(wire, call)
        _bounded(wire, call)
    rules = RULES.get((call.service, call.operation))
    if rules:
        with cloud.lock:
            for rule in rules:
                rule(cloud, call)


def _follow_model(wire: Wire, call: Call) -> None:
    found = [each for each in constraints.check(wire.operation, call.params) if (call.service, each.shape) not in LOOSE]
    if call.service == "s3":  # whose bodies are read by moto, more leniently than by the model
        found = [each for each in found if each.kind == ENUM]
    if found:
        raise _error(wire, found)


def _error(wire: Wire, found: Sequence[Violation]) -> AwsError:
    codes, first = CODES.get(wire.service, Codes()), found[0]
    if first.kind == TYPE and wire.protocol in STRICT:
        return AwsError("SerializationException", f"The value of {first.place} can't be read. {first.constraint}.")
    code = (codes.missing if first.kind == MISSING else "") or codes.invalid
    if wire.service == "s3":
        code = _s3_code(wire, first)
    if not codes.smithy:
        if first.kind == MISSING:
            return AwsError(code, f"The request must contain the parameter {first.name}")
        wrong = first.constraint.replace("Member", "It", 1)
        return AwsError(code, f"Invalid value '{first.shown}' for {'.'.join(first.path)}. {wrong}.")
    messages = []
    for each in found[:10]:
        value = "" if (wire.service, each.shape) in UNSPECIFIED else each.quoted
        messages.append(f"Value {value}at '{each.place}' failed to satisfy constraint: {each.constraint}")
    return AwsError(
        code, f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(messages)}"
    )


def _s3_code(wire: Wire, violation: Violation) -> str:
    if violation.name == "StorageClass":
        return "InvalidStorageClass"
    members = wire.operation.input_shape.members
    location = members[violation.path[0]].serialization.get("location") if violation.path[0] in members else ""
    return "InvalidArgument" if location else "MalformedXML"


def _bounded(wire: Wire, call: Call) -> None:
    for name, value in _numbers(call.params, wire.operation.input_shape, ""):
        most = LIMITS.get((call.service, call.operation, name), MAX_COUNT if COUNT.search(name) else None)
        if most is not None and value > most:
            code = CODES.get(wire.service, Codes()).invalid
            raise AwsError(code, f"Value ({value}) for parameter {name} is invalid: it must be {most} at most.")


def _numbers(value: Any, shape: Any, name: str) -> Iterator[tuple[str, int]]:
    """Every integer of the parameters with its name."""
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
        yield name, value
