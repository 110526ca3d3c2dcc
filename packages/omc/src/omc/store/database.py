"""Opening a store: its connections, its clock, and the schema kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, ProgrammingError

from omc.progress import note_if_slow
from omc.store import migrations
from omc.store.clock import DatabaseClock
from omc.store.embedded import DATABASE, USER, Server, StoreError, libpq_variables
from omc.store.location import StoreLocation, parts_of
from omc.store.migrations import newest
from omc.store.opened import Store

MIGRATION_LOCK = 0x6F6D63_01
"""The advisory lock under which the schema is brought up to date."""

_SETTINGS = (
    # A process that is stopped in the middle of a transaction must not keep its run from being taken over; one that is
    # starved on a busy machine must not lose it (3 s were too few, twice).
    "-c idle_in_transaction_session_timeout=10s -c lock_timeout=8s -c statement_timeout=20s"
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=2 -c timezone=UTC"
)
_READ_ONLY = f"{_SETTINGS} -c default_transaction_read_only=on"


@contextmanager
def open_store(place: StoreLocation, now: Callable[[], datetime] | None = None) -> Iterator[Store]:
    """The store, started where it is an embedded one, with its schema up to date.

    A place that is read only stays as it is: ``StoreError`` where nothing was ever kept there, and where its schema is
    another one than this omc's.
    """
    if place.is_read_only and not place.exists:
        raise StoreError(f"Nothing was ever recorded in {place}, and it is only read here.")
    if place.folder is not None:
        server = Server(place.folder)
        try:
            server.enter()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"omc can't keep its record in {place.folder}: {reason} ({error.filename}).") from error
        try:
            url = URL.create("postgresql+psycopg", username=USER, database=DATABASE, query={"host": server.host})
            with _connected(place, url, now) as store:
                store.revive = server.revive
                yield store
        finally:
            server.leave()
    else:
        with _connected(place, _parsed(place.url or ""), now) as store:
            yield store


@contextmanager
def look_into(place: StoreLocation) -> Iterator[Store]:
    """The store as it is, to read only: nothing is made or brought up to date, and the server refuses each write. An
    embedded one that was begun is started, as for every command."""
    if place.folder is not None:
        server = Server(place.folder)
        server.enter()
        try:
            url = URL.create("postgresql+psycopg", username=USER, database=DATABASE, query={"host": server.host})
            yield from _looked_at(place, url)
        finally:
            server.leave()
    else:
        yield from _looked_at(place, _parsed(place.url or ""))


def _looked_at(place: StoreLocation, url: URL) -> Iterator[Store]:
    engine = _engine(place, url, _READ_ONLY)
    try:
        yield Store(place, engine)
    finally:
        engine.dispose()


def schema_of(store: Store) -> tuple[str | None, str]:
    """The store's schema and this code's; None where it has no tables yet."""

    with store._plainly():
        return _version(store), newest()


@contextmanager
def _connected(place: StoreLocation, url: URL, now: Callable[[], datetime] | None) -> Iterator[Store]:
    engine = _engine(place, url, _READ_ONLY if place.is_read_only else _SETTINGS)
    store = Store(place, engine)
    try:
        with note_if_slow(f"omc's database ({place}) to answer, with its tables up to date"):
            _require_newest(store) if place.is_read_only else migrate(store)
            with store._plainly():
                store.now = now or DatabaseClock(engine)
        yield store
    finally:
        engine.dispose()


def _engine(place: StoreLocation, url: URL, settings: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={"connect_timeout": 5, "options": settings, "application_name": "omc", "tcp_user_timeout": 5000},
        pool_size=4,
        max_overflow=8,
    )
    event.listen(engine, "do_connect", _connect_as_meant(place))
    return engine


def _connect_as_meant(place: StoreLocation) -> Callable[..., Any]:
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:  # noqa: ARG001 - SQLAlchemy's signature
        with libpq_variables(intended=place.folder is None):
            return dialect.connect(*arguments, **options)

    return connect


def _parsed(text_of_url: str) -> URL:
    try:
        scheme, account, rest = parts_of(text_of_url)
        url = make_url(f"{scheme}://{rest}")
        if account:
            user, _, password = account.partition(":")
            url = url.set(username=unquote(user), password=unquote(password) or None)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            "The store's URL is not valid. A valid one has this form: postgresql://user@host:5432/database."
        ) from error
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StoreError(f"The store must be a PostgreSQL, postgresql://user@host/database, not {url.drivername}.")
    return url.set(drivername="postgresql+psycopg")


def _require_newest(store: Store) -> None:
    """Raises ``StoreError`` where the tables aren't those that this omc knows."""
    found, known = schema_of(store)
    if found != known:
        raise StoreError(
            f"The store {store.place} has schema {found or 'none'} and this omc reads {known}. It is only read here: "
            "any other command of omc brings an older one up to date."
        )


def migrate(store: Store) -> None:
    """Bring the schema up to date, one process at a time. A schema that is newer than this code is refused."""

    head = newest()
    with store._plainly():
        try:
            if (current := _version(store)) == head:
                return
            with store.engine.connect() as connection:
                connection.execute(text("SET lock_timeout = '60s'; SET statement_timeout = '60s'"))
                connection.execute(text("SET idle_in_transaction_session_timeout = '60s'"))
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
                connection.commit()
                try:
                    current = _version(store)
                    if current is None or current < head:
                        _upgrade(connection, head)
                finally:
                    connection.rollback()
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
                    connection.commit()
                    connection.invalidate()  # its settings are its own
        except ProgrammingError as error:
            reason = " ".join(str(error.orig).split())
            raise StoreError(f"omc's tables can't be made in {store.place}: {reason}.") from error
    if current is not None and current > head:
        raise StoreError(
            f"The store {store.place} was written by a newer omc (schema {current}, this one knows {head}). Update omc."
        )


def _version(store: Store) -> str | None:
    with store.engine.connect() as connection:
        if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def _upgrade(connection: Any, head: str) -> None:
    from pathlib import Path

    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, head)
