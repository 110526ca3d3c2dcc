"""Migrations: numbered SQL files in ``migrations/``, each applied once, in order, in a transaction of its own.

``python -m backend.migrate`` brings the database to the schema that this code needs. An advisory lock makes it safe
to run twice at once: the second waits, then finds nothing to do. Exit codes: 0 the schema is as needed, 1 a migration
failed (and was rolled back), 2 a setting is wrong, 3 the database couldn't be reached or the lock wasn't free in time.
A file that was applied is never edited; a change is a new file.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import psycopg

from backend import logs
from backend.settings import Settings, SettingsError, from_environment

log = logging.getLogger("migrate")
FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x6F6D63  # any number, the same in every process: advisory locks are a name space of the database
LOCK_WAIT = "60s"


class MigrationError(Exception):
    """A migration failed and left no trace."""


def files(folder: Path = FOLDER) -> list[tuple[int, Path]]:
    """(version, file), ascending. The versions are 1, 2, 3 … without a gap: a gap is a file that got lost."""
    found = sorted((int(path.name.split("_")[0]), path) for path in folder.glob("*.sql"))
    if [version for version, _ in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"the migrations are numbered {[version for version, _ in found]}, with a gap or twice")
    return found


NEEDED = files()[-1][0]
"""The schema version that this code needs. A newer one is fine: migrations only add while an older revision runs."""


def migrate(settings: Settings, folder: Path = FOLDER) -> list[int]:
    """Apply what is missing; the versions applied. Raises MigrationError, or psycopg.OperationalError."""
    parameters = {**settings.postgres, "options": f"-c lock_timeout={LOCK_WAIT}"}  # a migration may take its time
    applied = []
    with psycopg.connect(**parameters, password=settings.password, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))  # freed with the connection
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version ("
            " version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {version for (version,) in connection.execute("SELECT version FROM schema_version")}
        for version, path in files(folder):
            if version in done:
                continue
            try:
                with connection.transaction():
                    connection.execute(path.read_text())
                    connection.execute("INSERT INTO schema_version VALUES (%s, %s)", (version, path.stem))
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                raise MigrationError(f"migration {path.name} failed and was rolled back: {error}") from error
            log.info("migration %s applied", path.name)
            applied.append(version)
    return applied


def main() -> int:
    logs.configure("INFO")
    try:
        settings = from_environment(os.environ)
        applied = migrate(settings)
    except SettingsError as error:
        log.error("%s", error)
        return 2
    except MigrationError as error:
        log.error("%s", error)
        return 1
    except psycopg.OperationalError as error:
        where = f"{os.environ.get('POSTGRES_SERVER')}:{os.environ.get('POSTGRES_PORT', '5432')}"
        log.error("the database at %s can't be migrated now: %s", where, str(error).strip())
        return 3
    log.info("schema is at version %d, %d applied now", NEEDED, len(applied))
    return 0


if __name__ == "__main__":
    sys.exit(main())
