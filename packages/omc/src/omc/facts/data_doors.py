"""Where the database and the cache listen, and as whom the services log in there: for a session with either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.config.stores import cache_name, database_name
from omc.errors import NotFound, Refused
from omc.facts.databases import DatabaseRecords, database_records
from omc.facts.secrets import secret_of
from omc.facts.serverless import serverless_cache

USERS = ("USER", "USERNAME", "USER_NAME")
PASSWORDS = ("PASSWORD", "PASS", "AUTH_TOKEN", "TOKEN", "AUTH")
NAMES = ("DB", "DATABASE", "NAME", "DB_NAME", "DBNAME")
"""Endings of variables, after the beginning that they share with the one that holds the address."""


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """An RDS instance, as far as a session needs it."""

    identifier: str
    address: str
    port: int
    name: str
    """The database that was made with it; ``postgres`` where none was."""
    status: str
    has_iam: bool
    """Whether it takes tokens of IAM for a password."""
    master: str
    master_secret: str
    """The ARN of the secret that RDS manages; empty where it manages none."""
    reader_address: str = ""
    """Of a cluster with more than one member: where its readers listen."""


@dataclass(frozen=True, slots=True)
class CachePlace:
    """An ElastiCache replication group, as far as a session needs it."""

    identifier: str
    address: str
    port: int
    status: str
    has_tls: bool
    has_token: bool


@dataclass(frozen=True, slots=True)
class Login:
    """How a service logs in: the user, and where its password is."""

    user: str
    secret: str
    """``arn…:secret:name-id:key::`` or an ARN alone, as a task definition has it; empty where there is no password."""
    name: str = ""
    """The database that it uses."""


def read_database(aws: Gateway) -> DatabasePlace:
    """Raises ``Refused`` where the environment has none, or none that listens. Of a cluster its own address, which is
    the writer's; that of its readers beside it."""
    environment = aws.environment
    name, records = database_name(environment), database_records(aws)
    if not name:
        raise Refused(f"{environment.name} has no database: omc.toml names none.")
    found: Any = records.cluster or next(iter(records.instances), None)
    if found is None:
        raise Refused(f"There is no database {name} in {environment.name}.")
    writer = records.writer or {}
    endpoint = found.get("Endpoint") or {}
    status = found.get("Status", "") if records.cluster else found.get("DBInstanceStatus", "")
    address = endpoint if isinstance(endpoint, str) else endpoint.get("Address", "")
    if not address:
        raise Refused(f"The database {name} is {status or 'unknown'} and has no address yet.")
    return DatabasePlace(
        name,
        address,
        int(found.get("Port") or writer.get("Endpoint", {})["Port"]) if records.cluster else int(endpoint["Port"]),
        found.get("DatabaseName" if records.cluster else "DBName") or "postgres",
        status,
        bool(found.get("IAMDatabaseAuthenticationEnabled")),
        found.get("MasterUsername", ""),
        (found.get("MasterUserSecret") or {}).get("SecretArn", ""),
        _reader_address(records),
    )


def _reader_address(records: DatabaseRecords) -> str:
    """Where more than the writer is there: without a reader, RDS has the same name lead to the writer."""
    if records.cluster is None or len(records.instances) < 2:
        return ""
    return str(records.cluster.get("ReaderEndpoint", ""))


def read_cache(aws: Gateway) -> CachePlace:
    """The primary's address, or the serverless cache's. Raises ``Refused`` where the environment has none, or none
    that listens."""
    environment = aws.environment
    name = cache_name(environment)
    if not name:
        raise Refused(f"{environment.name} has no cache: omc.toml names none.")
    if not environment.cache:
        return _serverless(aws, name)
    try:
        groups: Any = aws.client("elasticache").describe_replication_groups(ReplicationGroupId=name)
        found = groups["ReplicationGroups"][0]
    except NotFound as error:
        raise Refused(f"There is no cache {name} in {environment.name}.") from error
    nodes = found.get("NodeGroups") or [{}]
    endpoint = found.get("ConfigurationEndpoint") or nodes[0].get("PrimaryEndpoint") or {}
    if not endpoint.get("Address"):
        raise Refused(f"The cache {name} is {found.get('Status', 'unknown')} and has no address yet.")
    return CachePlace(
        name,
        endpoint["Address"],
        int(endpoint["Port"]),
        found.get("Status", ""),
        bool(found.get("TransitEncryptionEnabled")),
        bool(found.get("AuthTokenEnabled")),
    )


def _serverless(aws: Gateway, name: str) -> CachePlace:
    """It always wants TLS, and knows users of a user group in place of a token (ElastiCache's user guide)."""
    found = serverless_cache(aws)
    if found is None:
        raise Refused(f"There is no serverless cache {name} in {aws.environment.name}.")
    endpoint = found.get("Endpoint") or {}
    if not endpoint.get("Address"):
        raise Refused(f"The cache {name} is {found.get('Status', 'unknown')} and has no address yet.")
    return CachePlace(
        name,
        endpoint["Address"],
        int(endpoint["Port"]),
        found.get("Status", ""),
        has_tls=True,
        has_token=bool(found.get("UserGroupId")),
    )


def read_container(aws: Gateway, definition: str, container: str) -> Mapping[str, Any]:
    """A container's part of a task definition."""
    answer: Any = aws.client("ecs").describe_task_definition(taskDefinition=definition)
    for each in answer["taskDefinition"]["containerDefinitions"]:
        if each.get("name") == container:
            return dict(each)
    return {}


def login_of(container: Mapping[str, Any], address: str) -> Login | None:
    """As whom a container logs in at an address: by the variables that begin as the one does which holds the address
    (``POSTGRES_SERVER``, ``POSTGRES_USER``, ``POSTGRES_PASSWORD``). None where no variable holds it."""
    plain = {each["name"]: each.get("value", "") for each in container.get("environment", ())}
    kept = {each["name"]: each.get("valueFrom", "") for each in container.get("secrets", ())}
    for name, value in sorted(plain.items()):
        if value == address and "_" in name:
            begin = name.rpartition("_")[0]
            return Login(
                _first(plain, begin, USERS),
                _first(kept, begin, PASSWORDS),
                _first(plain, begin, NAMES),
            )
    return None


def _first(values: Mapping[str, str], begin: str, endings: Iterable[str]) -> str:
    return next((values[name] for end in endings if (name := f"{begin}_{end}") in values), "")


def secret_place(reference: str) -> tuple[str, str]:
    """A secret's ARN, and the key in its JSON; empty for all of its text. ``Refused`` for a parameter of SSM's."""
    found = secret_of(reference)
    if found is None:
        raise Refused("The password isn't kept in Secrets Manager, where omc would read it.")
    rest = reference.removeprefix(found).strip(":").split(":")
    return found, rest[0]
