"""Databases as whoever watches their real servers sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud.backends.postgres import Server
from localcloud.core.processes import Process


@dataclass(frozen=True, slots=True)
class Size:
    """What an instance class stands for."""

    vcpus: int
    memory: int
    """Bytes."""


class DatabaseInstance(Protocol):
    """One database instance."""

    @property
    def identifier(self) -> str: ...

    @property
    def record(self) -> dict[str, Any]:
        """As DescribeDBInstances shows it, tags included."""

    @property
    def size(self) -> Size: ...


class DatabaseServers:
    """Has databases with real servers (RDS)."""

    def server(self, identifier: str) -> Server:
        """The real server of an instance; ``KeyError`` where there is no such instance."""
        raise NotImplementedError

    def running(self) -> Sequence[DatabaseInstance]:
        """The instances whose servers take connections."""
        raise NotImplementedError

    def by_resource_id(self, resource_id: str) -> DatabaseInstance | None:
        """The instance with this ``DbiResourceId``, by which Performance Insights names it."""
        raise NotImplementedError

    def processes(self, identifier: str) -> list[Process]:
        """The processes of an instance's server."""
        raise NotImplementedError
