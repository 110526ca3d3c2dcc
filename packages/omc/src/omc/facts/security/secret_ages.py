"""How old the environment's secrets are: when each was changed and read last. Never a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.config.stores import database_name
from omc.facts.collector import NO_READING, Reading, reads
from omc.times import in_utc


@dataclass(frozen=True, slots=True)
class SecretAge:
    name: str
    changed: datetime | None
    """When its value changed last: by a rotation, by hand, or as it was made."""
    used: datetime | None
    """The day on which it was read last; None: not for long, or never."""
    rotates: bool = False
    owner: str = ""
    """The service that keeps it, such as ``rds``."""


@dataclass(frozen=True, slots=True)
class SecretAges:
    secrets: tuple[SecretAge, ...] = ()
    reading: Reading = NO_READING


@reads
def read_secret_ages(aws: Gateway, environment: Environment) -> SecretAges:
    """All of the account's, a page of a hundred at a time; kept are the environment's, and the database's own."""
    pages = aws.client("secretsmanager").get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 100})
    every: list[Any] = [one for page in pages for one in page["SecretList"]]
    return SecretAges(tuple(_age(one) for one in every if _is_ours(one, environment)))


def _is_ours(one: Any, environment: Environment) -> bool:
    tags = {str(tag.get("Key")): str(tag.get("Value")) for tag in one.get("Tags", ())}
    of_database = {tags.get(f"aws:rds:primary{kind}Arn", "").rpartition(":")[2] for kind in ("DBInstance", "DBCluster")}
    name = str(one.get("Name", ""))
    return name.startswith((f"{environment.prefix}/", f"{environment.prefix}-")) or database_name(
        environment
    ) in of_database - {""}


def _age(one: Any) -> SecretAge:
    times = [in_utc(one.get(key)) for key in ("LastRotatedDate", "LastChangedDate", "CreatedDate")]
    changed = times[0] or times[1] or times[2]
    return SecretAge(
        one.get("Name", ""),
        changed,
        in_utc(one.get("LastAccessedDate")),
        bool(one.get("RotationEnabled")),
        one.get("OwningService", ""),
    )
