"""Alerts as they are now: a projection of their events."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = """
CREATE TABLE alerts (
    environment text NOT NULL,
    key text NOT NULL,
    events integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    group_name text NOT NULL,
    is_firing boolean NOT NULL,
    incident integer,
    hold_by text,
    hold_of text,
    changed_at timestamptz,
    state text NOT NULL,
    PRIMARY KEY (environment, key)
);
CREATE INDEX alerts_of_a_group ON alerts (environment, group_name);
CREATE INDEX alerts_that_fire ON alerts (environment, kind) WHERE is_firing
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
