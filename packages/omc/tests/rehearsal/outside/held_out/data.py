"""Who may do what with the data: logins, rights, limits and locks inside PostgreSQL. Not tuned for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from psycopg import sql

from rehearsal.outside.story import Story
from rehearsal.outside.world import World, value_of


def _user(world: World) -> str:
    """The database user as which the backend logs in."""
    return value_of(world.definition("backend")["containerDefinitions"][0], "POSTGRES_USER")


def _statements(broken: str, healed: str, *, renewed: bool = True) -> Callable[[World], AbstractContextManager[None]]:
    """Two statements as the master user, ``{user}`` the application's; sessions are ended after each if ``renewed``."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        user = sql.Identifier(_user(world))

        def run(statement: str) -> None:
            with world.sql() as connection:
                connection.execute(sql.SQL(statement).format(user=user))
            if renewed:
                world.end_sessions()

        run(broken)
        try:
            yield
        finally:
            run(healed)

    return fault


@contextmanager
def _rows_locked(world: World) -> Iterator[None]:
    """Rows that every stored price refers to, held by a session that went to lunch. Reads go on; nothing is stored."""
    with world.sql("pgadmin-lunch") as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT * FROM coins FOR UPDATE")
        yield


STORIES = (
    Story(
        "read-only-role",
        _statements(
            "ALTER ROLE {user} SET default_transaction_read_only = on",
            "ALTER ROLE {user} RESET default_transaction_read_only",
        ),
        "the application's role has only read-only transactions, and the pools have connected anew",
        headline=r"read.only|no writes",
        words=(r"cannot execute \w+ in a read-only transaction|default_transaction_read_only", r"backend"),
        never=(r"rollback", r"security group", r"standby"),
    ),
    Story(
        "role-without-connections",
        _statements("ALTER ROLE {user} CONNECTION LIMIT 0", "ALTER ROLE {user} CONNECTION LIMIT -1"),
        "the application's role may have no connection at all, though the database has many left",
        headline=r"too many connections|connections?.*(limit|\brole\b|ohmycoins_app)"
        r"|(\brole\b|ohmycoins_app).*connection",
        words=(r"too many connections for role|connection limit", r"ohmycoins_app_\w"),
        never=(r"rollback", r"security group"),
    ),
    Story(
        "column-renamed",
        _statements(
            "ALTER TABLE coins RENAME COLUMN base_price TO price_base",
            "ALTER TABLE coins RENAME COLUMN price_base TO base_price",
            renewed=False,
        ),
        "a column that the backend reads was renamed by hand",
        headline=r"base_price|column|schema",
        words=(r"column \W*base_price\W* does not exist", r"backend"),
        never=(r"rollback", r"security group"),
    ),
    Story(
        "rows-locked-by-an-idle-session",
        _rows_locked,
        "an idle session holds the rows that stored prices refer to: reads go on, the prices grow old",
        headline=r"lock|block|prices?.*(stored|old|stale|fresh)|data.*(old|stale|fresh)|stale",
        words=(r"lock|block|statement timeout", r"pgadmin-lunch|idle in transaction|\bpid\b|coins"),
        never=(r"rollback", r"security group"),
        exits=(0, 1),
        within=120,
    ),
)
