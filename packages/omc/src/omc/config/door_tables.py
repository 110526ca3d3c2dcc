"""The table ``[doors]`` of omc.toml: how people reach the database by `omc db`. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from omc.config.fields import Table, key

A_USER = "a PostgreSQL user: letters, digits and underscores"
_USER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"


class DoorsTable(Table, frozen=True, kw_only=True):
    """How `omc db` logs in, and how long it lets a statement run. Where no user is named it logs in as the service does
    through whose task it goes, with the password that Secrets Manager keeps; reading alone is then the session's
    setting and no lack of a right.
    """

    database_reader: (
        Annotated[
            str,
            key(
                "The user as whom people read, by a token of IAM: a member of `rds_iam` and of `pg_read_all_data`, in "
                "an instance that has IAM authentication on.",
                pattern=_USER,
                allowed=A_USER,
                default="the service's own user",
                example="people_read",
            ),
        ]
        | None
    ) = None
    database_writer: (
        Annotated[
            str,
            key(
                "The same of `omc db --write`.",
                pattern=_USER,
                allowed=A_USER,
                default="the service's own user",
                example="people_write",
            ),
        ]
        | None
    ) = None
    statement_seconds: Annotated[
        int,
        key("A statement of `omc db` that runs longer is cancelled.", least=1, most=3600, unit="seconds", example=60),
    ] = 30
    idle_seconds: Annotated[
        int,
        key(
            "A session of `omc db` that does nothing for so long is ended; in an open transaction, for a fifth of it.",
            least=10,
            most=3600,
            unit="seconds",
            example=600,
        ),
    ] = 900


DOORS = DoorsTable()
