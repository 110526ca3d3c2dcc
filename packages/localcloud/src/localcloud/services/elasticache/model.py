"""The records of caches: replication groups, members, parameter groups, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.core.network import Interface
from localcloud.core.registry import AwsError

MIB = 1 << 20
ENGINE_VERSIONS = {"7.1": "7.1.0", "7.0": "7.0.7", "6.2": "6.2.6", "7.2": "7.2.6", "8.0": "8.0.1"}
"""What is shown for an asked version. The server behind is always the Valkey that is installed."""

VALKEY = ("7.2", "8.0")
"""Of those, Valkey's; the rest are Redis OSS's."""


def engine_of(version: str) -> str:
    """``redis`` or ``valkey``, by the short version."""
    return "valkey" if version in VALKEY else "redis"


LOCAL_MEMORY = {"micro": 16, "small": 32, "medium": 64}
"""MiB that a local node may hold, far less than in AWS (0.5, 1.4 and 3.1 GiB), so that a rehearsal can fill it."""
LARGEST_LOCAL_MEMORY = 128


def max_memory(node_type: str) -> int:
    """Bytes that a node of this type may hold here; AWS's error for a type that isn't known."""
    match = re.fullmatch(r"cache\.[a-z]\d\w*\.(micro|small|medium|\d*x?large)", node_type)
    if not match:
        raise AwsError("InvalidParameterValue", f"The specified cache node type {node_type} is not valid.")
    return LOCAL_MEMORY.get(match[1], LARGEST_LOCAL_MEMORY) * MIB


def engine_version(engine: str, requested: str | None) -> str:
    version = requested or ("7.1" if engine == "redis" else "8.0")
    short = ".".join(version.split(".")[:2])
    if short not in ENGINE_VERSIONS:
        raise AwsError("InvalidParameterValue", f"Version {version} of {engine} is not available.")
    return ENGINE_VERSIONS[short] if version.count(".") < 2 else version


@dataclass(slots=True)
class Member:
    """One cache node of a replication group, such as ``shop-redis-001``."""

    id: str
    interface: Interface
    zone: str
    created: datetime
    status: str = "creating"


@dataclass(slots=True)
class Group:
    """A replication group."""

    id: str
    settings: dict[str, Any]
    """What the calls that made and changed it asked for, by parameter name."""
    members: list[Member]
    primary: str
    """The id of the member that takes writes."""
    primary_interface: Interface
    """Where the primary endpoint listens, whichever member it leads to."""
    reader_interface: Interface
    arn: str
    created: datetime
    status: str = "creating"
    parameters: dict[str, str] = field(default_factory=dict)
    """The parameter group's values that the servers run with."""
    tags: list[dict[str, str]] = field(default_factory=list)
    pending: dict[str, Any] = field(default_factory=dict)
    """Settings that its next change, maintenance window or failure brings into force."""
    deleting_members: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.settings.get("Port") or 6379)

    @property
    def tls_port(self) -> int:
        """Where its TLS proxy listens when a gate listens at ``port``."""
        return self.port + 20_000 if self.port < 45_000 else self.port - 20_000

    @property
    def secure(self) -> bool:
        return bool(self.settings.get("TransitEncryptionEnabled"))

    @property
    def engine(self) -> str:
        return str(self.settings.get("Engine") or "redis")

    @property
    def parameter_group(self) -> str:
        return str(self.settings["CacheParameterGroupName"])

    @property
    def interfaces(self) -> list[Interface]:
        return [self.primary_interface, self.reader_interface, *(member.interface for member in self.members)]

    def folder(self, state: Path) -> Path:
        return state / "elasticache" / self.id


@dataclass(slots=True)
class ParameterGroup:
    """A cache parameter group and what was set in it."""

    name: str
    family: str
    description: str
    arn: str
    values: dict[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        return {
            "CacheParameterGroupName": self.name,
            "CacheParameterGroupFamily": self.family,
            "Description": self.description,
            "IsGlobal": False,
            "ARN": self.arn,
        }
