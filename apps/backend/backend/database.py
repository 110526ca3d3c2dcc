"""The bounded pool of database connections, and what a request finds in ``app.state.backend``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from backend.cache import Cache
from backend.settings import Settings

Pool = AsyncConnectionPool[AsyncConnection[dict[str, Any]]]


class Connection(AsyncConnection[dict[str, Any]]):
    """Remembers why the last attempt to connect failed: the pool itself only says that nothing came in time."""

    failure: ClassVar[str] = ""

    @classmethod
    async def connect(cls, *args: Any, **options: Any) -> Self:
        try:
            connection = await super().connect(*args, **options)
        except psycopg.Error as error:
            Connection.failure = str(error)
            raise
        Connection.failure = ""
        return connection


def reason(error: BaseException) -> str:
    """Why the database could not be used, in one line; for a pool that timed out, what its attempts ran into."""
    said = Connection.failure if isinstance(error, PoolTimeout | TimeoutError) and Connection.failure else str(error)
    return " ".join(said.split()) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Backend:
    """What a request needs: ``app.state.backend``."""

    settings: Settings
    pool: Pool
    cache: Cache


def connection_pool(settings: Settings) -> Pool:
    """Bounded in connections and in requests that wait for one. It opens whether or not the database is there."""
    return AsyncConnectionPool(
        kwargs={**settings.postgres, "password": settings.password, "autocommit": True, "row_factory": dict_row},
        connection_class=Connection,
        min_size=1,
        max_size=settings.pool_size,
        max_waiting=20 * settings.pool_size,
        timeout=settings.pool_timeout,
        reconnect_timeout=10,  # then the next request tries again: no back-off that outlasts the outage by minutes
        check=AsyncConnectionPool.check_connection,  # after a failover the dead connections must not reach requests
        open=False,
    )
