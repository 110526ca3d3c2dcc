"""One event log for all kinds of streams; the incidents' events move into it. The record's own table, which was called
``events``, becomes ``audit_log``.

What moves is written into the record as well, from what the record says of it and not from the rows: an incident that
was changed behind omc's back before is found out afterwards too.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TABLES = """
ALTER TABLE events RENAME TO audit_log;
ALTER INDEX events_pkey RENAME TO audit_log_pkey;
ALTER INDEX events_of_a_run RENAME TO audit_log_of_a_run;
CREATE TABLE events (
    kind text NOT NULL,
    environment text NOT NULL,
    stream text NOT NULL,
    sequence integer NOT NULL,
    position bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    link text,
    type text NOT NULL,
    version integer NOT NULL,
    payload text NOT NULL,
    idempotency_key text,
    PRIMARY KEY (kind, environment, stream, sequence)
);
CREATE UNIQUE INDEX events_by_position ON events (position);
CREATE UNIQUE INDEX one_event_per_idempotency_key ON events (idempotency_key);
INSERT INTO events
    SELECT 'incident', environment, incident::text, number,
        row_number() OVER (ORDER BY at, environment, incident, number), at, by, link, kind, 1, body, NULL
    FROM incident_events;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION omc_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION omc_refuse_change();
DROP TABLE incident_events
"""
_MOVED = {"by": "actor", "number": "sequence", "kind": "type", "body": "payload"}
"""Columns that have another name now."""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    connection = op.get_bind()
    recorded = connection.execute(
        sa.text("SELECT number, at, body, hash FROM audit_log WHERE body LIKE :of_incidents ORDER BY number"),
        {"of_incidents": '%"table":"incident_events"%'},
    ).all()
    last = connection.execute(sa.text("SELECT number, hash FROM audit_log ORDER BY number DESC LIMIT 1")).first()
    for old in recorded:
        moved = _moved(connection, old.body)
        if moved is None or last is None:
            continue
        number, previous = last.number + 1, last.hash
        body = json.dumps({**moved, "number": number}, sort_keys=True, separators=(",", ":"))
        row = {
            "number": number,
            "at": old.at,
            "kind": moved["kind"],
            "environment": moved["environment"],
            "body": body,
            "previous": previous,
            "hash": hashlib.sha256((previous + body).encode()).hexdigest(),
        }
        last = connection.execute(
            sa.text(
                "INSERT INTO audit_log (number, at, kind, environment, run, body, previous, hash) VALUES"
                " (:number, :at, :kind, :environment, NULL, :body, :previous, :hash) RETURNING number, hash"
            ),
            row,
        ).one()


def _moved(connection: sa.Connection, text: str) -> dict[str, Any] | None:
    """The event of the record that tells of the row in its new place; None where it can't be read, which
    ``omc audit verify`` says of the old one."""
    try:
        body = json.loads(text)
        environment, incident, number = body["key"]
        changes = {_MOVED.get(name, name): value for name, value in body["changes"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if body.get("table") != "incident_events":
        return None
    key = ["incident", environment, str(incident), number]
    named = dict(zip(("kind", "environment", "stream", "sequence"), key, strict=True))
    position = connection.execute(
        sa.text(
            "SELECT position FROM events WHERE kind = :kind AND environment = :environment AND stream = :stream"
            " AND sequence = :sequence"
        ),
        named,
    ).scalar()
    changes.pop("incident", None)
    changes |= {**named, "position": position, "version": 1, "idempotency_key": None}
    details = {"moved_from": {"table": "incident_events", "key": body["key"], "event": body.get("number")}}
    return {
        **body,
        "kind": f"{body['kind']}, moved",
        "table": "events",
        "key": key,
        "changes": changes,
        "details": details,
    }
