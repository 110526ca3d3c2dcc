"""Where a process of omc can be stopped: at any write to its record, from outside, with no hook in omc.

A trigger in omc's own database counts the transactions that write to each environment's record and, in the one that is
asked for, waits for a lock that the sweep holds. The process stands still in the middle of that transaction, and is
killed there: what it was about to write down never was. What it did before is done.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

CLASS = 778
"""The first half of the advisory locks' keys; the second is the environment's."""
INSTALL = f"""
CREATE SCHEMA sweep;
CREATE TABLE sweep.gate (environment text PRIMARY KEY, key integer NOT NULL, seen integer, stop_at integer,
    transaction bigint);
CREATE FUNCTION sweep.pass() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE gate sweep.gate;
BEGIN
    UPDATE sweep.gate AS g
        SET seen = seen + (transaction IS DISTINCT FROM txid_current())::integer, transaction = txid_current()
        WHERE g.environment IN (SELECT fresh.environment FROM fresh) RETURNING g.* INTO gate;
    IF FOUND AND gate.seen = gate.stop_at THEN
        PERFORM pg_advisory_xact_lock({CLASS}, gate.key);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sweep AFTER INSERT ON audit_log REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION sweep.pass();
"""
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND NOT granted"


def install(dsn: str) -> None:
    """Put the trigger into the store's database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(INSTALL)


@dataclass(slots=True)
class Gate:
    """The gate of one environment."""

    connection: psycopg.Connection[Any]
    environment: str

    @property
    def key(self) -> int:
        return zlib.crc32(self.environment.encode()) & 0x7FFFFFFF

    def close_at(self, write: int) -> None:
        """Stop whoever makes this write, counted from now on; 0: nobody."""
        self.connection.execute("SELECT pg_advisory_lock(%s, %s)", (CLASS, self.key))
        self.connection.execute(
            "INSERT INTO sweep.gate (environment, key, seen, stop_at) VALUES (%(name)s, %(key)s, 0, %(at)s) "
            "ON CONFLICT (environment) DO UPDATE SET seen = 0, stop_at = %(at)s",
            {"name": self.environment, "key": self.key, "at": write},
        )

    def somebody_waits(self) -> bool:
        return self.connection.execute(WAITING, (CLASS, self.key)).fetchone() is not None

    def open(self) -> int:
        """Let everybody pass from now on; how many writes there were since ``close_at``.

        Whoever stood here and is dead leaves nothing behind: its transaction ends without a commit.
        """
        self.connection.execute("SELECT pg_advisory_unlock_all()")
        seen = self.connection.execute(
            "UPDATE sweep.gate SET stop_at = 0 WHERE environment = %s RETURNING seen", (self.environment,)
        ).fetchone()
        return int(seen[0]) if seen else 0


@contextmanager
def gate_of(dsn: str, environment: str) -> Iterator[Gate]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Gate(connection, environment)
