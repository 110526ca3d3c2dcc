"""Migrations: numbered SQL files in ``migrations/``, each applied once, in order, in a transaction of its own.

``python -m backend.migrate`` brings the database to the schema that this code needs. An advisory lock makes it safe
to run twice at once: the second waits, then finds nothing to do. It logs in as the schema's owner and also provides
the users as which the application logs in (``backend.users``). Exit codes: 0 the schema is as needed, 1 a migration
failed (and was rolled back), 2 a setting is wrong, 3 the database couldn't be reached or the lock wasn't free in time.
A file that was applied is never edited; a change is a new file. One that removes what older code needs says so in its
first line, ``-- contract: code of version 3 or newer``; deployments never go back beyond that.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import psycopg

from backend import logs, users
from backend.database import parameters, reason
from backend.settings import MigrationSettings, SettingsError, from_environment

log = logging.getLogger("migrate")
FILES = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
NEEDED = len(FILES)
"""The schema version that this code needs. A newer one is fine: migrations only add while an older revision runs."""
LOCK = 0x6F6D63  # any number, the same in every process: advisory locks are a name space of the database


def migrate(settings: MigrationSettings) -> None:
    """Apply what is missing, then provide the application's users. Raises psycopg.Error."""
    with psycopg.connect(**parameters(settings), options="-c lock_timeout=60s") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))  # freed with the connection
        _apply_missing(connection)
        users.provide(connection, settings)


def _apply_missing(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version ("
        " version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = {version for (version,) in connection.execute("SELECT version FROM schema_version")}
    for version, path in enumerate(FILES, start=1):
        if version in done:
            continue
        log.info("applying migration %s", path.name)
        with connection.transaction():
            connection.execute(path.read_text())
            connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (version, path.stem))


def main() -> int:
    logs.configure()
    try:
        migrate(from_environment(os.environ, MigrationSettings))
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except psycopg.OperationalError as error:
        log.error("the database can't be migrated now: %s", reason(error))
        return 3
    except psycopg.Error as error:
        log.error("the migration failed and was rolled back: %s", reason(error))
        return 1
    oldest = oldest_code(FILES)
    if oldest:
        log.info("the schema is at version %d; code of version %d or newer works with it", NEEDED, oldest)
    else:
        log.info("the schema is at version %d", NEEDED)
    return 0


def oldest_code(files: Iterable[Path]) -> int:
    """The oldest version of code that the whole schema works with; 0 where no migration removed anything."""
    first_lines = (path.read_text().partition("\n")[0] for path in files)
    said = (re.fullmatch(r"-- contract: code of version (\d+) or newer", line.strip()) for line in first_lines)
    return max((int(found[1]) for found in said if found), default=0)


if __name__ == "__main__":
    sys.exit(main())
