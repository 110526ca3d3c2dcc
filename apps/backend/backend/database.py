"""How the database is reached: connection parameters, and the bounded pool that requests share."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from backend.settings import DatabaseSettings, Settings

Row = dict[str, Any]
Pool = AsyncConnectionPool[AsyncConnection[Row]]


class Connection(AsyncConnection[Row]):
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


def parameters(settings: DatabaseSettings) -> dict[str, Any]:
    """For libpq, the password among them. Times in seconds."""
    return {
        "host": settings.postgres_server,
        "port": settings.postgres_port,
        "dbname": settings.postgres_db,
        "user": settings.postgres_user,
        "password": settings.postgres_password.get_secret_value(),
        "sslmode": settings.postgres_sslmode,
        "connect_timeout": 3,
        "application_name": "ohmycoins-backend",
        "autocommit": True,
    }


def connection_pool(settings: Settings) -> Pool:
    """Bounded in connections and in requests that wait for one. It opens whether or not the database is there."""
    limits = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=30s"
    return AsyncConnectionPool(
        kwargs={**parameters(settings), "options": limits, "row_factory": dict_row},
        connection_class=Connection,
        min_size=1,
        max_size=settings.database_pool_size,
        max_waiting=20 * settings.database_pool_size,
        timeout=3,
        reconnect_timeout=10,  # then the next request tries again: no back-off that outlasts the outage by minutes
        check=AsyncConnectionPool.check_connection,  # after a failover the dead connections must not reach requests
        open=False,
    )
