"""The database users as which the application logs in: rows they may read and write, no more.

RDS gives its master user a new password every seven days, so nothing that runs for longer may log in with it. The
application has two users of its own with the same rights, through one role. Only one of them is in use; the other can
get a new password meanwhile, and tasks of both work side by side while a deployment goes from one to the other.
"""

from __future__ import annotations

import logging

import psycopg
from psycopg import sql

from backend.database import parameters
from backend.settings import ApplicationUser, MigrationSettings

log = logging.getLogger("migrate")
ROLE = "ohmycoins_app"
"""Holds the rights; its members log in. It owns nothing, so that it can neither change nor drop a table."""
OWN_TABLES = """
SELECT relname, relkind = 'S' FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) = current_user AND relkind IN ('r', 'p', 'S')
"""


def provide(connection: psycopg.Connection, settings: MigrationSettings) -> None:
    """Bring the users to what the settings say, and prove it by logging in as each. Nothing where there are none.

    Safe to repeat: a password that works is left alone. Raises psycopg.Error.
    """
    if not settings.application_users:
        return
    with connection.transaction():
        _role(connection, ROLE, "NOLOGIN")
        _grant(connection)
        for user in settings.application_users:
            _role(connection, user.username, "LOGIN")
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(ROLE), sql.Identifier(user.username)))
    for user in settings.application_users:
        if _refusal(settings, user) is None:
            continue
        _set_password(connection, user)
        refusal = _refusal(settings, user)
        if refusal is not None:
            raise refusal
        log.info("the database user %s has a new password", user.username)


def _role(connection: psycopg.Connection, name: str, login: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), sql.SQL(login)))
        log.info("made the database role %s", name)


def _grant(connection: psycopg.Connection) -> None:
    """Rows of every table that the migrations made or will make; the record of migrations is only read."""
    role = sql.Identifier(ROLE)
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    rights = {
        True: sql.SQL("GRANT USAGE, SELECT ON SEQUENCE {} TO {}"),
        False: sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {} TO {}"),
    }
    for name, is_sequence in connection.execute(OWN_TABLES).fetchall():
        connection.execute(rights[is_sequence].format(sql.Identifier("public", name), role))
    connection.execute(sql.SQL("REVOKE INSERT, UPDATE, DELETE ON TABLE public.schema_version FROM {}").format(role))
    for what in ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT ON SEQUENCES"):
        connection.execute(
            sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {} TO {}").format(sql.SQL(what), role)
        )


def _set_password(connection: psycopg.Connection, user: ApplicationUser) -> None:
    """As a SCRAM verifier: the server logs statements like this one, and a password would stand in that log."""
    password, name = user.password.get_secret_value().encode(), user.username.encode()
    verifier = connection.pgconn.encrypt_password(password, name, b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user.username), sql.Literal(verifier))
    )


def _refusal(settings: MigrationSettings, user: ApplicationUser) -> psycopg.OperationalError | None:
    """Why this user can't log in; None where it can."""
    login = parameters(settings) | {"user": user.username, "password": user.password.get_secret_value()}
    try:
        psycopg.connect(**login).close()
    except psycopg.OperationalError as error:
        return error
    return None
