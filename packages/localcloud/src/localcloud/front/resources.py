"""What a call touches, as ARNs, for the services whose requests name it plainly; after AWS's authorization reference.

A service of our own registers its reader (``registry.resources``).

What isn't here is not known, and then a statement's Resource isn't evaluated. Better that than a guess: a wrong one
would refuse what AWS allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from localcloud.core.cloud import partition_of
from localcloud.core.registry import RESOURCES

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
    reader = READERS.get(call.service) or RESOURCES.get(call.service)
    return (tuple(reader(cloud, call)) or None) if reader else None


def arn(call: Call, rest: str) -> str:
    return f"arn:{partition_of(call.region)}:{call.service}:{call.region}:{call.account}:{rest}"


def values_of(call: Call, *names: str) -> Iterator[str]:
    """The values of these parameters, those of a list one by one."""
    for name in names:
        value = call.params.get(name)
        yield from ([value] if isinstance(value, str) else value or ())


def _s3(cloud: Cloud, call: Call) -> Iterator[str]:
    every = f"arn:{cloud.settings.partition}:s3:::"
    for bucket in values_of(call, "Bucket"):
        key = call.params.get("Key")
        yield f"{every}{bucket}/{key}" if key else f"{every}{bucket}"


def _logs(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    """A log group is judged as ``…:log-group:NAME:log-stream:``, which ``log-group:NAME:*`` fits and ``NAME`` doesn't;
    only its tags are judged without."""
    if call.operation == "DescribeLogGroups":
        yield arn(call, "log-group::log-stream:")
    if call.operation in ("DescribeLogGroups", "PutQueryDefinition"):  # they name groups and aren't judged by them
        return
    yield from values_of(call, "resourceArn")
    stream = call.params.get("logStreamName", "")
    names = values_of(call, "logGroupName", "logGroupNames", "logGroupIdentifier", "logGroupIdentifiers")
    for name in names:
        yield arn(call, f"log-group:{name.rpartition(':log-group:')[2].removesuffix(':*')}:log-stream:{stream}")


def _secretsmanager(cloud: Cloud, call: Call) -> Iterator[str]:
    for provided in values_of(call, "SecretId"):
        yield secret(cloud, provided, call.region)


def secret(cloud: Cloud, provided: str, region: str) -> str:
    """A secret's ARN ends in six random characters, so it is looked up; one that isn't there is judged as it is named.
    Under the cloud's lock."""
    found = cloud.moto("secretsmanager", region).secrets.get(provided)
    return str(found.arn) if found else provided


def _ssm(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    """Parameters, without the version or label behind their names; of a session, its task and its document."""
    if call.operation == "StartSession":
        cluster, _, rest = str(call.params.get("Target", "")).removeprefix("ecs:").rpartition("_")[0].rpartition("_")
        partition = partition_of(call.region)
        yield f"arn:{partition}:ecs:{call.region}:{call.account}:task/{cluster}/{rest}"
        yield f"arn:{partition}:ssm:{call.region}::document/{call.params.get('DocumentName', '')}"
    if call.operation.endswith(("Parameter", "Parameters", "ParameterHistory", "ParameterVersion")):
        for name in values_of(call, "Name", "Names"):
            yield parameter(name, call.region, call.account)


def parameter(name: str, region: str, account: str) -> str:
    """The ARN of a parameter that is named by its ARN or its name, with or without a version or label."""
    plain = name.rpartition(":parameter/")[2].partition(":")[0].lstrip("/")
    return f"arn:{partition_of(region)}:ssm:{region}:{account}:parameter/{plain}"


def _sqs(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    for name in values_of(call, "QueueUrl", "QueueName"):
        yield arn(call, name.rpartition("/")[2])


def _sns(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    yield from values_of(call, "TopicArn", "ResourceArn")
    if call.operation == "CreateTopic":
        yield from (arn(call, name) for name in values_of(call, "Name"))


def _ecr(cloud: Cloud, call: Call) -> Iterator[str]:  # noqa: ARG001
    names = list(values_of(call, "repositoryName", "repositoryNames"))
    if call.operation == "DescribeRepositories" and not names:
        names = ["*"]
    yield from (arn(call, f"repository/{name}") for name in names)
    yield from values_of(call, "resourceArn")


def _kms(cloud: Cloud, call: Call) -> Iterator[str]:
    """A key, also where an alias names it."""
    for provided in values_of(call, "KeyId"):
        name = provided.rpartition(":")[2]
        if not name.startswith("alias/"):
            yield provided if provided.startswith("arn:") else arn(call, f"key/{provided}")
            continue
        keys = cloud.moto("kms", call.region).keys.values()
        yield from (str(key.arn) for key in keys if name in key.aliases)


READERS: Mapping[str, Callable[[Cloud, Call], Iterator[str]]] = {
    "ecr": _ecr,
    "kms": _kms,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}
