"""Who has updates of the status sent to them."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

_TABLES = """
CREATE TABLE subscribers (
    id text PRIMARY KEY,
    environment text NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    identity text NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    asked_at timestamptz NOT NULL,
    questions integer NOT NULL,
    failures integer NOT NULL
);
CREATE UNIQUE INDEX one_subscriber_per_identity ON subscribers (environment, kind, identity)
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
