"""Where the database and the cache listen, and as whom the services log in there: for a session with either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import NotFound, WrongUse
from omc.facts.secrets import secret_of

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
    """Raises ``WrongUse`` where the environment has none, or none that listens."""
    name = aws.environment.database
    try:
        found: Any = aws.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except NotFound as error:
        raise WrongUse(f"There is no database {name} in {aws.environment.name}.") from error
    endpoint = found.get("Endpoint") or {}
    if not endpoint.get("Address"):
        raise WrongUse(f"The database {name} is {found.get('DBInstanceStatus', 'unknown')} and has no address yet.")
    return DatabasePlace(
        name,
        endpoint["Address"],
        int(endpoint["Port"]),
        found.get("DBName") or "postgres",
        found.get("DBInstanceStatus", ""),
        bool(found.get("IAMDatabaseAuthenticationEnabled")),
        found.get("MasterUsername", ""),
        (found.get("MasterUserSecret") or {}).get("SecretArn", ""),
    )


def read_cache(aws: Gateway) -> CachePlace:
    """The primary's address. Raises ``WrongUse`` where the environment has none, or none that listens."""
    name = aws.environment.cache
    try:
        groups: Any = aws.client("elasticache").describe_replication_groups(ReplicationGroupId=name)
        found = groups["ReplicationGroups"][0]
    except NotFound as error:
        raise WrongUse(f"There is no cache {name} in {aws.environment.name}.") from error
    nodes = found.get("NodeGroups") or [{}]
    endpoint = found.get("ConfigurationEndpoint") or nodes[0].get("PrimaryEndpoint") or {}
    if not endpoint.get("Address"):
        raise WrongUse(f"The cache {name} is {found.get('Status', 'unknown')} and has no address yet.")
    return CachePlace(
        name,
        endpoint["Address"],
        int(endpoint["Port"]),
        found.get("Status", ""),
        bool(found.get("TransitEncryptionEnabled")),
        bool(found.get("AuthTokenEnabled")),
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
    """A secret's ARN, and the key in its JSON; empty for all of its text. ``WrongUse`` for a parameter of SSM's."""
    found = secret_of(reference)
    if found is None:
        raise WrongUse("The password isn't kept in Secrets Manager, where omc would read it.")
    rest = reference.removeprefix(found).strip(":").split(":")
    return found, rest[0]
