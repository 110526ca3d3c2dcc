"""Whose record each environment's is: account, region and, of a local cloud, which one."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE homes ("
        " environment text NOT NULL, number integer NOT NULL, account text NOT NULL, region text NOT NULL,"
        " cloud text NOT NULL, since timestamptz NOT NULL, PRIMARY KEY (environment, number))"
    )
