"""What a responder works with: messages that took effect, deadlines, and pages on their way."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLES = """
CREATE TABLE inbox (
    source text NOT NULL,
    id text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX inbox_by_time ON inbox (at);
CREATE TABLE deadlines (
    kind text NOT NULL,
    environment text NOT NULL,
    subject text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (kind, environment, subject)
);
CREATE INDEX deadlines_due ON deadlines (due_at);
CREATE TABLE outbox (
    key text NOT NULL PRIMARY KEY,
    environment text NOT NULL,
    incident integer,
    recipient text NOT NULL,
    page text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    method integer NOT NULL,
    attempts integer NOT NULL,
    log text NOT NULL,
    sent_at timestamptz,
    holder text,
    lease_until timestamptz
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_of_an_incident ON outbox (environment, incident)
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
