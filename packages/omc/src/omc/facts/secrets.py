"""Secrets that running tasks were given as they started, and when each is rotated.

A task keeps in its environment what a secret held when the task started. What Secrets Manager, or RDS through it,
rotates afterwards is unknown to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_name
from omc.errors import AccessDenied, NotFound, OmcError
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.definitions import Definition, describe_definitions
from omc.facts.services import Services
from omc.facts.tasks import RunningTask, running_tasks_of
from omc.times import in_utc

BY_PARAMETER = ":parameter/aws/reference/secretsmanager/"
"""Parameter Store gives a secret out under this name."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's rotation; never its value."""

    name: str
    rotates: bool = False
    last_rotated: datetime | None = None
    next_rotation: datetime | None = None
    """On or before this moment."""
    owner: str = ""
    """The AWS service that made it and rotates it, such as ``rds``; empty for one of the account's own."""
    deleted: datetime | None = None
    """It is scheduled for deletion, and can't be read any more."""
    missing: bool = False
    last_changed: datetime | None = None
    """When its value, or anything else about it, last changed."""
    current: str = ""
    """The id of the version that AWSCURRENT is on; empty where it isn't told."""
    former: str = ""
    """The id of the version that was current before: AWSPREVIOUS."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """One running task that was given a secret."""

    service: str
    task: str
    definition: str
    """``family:revision``."""
    variable: str
    created: datetime | None
    """The secret was read between this moment and ``started``."""
    started: datetime | None
    """None while the task is starting."""


@dataclass(frozen=True, slots=True)
class UnreadableSecret:
    reason: str
    action: str = ""
    """The IAM action that was missing; else empty."""


@dataclass(frozen=True, slots=True)
class SecretsInUse:
    """By ARN, as the task definitions name it without JSON key, stage and version."""

    secrets: Mapping[str, Secret]
    uses: Mapping[str, tuple[SecretUse, ...]]
    """Secrets that no running task was given are left out."""
    unreadable: Mapping[str, UnreadableSecret] = field(default_factory=dict)
    reading: Reading = NO_READING


@reads_in(4)
def read_secrets_in_use(aws: Gateway, environment: Environment, services: Services) -> SecretsInUse:
    """The tasks of each service, their revisions, each secret once, and the database's managed master secret.

    A secret that can't be read is unknown; the others aren't affected.
    """

    def of_tasks() -> Any:
        return _uses_of(aws, services)

    def of_database() -> Any:
        return _master_secret(aws, environment)

    uses, master = parallel_map(lambda ask: ask(), (of_tasks, of_database))
    secrets: dict[str, Secret] = {}
    unreadable: dict[str, UnreadableSecret] = {}
    wanted = list(uses)
    if isinstance(master, UnreadableSecret):
        unreadable[f"the master secret of {database_name(environment)}"] = master
    elif master and master not in uses:
        wanted.append(master)
    for arn, found in zip(wanted, parallel_map(lambda arn: _described(aws, arn), wanted), strict=True):
        if isinstance(found, Secret):
            secrets[arn] = found
        else:
            unreadable[arn] = found
    return SecretsInUse(secrets, {arn: tuple(some) for arn, some in uses.items()}, unreadable)


def _uses_of(aws: Gateway, services: Services) -> dict[str, list[SecretUse]]:
    listed = running_tasks_of(aws, [service.name for service in services.services])
    tasks = {name: [task for task in some if task.status != "STOPPED"] for name, some in listed.items()}
    revisions = sorted({task.task_definition for some in tasks.values() for task in some})
    definitions = describe_definitions(aws, revisions)
    uses: dict[str, list[SecretUse]] = {}
    for service, running in tasks.items():
        for task in running:
            for arn, use in _uses(service, task, definitions.get(task.task_definition)):
                uses.setdefault(arn, []).append(use)
    return uses


def _uses(service: str, task: RunningTask, definition: Definition | None) -> Iterator[tuple[str, SecretUse]]:
    for container in definition.body["containerDefinitions"] if definition else ():
        options = container.get("logConfiguration", {}).get("secretOptions", [])
        for each in (*container.get("secrets", []), *options):
            if arn := secret_of(each["valueFrom"]):
                yield (
                    arn,
                    SecretUse(service, task.id, task.task_definition, each["name"], task.created, task.started),
                )


def secret_of(reference: str) -> str | None:
    """The secret that a ``valueFrom`` names, as DescribeSecret takes it; None for a parameter of its own."""
    parts = reference.split(":")
    if len(parts) >= 7 and parts[0] == "arn" and parts[2] == "secretsmanager":
        return ":".join(parts[:7])
    for marker in (BY_PARAMETER, BY_PARAMETER.removeprefix(":parameter")):
        if marker in reference:
            return reference.partition(marker)[2] or None
    return None


def _master_secret(aws: Gateway, environment: Environment) -> str | UnreadableSecret | None:
    """Of the database, where RDS manages it: of a cluster the cluster's own."""
    rds = aws.client("rds")
    records: list[Mapping[str, Any]] = []
    try:
        if environment.database:
            answer = rds.describe_db_instances(DBInstanceIdentifier=environment.database)
            records = [dict(each) for each in answer["DBInstances"]]
        elif environment.database_cluster:
            clusters = rds.describe_db_clusters(DBClusterIdentifier=environment.database_cluster)
            records = [dict(each) for each in clusters["DBClusters"]]
    except NotFound:
        return None
    except OmcError as error:
        return _unreadable(error)
    return next((str(each["MasterUserSecret"]["SecretArn"]) for each in records if each.get("MasterUserSecret")), None)


def _described(aws: Gateway, arn: str) -> Secret | UnreadableSecret:
    name = arn.rpartition(":secret:")[2]
    try:
        response: Mapping[str, Any] = aws.client("secretsmanager").describe_secret(SecretId=arn)
    except NotFound:
        return Secret(name, missing=True)
    except OmcError as error:
        return _unreadable(error)
    stages = {stage: version for version, some in response.get("VersionIdsToStages", {}).items() for stage in some}
    return Secret(
        name=response.get("Name", name),
        last_changed=in_utc(response.get("LastChangedDate")),
        current=stages.get("AWSCURRENT", ""),
        former=stages.get("AWSPREVIOUS", ""),
        rotates=bool(response.get("RotationEnabled")),
        last_rotated=in_utc(response.get("LastRotatedDate")),
        next_rotation=in_utc(response.get("NextRotationDate")),
        owner=response.get("OwningService", ""),
        deleted=in_utc(response.get("DeletedDate")),
    )


def current_version(aws: Gateway, arn: str) -> str:
    """The id of the version that AWSCURRENT is on; empty where there is none. Raises what Secrets Manager says."""
    answer = aws.client("secretsmanager").describe_secret(SecretId=arn)
    stages = answer.get("VersionIdsToStages", {})
    return next((version for version, some in stages.items() if "AWSCURRENT" in some), "")


def _unreadable(error: OmcError) -> UnreadableSecret:
    return UnreadableSecret(error.message, error.action if isinstance(error, AccessDenied) else "")
