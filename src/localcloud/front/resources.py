"""What a call touches, as ARNs, for the services whose requests name it plainly; after AWS's authorization reference.

What isn't here is not known, and then a statement's Resource isn't evaluated. Better that than a guess: a wrong one
would refuse what AWS allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from localcloud.core.cloud import partition_of

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.core.registry import Call

EVERYTHING: Mapping[str, frozenset[str]] = {
    "ecr": frozenset({"GetAuthorizationToken"}),
    "ecs": frozenset(
        {
            "CreateCluster",
            "DeregisterTaskDefinition",
            "DescribeTaskDefinition",
            "ListClusters",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
        }
    ),
    "kms": frozenset({"CreateKey", "GenerateRandom", "ListAliases", "ListKeys"}),
    "secretsmanager": frozenset({"BatchGetSecretValue", "GetRandomPassword", "ListSecrets"}),
}
"""Operations that AWS allows on ``*`` only, by service."""


def resources_of(cloud: Cloud, call: Call) -> tuple[str, ...] | None:
    """The ARNs, each of which must be allowed; ``*`` where the action knows no resources; None: not known here."""
    if call.operation in EVERYTHING.get(call.service, ()):
        return ("*",)
    reader = READERS.get(call.service)
    return (tuple(reader(cloud, call)) or None) if reader else None


def _arn(call: Call, rest: str) -> str:
    return f"arn:{partition_of(call.region)}:{call.service}:{call.region}:{call.account}:{rest}"


def _given(call: Call, *names: str) -> Iterator[str]:
    """The values of these parameters, those of a list one by one."""
    for name in names:
        value = call.params.get(name)
        yield from ([value] if isinstance(value, str) else value or ())


def _s3(cloud: Cloud, call: Call) -> Iterator[str]:
    every = f"arn:{cloud.settings.partition}:s3:::"
    for bucket in _given(call, "Bucket"):
        key = call.params.get("Key")
        yield f"{every}{bucket}/{key}" if key else f"{every}{bucket}"


def _logs(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    """A log group is judged as ``…:log-group:NAME:log-stream:``, which ``log-group:NAME:*`` fits and ``NAME`` doesn't;
    only its tags are judged without."""
    if call.operation == "DescribeLogGroups":
        yield _arn(call, "log-group::log-stream:")
    if call.operation in ("DescribeLogGroups", "PutQueryDefinition"):  # they name groups and aren't judged by them
        return
    yield from _given(call, "resourceArn")
    stream = call.params.get("logStreamName", "")
    names = _given(call, "logGroupName", "logGroupNames", "logGroupIdentifier", "logGroupIdentifiers")
    for name in names:
        yield _arn(call, f"log-group:{name.rpartition(':log-group:')[2].removesuffix(':*')}:log-stream:{stream}")


def _secretsmanager(cloud: Cloud, call: Call) -> Iterator[str]:
    for provided in _given(call, "SecretId"):
        yield secret(cloud, provided, call.region)


def secret(cloud: Cloud, provided: str, region: str) -> str:
    """A secret's ARN ends in six random characters, so it is looked up; one that isn't there is judged as it is named.
    Under the cloud's lock."""
    found = cloud.moto("secretsmanager", region).secrets.get(provided)
    return str(found.arn) if found else provided


def _ssm(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    """Parameters, without the version or label behind their names."""
    if call.operation.endswith(("Parameter", "Parameters", "ParameterHistory", "ParameterVersion")):
        for name in _given(call, "Name", "Names"):
            yield parameter(name, call.region, call.account)


def parameter(name: str, region: str, account: str) -> str:
    """The ARN of a parameter that is named by its ARN or its name, with or without a version or label."""
    plain = name.rpartition(":parameter/")[2].partition(":")[0].lstrip("/")
    return f"arn:{partition_of(region)}:ssm:{region}:{account}:parameter/{plain}"


def _sqs(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    for name in _given(call, "QueueUrl", "QueueName"):
        yield _arn(call, name.rpartition("/")[2])


def _sns(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    yield from _given(call, "TopicArn", "ResourceArn")
    if call.operation == "CreateTopic":
        yield from (_arn(call, name) for name in _given(call, "Name"))


def _ecr(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    names = list(_given(call, "repositoryName", "repositoryNames"))
    if call.operation == "DescribeRepositories" and not names:
        names = ["*"]
    yield from (_arn(call, f"repository/{name}") for name in names)
    yield from _given(call, "resourceArn")


def _kms(cloud: Cloud, call: Call) -> Iterator[str]:
    """A key, also where an alias names it."""
    for provided in _given(call, "KeyId"):
        name = provided.rpartition(":")[2]
        if not name.startswith("alias/"):
            yield provided if provided.startswith("arn:") else _arn(call, f"key/{provided}")
            continue
        keys = cloud.moto("kms", call.region).keys.values()
        yield from (str(key.arn) for key in keys if name in key.aliases)


def _ecs(cloud: Cloud, call: Call) -> Iterator[str]:
    cluster = str(call.params.get("cluster") or "default").rpartition("/")[2]
    match call.operation:
        case "DescribeClusters":
            names = list(_given(call, "clusters")) or ["default"]
            yield from (_arn(call, f"cluster/{name.rpartition('/')[2]}") for name in names)
        case "UpdateCluster" | "UpdateClusterSettings" | "DeleteCluster" | "PutClusterCapacityProviders":
            yield _arn(call, f"cluster/{cluster}")
        case "CreateService" | "UpdateService" | "DeleteService" | "DescribeServices" | "ListServiceDeployments":
            for name in _given(call, "serviceName", "service", "services"):
                yield _arn(call, f"service/{cluster}/{name.rpartition('/')[2]}")
        case "DescribeTasks" | "StopTask" | "ExecuteCommand":
            if call.operation == "ExecuteCommand":
                yield _arn(call, f"cluster/{cluster}")
            for name in _given(call, "tasks", "task"):
                yield _arn(call, f"task/{cluster}/{name.rpartition('/')[2]}")
        case "RunTask":
            from localcloud.services.ecs import Clusters
            from localcloud.services.ecs.lookup import find_definition

            for name in _given(call, "taskDefinition"):  # of a family alone, the newest revision
                found = find_definition(cloud.part(Clusters), name)
                yield found.arn if found else _arn(call, f"task-definition/{name.rpartition('/')[2]}")
        case "TagResource" | "UntagResource" | "ListTagsForResource":
            yield from _given(call, "resourceArn")
        case _:
            pass


READERS: Mapping[str, Callable[[Cloud, Call], Iterator[str]]] = {
    "ecr": _ecr,
    "ecs": _ecs,
    "kms": _kms,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}
