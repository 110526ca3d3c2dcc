"""The incidents' own table moves into the event log, and into the record: as it was, and after it was changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine

from omc.incidents.model import TYPES, Noted, Opened, Resolved, SeverityChanged
from omc.store import audit, embedded
from omc.store.database import _upgrade, open_store
from omc.store.eventlog import read_after
from omc.store.incidents import add, incidents_of
from omc.store.location import StoreLocation
from omc.store.models import text_of
from support.engine_world import execute, place_in

_NAMES = count(1)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINK = "https://example.com/jobs/1"
OLD: list[tuple[str, int, int, str, str | None, str, dict[str, Any]]] = [
    ("staging", 1, 1, "ann", LINK, "opened", {"severity": 2, "summary": "Users can't log in"}),
    ("production", 1, 1, "bob", None, "opened", {"severity": 3, "summary": "Prices are late"}),
    ("staging", 1, 2, "bob", None, "noted", {"text": "scaled out; \u00fc and \u20ac"}),
    ("staging", 1, 3, "ann", None, "severity changed", {"severity": 1}),
    ("staging", 2, 1, "ann", None, "opened", {"severity": 3, "summary": "Slow"}),
    ("staging", 1, 4, "ann", None, "resolved", {"how": "rolled back"}),
]


@pytest.fixture
def old(server: embedded.Server) -> StoreLocation:
    """A store of the schema before, with two environments' incidents as the omc of then wrote them."""
    name = f"old{next(_NAMES)}"
    execute(server, f"CREATE DATABASE {name}")
    place = place_in(server, name)
    engine = create_engine((place.url or "").replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        _upgrade(connection, "0005")
    engine.dispose()
    with psycopg.connect(place.url or "", autocommit=True) as connection:
        previous = audit.BEGINNING
        for number, (environment, incident, event, by, link, kind, body) in enumerate(OLD, start=1):
            at = NOON + timedelta(minutes=number)
            connection.execute(
                "INSERT INTO incident_events VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (environment, incident, event, at, by, link, kind, json.dumps(body, separators=(",", ":"))),
            )
            columns = {"environment": environment, "incident": incident, "number": event, "by": by, "link": link}
            message = text_of(
                {
                    "number": number,
                    "at": audit.shown(at),
                    "kind": f"incident {kind}",
                    "environment": environment,
                    "run": None,
                    "actor": by,
                    "table": "incident_events",
                    "key": [environment, incident, event],
                    "changes": {**columns, "at": audit.shown(at), "kind": kind, "body": body},
                    "details": {},
                }
            )
            mark = audit.hash_of(previous, message)
            connection.execute(
                "INSERT INTO events VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (number, at, f"incident {kind}", environment, None, message, previous, mark),
            )
            previous = mark
    return place


def problems(place: StoreLocation) -> list[str]:
    with open_store(place) as store, store.reading() as session:
        return audit.verify(session).problems


def test_each_incident_is_what_it_was_and_goes_on(old: StoreLocation) -> None:
    with open_store(old) as store:
        slow, login = incidents_of(store, "staging")
        [late] = incidents_of(store, "production")
        assert [event.payload for event in login.events] == [
            Opened(2, "Users can't log in"),
            Noted("scaled out; \u00fc and \u20ac"),
            SeverityChanged(1),
            Resolved("rolled back"),
        ]
        assert (login.opened_by, login.resolved_at) == ("ann", NOON + timedelta(minutes=6))
        assert [event.link for event in login.events] == [LINK, None, None, None]
        assert (slow.number, slow.is_open, late.summary) == (2, True, "Prices are late")
        with store.reading() as session:
            stored = read_after(session, 0, [TYPES])
        assert [each.position for each in stored] == list(range(1, len(OLD) + 1))
        assert [(each.stream.environment, each.stream.id, each.sequence) for each in stored] == [
            (environment, str(incident), event) for environment, incident, event, *_ in OLD
        ]
        add(store, "staging", 2, Resolved("scaled out"), "ann")
    assert problems(old) == []


def test_the_record_grows_by_what_moved_and_keeps_what_it_had(old: StoreLocation) -> None:
    with psycopg.connect(old.url or "") as connection:
        before = connection.execute("SELECT * FROM events ORDER BY number").fetchall()
    with open_store(old):
        pass
    with psycopg.connect(old.url or "") as connection:
        found = connection.execute("SELECT * FROM audit_log ORDER BY number").fetchall()
        with pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("DELETE FROM audit_log")
    assert found[: len(before)] == before
    assert len(found) == 2 * len(before)
    assert problems(old) == []


ROW = "events incident staging 1 2"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE incident_events SET by = 'mallory' WHERE number = 2", f"{ROW}: actor is not what the record says."),
        ("UPDATE incident_events SET body = '{}' WHERE number = 2", f"{ROW}: payload is not what the record says."),
        ("UPDATE incident_events SET kind = 'x' WHERE number = 2", f"{ROW}: type is not what the record says."),
        ("UPDATE incident_events SET link = 'x' WHERE number = 2", f"{ROW}: link is not what the record says."),
        (
            "UPDATE incident_events SET at = at + interval '1 s' WHERE number = 2",
            f"{ROW}: at is not what the record says.",
        ),
        ("DELETE FROM incident_events WHERE number = 2", f"{ROW} is in the record but was deleted."),
        (
            "INSERT INTO incident_events SELECT environment, incident, 5, at, by, link, kind, body FROM incident_events"
            " WHERE number = 2",
            "events incident staging 1 5 is not in the record.",
        ),
        (
            "UPDATE events SET body = replace(body, 'scaled', 'ruined') WHERE number = 3",
            "Event 3 (incident noted) was changed: its hash differs.",
        ),
        ("UPDATE events SET body = '{' WHERE number = 3", "Event 3 (incident noted) was changed: its hash differs."),
        ("DELETE FROM events WHERE number = 3", "Event 3 is missing; the next one is 4."),
    ],
)
def test_what_was_changed_before_the_move_is_found_out_after_it(
    old: StoreLocation, statement: str, expected: str
) -> None:
    with psycopg.connect(old.url or "", autocommit=True) as connection:
        for table in ("incident_events", "events"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        connection.execute(statement.encode())
        for table in ("incident_events", "events"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
    assert expected in problems(old)


def test_a_store_without_incidents_moves_too(server: embedded.Server) -> None:
    name = f"old{next(_NAMES)}"
    execute(server, f"CREATE DATABASE {name}")
    place = place_in(server, name)
    engine = create_engine((place.url or "").replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        _upgrade(connection, "0005")
    engine.dispose()
    assert problems(place) == []
