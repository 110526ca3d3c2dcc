"""The record of incidents in a real database: counted without gaps, never edited, and part of the record."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from omc.config import Environment
from omc.errors import Refused, WrongUse
from omc.facts.collector import collect
from omc.facts.incidents import OpenIncidents
from omc.incidents.model import TYPES, Noted, Resolved, SeverityChanged, stream_of
from omc.model.events import EventTypes
from omc.store import audit
from omc.store.eventlog import append
from omc.store.incidents import add, incident_of, incidents_of, open_incident
from omc.store.location import StoreLocation
from omc.store.opened import Store
from support import release_facts
from support.commands import ROOT, CommandResult, clean_env, run
from support.engine_world import World, opened_at
from support.waiting import eventually


def numbers(store: Store, environment: str = "staging") -> list[int]:
    return [incident.number for incident in incidents_of(store, environment)]


def test_an_incident_is_kept_as_its_events(place: StoreLocation) -> None:
    now = [datetime(2026, 11, 23, 12, tzinfo=UTC)]
    with opened_at(place, lambda: now[0]) as store:
        opened = open_incident(store, "staging", 2, "Users  can't\nlog in", "ann", "https://example.com/1")
        assert (opened.number, opened.severity, opened.summary) == (1, 2, "Users can't log in")
        now[0] += timedelta(minutes=5)
        add(store, "staging", 1, Noted("scaled out"), "bob")
        add(store, "staging", 1, SeverityChanged(1), "bob")
        ended = add(store, "staging", 1, Resolved("rolled back"), "ann")
        assert incident_of(store, "staging", 1) == ended
        assert (ended.opened_by, ended.resolved_by, ended.severity) == ("ann", "ann", 1)
        assert ended.resolved_at == opened.opened_at + timedelta(minutes=5)
        with pytest.raises(Refused, match="was resolved by ann and stays so"):
            add(store, "staging", 1, Resolved("again"), "ann")
        assert incident_of(store, "staging", 1) == ended


def test_an_incident_that_there_is_not_is_wrong_use(store: Store) -> None:
    open_incident(store, "production", 1, "Users can't log in", "ann")
    attempts: list[Callable[[], object]] = [
        lambda: incident_of(store, "staging", 1),
        lambda: add(store, "staging", 1, Noted("what?"), "ann"),
    ]
    for attempt in attempts:
        with pytest.raises(WrongUse, match=r"staging has no incident 1\. See: omc incident list --env staging --all"):
            attempt()


def test_environments_count_for_themselves_and_a_refused_one_takes_no_number(store: Store) -> None:
    open_incident(store, "staging", 1, "one", "ann")
    open_incident(store, "production", 1, "one", "ann")
    with pytest.raises(WrongUse):
        open_incident(store, "staging", 1, " ", "ann")
    open_incident(store, "staging", 1, "two", "ann")
    assert (numbers(store), numbers(store, "production")) == ([2, 1], [1])


def test_who_opens_one_while_another_is_being_opened_gets_the_next_number(place: StoreLocation, store: Store) -> None:
    with (
        opened_at(place) as other,
        psycopg.connect(place.url or "", autocommit=True) as holder,
        ThreadPoolExecutor(2) as pool,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [audit.CHAIN_LOCK])  # so that neither can come to its end
        first = pool.submit(open_incident, store, "staging", 1, "one", "ann")
        eventually("the first waits for the record", lambda: waiting(holder) == 1)
        second = pool.submit(open_incident, other, "staging", 1, "two", "bob")
        eventually("the second waits for the first", lambda: waiting(holder) == 2)
        holder.execute("SELECT pg_advisory_unlock(%s)", [audit.CHAIN_LOCK])
        assert [each.result(30).number for each in (first, second)] == [1, 2]


def waiting(connection: psycopg.Connection[Any]) -> int:
    """How many wait for an advisory lock in this database."""
    mine = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    query = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {mine}"
    found = connection.execute(query.encode()).fetchone()
    return int(found[0]) if found else 0


def test_many_at_the_same_time_have_each_their_number(place: StoreLocation, store: Store) -> None:
    with opened_at(place) as other:
        start = threading.Barrier(4)

        def several(which: Store, who: str) -> list[int]:
            start.wait(30)
            return [open_incident(which, "staging", 3, "again", who).number for _ in range(5)]

        with ThreadPoolExecutor(4) as pool:
            provided = [pool.submit(several, which, who) for which, who in zip((store, other) * 2, "abcd", strict=True)]
            taken = sorted(number for each in provided for number in each.result(60))
    assert taken == list(range(1, 21))
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_of_two_who_resolve_it_at_the_same_time_one_is_told(place: StoreLocation, store: Store) -> None:
    open_incident(store, "staging", 1, "one", "ann")
    with opened_at(place) as other:
        start = threading.Barrier(2)

        def resolve(which: Store) -> str:
            start.wait(30)
            try:
                add(which, "staging", 1, Resolved("rolled back"), "ann")
            except Refused as error:
                return error.message
            return ""

        with ThreadPoolExecutor(2) as pool:
            messages = sorted(each.result(60) for each in [pool.submit(resolve, which) for which in (store, other)])
    assert messages[0] == ""
    assert "stays so" in messages[1]
    assert len(incident_of(store, "staging", 1).events) == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET payload = '{}'", "DELETE FROM events", "TRUNCATE events"],
)
def test_the_database_itself_refuses_to_edit_an_incident(store: Store, statement: str) -> None:
    open_incident(store, "staging", 1, "one", "ann")
    with pytest.raises(DBAPIError, match="append-only"), store.engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE events SET actor = 'mallory' WHERE sequence = 1", "events incident staging 1 1: actor is not what"),
        ("DELETE FROM events WHERE sequence = 2", "events incident staging 1 2 is in the record but was deleted"),
        (
            "INSERT INTO events SELECT kind, environment, stream, 3, 3, at, actor, link, type, version, payload"
            " FROM events WHERE sequence = 2",
            "events incident staging 1 3 is not in the record",
        ),
    ],
)
def test_whoever_edits_an_incident_behind_its_back_is_found_out(store: Store, statement: str, expected: str) -> None:
    open_incident(store, "staging", 1, "one", "ann")
    add(store, "staging", 1, Noted("scaled out"), "ann")
    with store.reading() as session:
        assert audit.verify(session).problems == []
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER USER")
        connection.exec_driver_sql(statement)
    with store.reading() as session:
        assert any(expected in problem for problem in audit.verify(session).problems)


def test_the_fact_is_what_is_open_here_the_worst_first(store: Store) -> None:
    environment = release_facts.environment()
    for severity, summary in ((3, "slow"), (1, "down"), (1, "over"), (2, "odd")):
        open_incident(store, environment.name, severity, summary, "ann")
    open_incident(store, "production", 1, "elsewhere", "ann")
    add(store, environment.name, 3, Resolved("rolled back"), "ann")

    def wanted(incidents: OpenIncidents) -> None:
        """What is needed, by its type."""

    wanted.__annotations__ = {"incidents": OpenIncidents, "return": None}
    found = collect([wanted], {Store: store, Environment: environment})[OpenIncidents].incidents
    assert [(incident.number, incident.summary) for incident in found] == [(2, "down"), (4, "odd"), (1, "slow")]


def test_no_secret_of_a_note_is_kept(store: Store) -> None:
    open_incident(store, "staging", 1, "one", "ann")
    add(store, "staging", 1, Noted("tried postgresql://omc:hunter2@db/omc and\0 failed"), "ann")
    with store.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT payload FROM events UNION SELECT body FROM audit_log").all()
    assert "hunter2" not in str(kept)
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_an_incident_from_the_command_line(world: World) -> None:
    def omc(verb: str, *words: str, **how: Any) -> CommandResult:
        return world.omc("incident", verb, *words, "--env", "production", **how)

    assert omc("list").stdout == "No incident is open in production.\n"
    assert omc("list", "--all").stdout == "There was no incident in production yet.\n"
    assert omc("show", "1").returncode == 2
    assert omc("open", "Users can't log in").returncode == 2  # how bad?
    assert omc("open", "--severity", "4", "Users can't log in").returncode == 2
    assert omc("open", "--severity", "1", " ").returncode == 2
    assert omc("open", "--severity", "1", "Users can't log in").stdout == (
        "Incident 1 of production is open: SEV-1, Users can't log in\n"
    )
    assert omc("open", "--severity", "3", "Prices | are late").returncode == 0
    assert omc("note", "1", "scaled the backend to 6", who="bob").stdout == "Noted in incident 1 of production.\n"
    assert omc("severity", "1", "2").stdout == "Incident 1 of production is a SEV-2 now.\n"
    assert omc("resolve", "1", "rolled back").stdout.startswith("Incident 1 of production is resolved, after ")
    again = omc("resolve", "1", "rolled back")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "github:alice" in again.stderr

    listed = omc("list", "--output", "json").json
    assert [(each["number"], each["severity"], each["state"]) for each in listed["incidents"]] == [(2, 3, "open")]
    every = omc("list", "--all", "--output", "json").json["incidents"]
    assert [each["number"] for each in every] == [2, 1]
    assert "Users can't log in" in omc("list", "--all").stdout
    assert "Users can't log in" not in omc("list").stdout
    assert "Prices \\| are late" in omc("list", "--output", "markdown").stdout

    payload = omc("show", "1", "--output", "json").json
    assert (payload["state"], payload["resolution"], payload["opened_by"]) == (
        "resolved",
        "rolled back",
        "github:alice",
    )
    assert [(each["kind"], each["by"]) for each in payload["events"]] == [
        ("opened", "github:alice"),
        ("noted", "github:bob"),
        ("severity changed", "github:alice"),
        ("resolved", "github:alice"),
    ]
    assert datetime.fromisoformat(payload["resolved_at"]) >= datetime.fromisoformat(payload["opened_at"])
    for output in ("table", "markdown"):
        shown = omc("show", "1", "--output", output).stdout
        assert "scaled the backend to 6" in shown
        assert "resolved: rolled back" in shown
    recorded = json.loads(world.omc("audit", "show", "--env", "production", "--output", "json").stdout)
    assert [event["kind"] for event in recorded] == [
        *("incident opened", "incident opened", "incident noted", "incident severity changed", "incident resolved")
    ]
    assert world.proof().returncode == 0


def test_an_incident_is_recorded_also_where_aws_cannot_say_who_does_it(tmp_path: Path) -> None:
    """At 3 a.m. with a login that has run out: what users suffer is written down, and by whom as far as is known."""
    shutil.copy(ROOT / "omc.toml", tmp_path)
    env = clean_env(HOME=str(tmp_path))
    command = [sys.executable, "-m", "omc", "incident"]
    opened = run([*command, "open", "--env", "staging", "--severity", "1", "Users can't log in"], env, 120, tmp_path)
    assert opened.returncode == 0, opened.stderr
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert "There are no AWS credentials for staging." in opened.stderr
    assert f"So the record names you {who}." in opened.stderr
    shown = run([*command, "show", "1", "--env", "staging", "--output", "json"], env, 120, tmp_path)
    assert (shown.json["opened_by"], shown.json["summary"]) == (who, "Users can't log in")


@dataclass(frozen=True, slots=True)
class Paged:
    who: str


def test_an_event_of_a_newer_omc_is_shown_as_unknown_and_the_incident_goes_on(world: World) -> None:
    newer = EventTypes("incident", {**TYPES.names, "paged": Paged})
    world.omc("incident", "open", "--severity", "1", "Users can't log in", "--env", "production")
    with opened_at(world.place) as store, store.transaction("zoe") as transaction:
        append(transaction, newer, stream_of("production", 1), Paged("bob"), seen=1)
    shown = world.omc("incident", "show", "1", "--env", "production")
    assert (shown.returncode, 'unknown: "paged" is an event of a newer omc' in shown.stdout) == (0, True)
    payload = world.omc("incident", "show", "1", "--env", "production", "--output", "json").json
    assert payload["events"][1]["kind"] == "paged"
    assert world.omc("incident", "resolve", "1", "rolled back", "--env", "production").returncode == 0
    assert world.proof().returncode == 0
