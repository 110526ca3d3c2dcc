"""Alerts in a real database: each change has one effect whoever takes it in and whenever he dies, and what is kept is
what happened."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from omc.config.alert_tables import AlertsTable, FlappingTable
from omc.errors import Refused, WrongUse
from omc.incidents.events import Resolved, SeverityChanged
from omc.incidents.incident import Incident
from omc.model.matchers import parse_all
from omc.model.pages import Page
from omc.model.silences import Created
from omc.model.typed_json import from_json
from omc.responder import records
from omc.responder.alerts import Alert, Fired, Held, Released
from omc.responder.model import Notification
from omc.responder.records import create_silence, end_silence, extend_silence, look_at_due, take
from omc.responder.replay import Result, replay, what_happened
from omc.responder.rules import Rules
from omc.store import alerts as table
from omc.store import audit
from omc.store.deadlines import Deadline
from omc.store.incidents import CAPTURE, ESCALATION, add, incidents_of
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import OutboxRow
from support.alerts_world import key_of, minute, notification, rules
from support.commands import ROOT, CommandResult
from support.engine_world import World, opened_at

RULES = rules()


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = minute(0)

    def __call__(self) -> datetime:
        return self.now

    def at(self, number: float) -> None:
        self.now = minute(number)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(place: StoreLocation, clock: Clock) -> Iterator[Store]:
    with opened_at(place, clock) as store:
        yield store


def names(incident: Incident) -> list[str]:
    return sorted(alert.name for alert in incident.alerts.values())


def incidents(store: Store) -> list[tuple[int, list[str]]]:
    return [(each.number, names(each)) for each in reversed(incidents_of(store, "staging"))]


def alert_of(store: Store, name: str) -> Alert:
    [found] = [each for each, _ in records.listed(store, RULES, everything=True) if each.key == key_of(name)]
    return found


def deadlines(store: Store) -> dict[tuple[str, str], datetime]:
    with store.reading() as session:
        return {(row.kind, row.subject): row.due_at for row in session.scalars(select(Deadline))}


def problems(store: Store) -> list[str]:
    _, wrong = records.rebuild(store, "staging")
    with store.reading() as session:
        return [*audit.verify(session).problems, *(f"{name} isn't what its events say" for name in wrong)]


# ── Once, whoever takes it in ───────────────────────────────────────────────────────────────────────────────────


def test_an_alert_opens_an_incident_and_wakes_up_those_who_page_for_it(timed: Store) -> None:
    [taken] = take(timed, RULES, [notification("backend-unhealthy")])
    assert isinstance(taken.outcomes[0].event, Fired)
    [incident] = incidents_of(timed, "staging")
    assert (incident.severity, incident.summary, names(incident)) == (
        2,
        "backend: Tasks of the service fail their health checks",
        ["backend-unhealthy"],
    )
    assert deadlines(timed) == {(ESCALATION, "1"): minute(0), (CAPTURE, "1"): minute(0)}
    assert problems(timed) == []


def test_what_is_delivered_again_has_no_effect_also_within_one_batch_and_by_another_way(timed: Store) -> None:
    first = notification("disk")
    taken = take(timed, RULES, [first, first])
    assert [len(each.outcomes) for each in taken] == [1, 0]
    by_another_way = replace(first, source="eventbridge", title="the same change")
    assert [each.outcomes for each in take(timed, RULES, [by_another_way, first])] == [(), ()]
    assert alert_of(timed, "disk").events == 1
    assert incidents(timed) == [(1, ["disk"])]


def test_two_responders_that_take_the_same_and_others_of_a_group_open_one_incident(
    place: StoreLocation, store: Store
) -> None:
    told = [notification(f"check-{number}", service="backend") for number in range(12)]
    with opened_at(place) as other:
        start = threading.Barrier(4)

        def receive(which: Store, mine: list[Notification]) -> int:
            start.wait(30)
            return sum(bool(taken.outcomes) for each in mine for taken in take(which, RULES, [each]))

        work = [(store, told[:8]), (other, told[4:]), (store, told[::-1]), (other, told[::2])]
        with ThreadPoolExecutor(4) as pool:
            new = sum(each.result(120) for each in [pool.submit(receive, *each) for each in work])
    assert new == 12, "each change took effect once"
    assert incidents(store) == [(1, sorted(f"check-{number}" for number in range(12)))]
    assert problems(store) == []


def test_killed_at_every_statement_and_commit_nothing_is_lost_or_done_twice(place: StoreLocation, store: Store) -> None:
    """A real process for each moment; the messages come again, and another responder goes on."""
    path = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "support.killed_take", place.url or ""],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    moments = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(moments) > 40
    assert [each["killed"] for each in moments] == [True] * (len(moments) - 1) + [False]
    expected = [[3, ["redis-memory-high"], True], [2, ["rds-no-data"], True]]
    different = [each for each in moments if sorted(each["incidents"]) != sorted(expected)]
    assert different == []
    with store.reading() as session:
        assert audit.verify(session).problems == []


def test_no_secret_of_a_label_is_kept_and_the_row_is_what_its_events_say(store: Store) -> None:
    told = notification("disk", service="backend", labels={"url": "postgresql://omc:hunter2@db/omc"})
    take(store, RULES, [told])
    with store.engine.connect() as connection:
        kept = connection.exec_driver_sql(
            "SELECT payload FROM events UNION SELECT body FROM audit_log UNION SELECT state FROM alerts"
        ).all()
    assert "hunter2" not in str(kept)
    assert alert_of(store, "disk").notification == replace(told, labels={"url": "postgresql://[redacted]@db/omc"})
    assert problems(store) == []


# ── Silences ────────────────────────────────────────────────────────────────────────────────────────────────────


def made(store: Store, *conditions: str, until: float = 60, **how: bool) -> int:
    created = Created(parse_all(conditions), "the disk is replaced", "jo", minute(until), **how)
    return create_silence(store, RULES, created, "jo").number


def test_a_silence_holds_and_at_its_end_tells_what_fires_still(timed: Store, clock: Clock) -> None:
    assert made(timed, "name=disk", until=30) == 1
    clock.at(5)
    take(timed, RULES, [notification("disk", 5), notification("other", 5)])
    assert incidents(timed) == [(1, ["other"])]
    hold = alert_of(timed, "disk").hold
    assert hold is not None
    assert (hold.by, hold.of, hold.until) == ("silence", "1", minute(30))
    clock.at(29)
    assert look_at_due(timed, RULES) == 0
    clock.at(30)
    assert look_at_due(timed, RULES) >= 1
    assert incidents(timed) == [(1, ["other"]), (2, ["disk"])]
    assert look_at_due(timed, RULES) == 0
    [silence] = records.silences_of(timed, "staging")
    assert (silence.first_used, silence.ended_why) == ("disk", "Its time is over.")
    assert isinstance(records.events_of(timed, alert_of(timed, "disk"))[-1].payload, Released)
    assert problems(timed) == []


def test_a_silence_can_be_ended_at_once_or_extended(timed: Store, clock: Clock) -> None:
    made(timed, "name=disk", until=30)
    take(timed, RULES, [notification("disk")])
    extend_silence(timed, RULES, 1, minute(50), "jo")
    clock.at(40)
    look_at_due(timed, RULES)
    assert incidents(timed) == []
    end_silence(timed, RULES, 1, "The disk is there.", "jo")
    assert incidents(timed) == [(1, ["disk"])]
    with pytest.raises(Refused, match=r"Silence 1 is over: The disk is there\."):
        end_silence(timed, RULES, 1, "Again.", "jo")
    with pytest.raises(WrongUse, match="staging has no silence 2"):
        end_silence(timed, RULES, 2, "What?", "jo")
    assert not any(kind == "silence end" for kind, _ in deadlines(timed))
    assert problems(timed) == []


def test_that_it_has_ended_is_told_to_the_channel_also_while_it_is_silenced(timed: Store, clock: Clock) -> None:
    made(timed, "name=disk", ends_with_alert=True)
    take(timed, RULES, [notification("disk")])
    clock.at(3)
    take(timed, RULES, [notification("disk", 3, "ended")])
    with timed.reading() as session:
        [row] = session.scalars(select(OutboxRow))
        page = from_json(Page, row.page)
    assert (page.recipient, page.is_urgent, page.message.short) == (
        "#alerts",
        False,
        "disk has ended; it was held by silence 1.",
    )
    assert records.active(timed, "staging") == ()
    assert incidents(timed) == []
    assert problems(timed) == []


@pytest.mark.parametrize(
    ("until", "conditions", "expected"),
    [
        (-1, ("name=disk",), "the end is in the past"),
        (60 * 24 * 31, ("name=disk",), "30 days at most"),
        (9, (), "which alerts"),
    ],
)
def test_a_silence_without_conditions_or_a_sound_end_is_refused(
    timed: Store, until: float, conditions: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(WrongUse, match=expected):
        made(timed, *conditions, until=until)
    assert records.silences_of(timed, "staging") == ()


def test_a_preview_names_what_fires_now_and_who_knows_of_it_already(timed: Store) -> None:
    take(timed, RULES, [notification("disk"), notification("rds-no-data"), notification("alb-5xx-percent")])
    found = records.matching(timed, RULES, parse_all(["group!=database"]))
    assert {(alert.facts.name, number) for alert, number in found if alert.facts} == {
        ("disk", 1),
        ("alb-5xx-percent", None),
    }


# ── What follows later ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_cause_held_is_told_in_its_incident_when_the_cause_ends(timed: Store, clock: Clock) -> None:
    take(timed, RULES, [notification("rds-no-data"), notification("alb-5xx-percent", 1)])
    assert isinstance(records.events_of(timed, alert_of(timed, "alb-5xx-percent"))[-1].payload, Held)
    clock.at(5)
    take(timed, RULES, [notification("rds-no-data", 5, "ended")])
    assert incidents(timed) == [(1, ["alb-5xx-percent", "rds-no-data"])]
    assert ("alert", key_of("alb-5xx-percent")) not in deadlines(timed)
    assert problems(timed) == []


def test_a_cause_that_comes_later_merges_the_incidents_of_what_it_explains(timed: Store) -> None:
    take(timed, RULES, [notification("backend-unhealthy"), notification("frontend-unhealthy")])
    take(timed, RULES, [notification("rds-no-data", 1)])
    first, second = reversed(incidents_of(timed, "staging"))
    assert (second.merged_into, names(first)) == (1, ["backend-unhealthy", "frontend-unhealthy", "rds-no-data"])
    take(timed, RULES, [notification("frontend-unhealthy", 2, "ended")])
    assert [alert.name for alert in incidents_of(timed, "staging")[-1].firing] == ["backend-unhealthy", "rds-no-data"]
    assert problems(timed) == []


def test_a_flapping_alert_is_told_once_it_is_steady_and_one_without_an_end_ends(timed: Store, clock: Clock) -> None:
    flapping = rules(AlertsTable(flapping=FlappingTable(fires=2, settle_minutes=5)))
    take(timed, flapping, [notification("disk", 0), notification("disk", 1, "ended")])
    clock.at(2)
    add(timed, "staging", 1, Resolved("by hand"), "jo")
    take(timed, flapping, [notification("disk", 2), notification("backend task failed", 2, labels={"has_end": "no"})])
    assert incidents(timed) == [(1, ["disk"]), (2, ["backend task failed"])]
    assert incidents_of(timed, "staging")[-1].is_open is False
    clock.at(7)
    assert look_at_due(timed, flapping) == 1
    assert incidents_of(timed, "staging")[-1].is_open
    clock.at(32)
    assert look_at_due(timed, flapping) == 1
    assert not alert_of(timed, "backend task failed").is_firing
    assert problems(timed) == []


def test_the_table_is_made_anew_from_the_events_and_says_what_was_wrong(timed: Store) -> None:
    take(timed, RULES, [notification("disk"), notification("other"), notification("third")])
    assert records.rebuild(timed, "staging") == (3, ())
    with timed.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alerts SET is_firing = false WHERE name = 'disk'")
        connection.exec_driver_sql("DELETE FROM alerts WHERE name = 'other'")
        connection.exec_driver_sql(
            "INSERT INTO alerts SELECT environment, 'x', 1, 'ghost', '', '', true, null, null, null, null, state"
            " FROM alerts WHERE name = 'third'"
        )
    number, wrong = records.rebuild(timed, "staging")
    assert (number, sorted(wrong)) == (3, ["disk", "ghost", "other"])
    assert records.rebuild(timed, "staging") == (3, ())
    with timed.reading() as session:
        assert len(table.firing(session, "staging")) == 3


def test_a_notification_of_another_environment_is_a_mistake_of_the_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="isn't of staging"):
        take(store, RULES, [notification("disk", environment="production")])


# ── Replay ──────────────────────────────────────────────────────────────────────────────────────────────────────


def a_day(store: Store, clock: Clock) -> None:
    """An outage with what it causes, a flapping check, a silence, an incident that comes back, one resolved by hand."""
    script: list[tuple[float, list[Notification]]] = [
        (1, [notification("rds-no-data", 0.5), notification("alb-5xx-percent", 1)]),
        (2, [notification("backend-unhealthy", 2)]),
        (20, [notification("rds-no-data", 19, "ended"), notification("alb-5xx-percent", 18, "ended")]),
        (22, [notification("backend-unhealthy", 21, "ended")]),
        (60, [notification("disk", 60)]),
        (61, [notification("disk", 61, "ended"), notification("disk", 59)]),
        (90, [notification("disk", 90)]),
        (91, [notification("disk", 91, "ended")]),
        (100, [notification("certificate", 99), notification("backend task failed", 100, labels={"has_end": "no"})]),
        (170, [notification("backend-no-healthy", 170)]),
    ]
    people = {40: 1, 70: 2, 160: 3}
    for number in sorted({*(at for at, _ in script), *people, 30, 110, 131, 180, 200}):
        clock.at(number)
        look_at_due(store, RULES)
        if number == 30:
            created = Created(parse_all(["name=certificate"]), "is renewed", "jo", minute(180))
            create_silence(store, RULES, created, "jo")
        if number == 110:
            end_silence(store, RULES, 1, "It was not.", "jo")
        for at, told in script:
            if at == number:
                take(store, RULES, told)
        if number in people:
            add(store, "staging", people[int(number)], Resolved("it is well"), "jo")


def kept(result: Result) -> list[object]:
    return [result.notifications, sorted(result.held.items()), *result.incidents]


def test_what_came_in_gives_the_same_by_the_same_rules(timed: Store, clock: Clock) -> None:
    a_day(timed, clock)
    history = records.history(timed, "staging")
    was = what_happened(history, minute(0))
    assert [sorted(each.alerts) for each in was.incidents] == [
        ["backend-unhealthy", "rds-no-data"],
        ["disk"],
        ["backend task failed"],
        ["certificate"],
        ["backend-no-healthy"],
    ]
    assert kept(replay(history, RULES, minute(0), minute(200))) == kept(was)


def test_what_people_said_of_how_bad_it_is_is_said_of_the_replayed_incident(timed: Store, clock: Clock) -> None:
    clock.at(1)
    take(timed, RULES, [notification("disk", 1)])
    clock.at(2)
    add(timed, "staging", 1, SeverityChanged(1), "jo")
    clock.at(3)
    add(timed, "staging", 1, SeverityChanged(3), "jo")
    history = records.history(timed, "staging")
    was = what_happened(history, minute(0))
    assert [each.severity for each in was.incidents] == [1]
    assert kept(replay(history, RULES, minute(0), minute(9))) == kept(was)


def test_from_any_moment_on_it_gives_what_happened_then(timed: Store, clock: Clock) -> None:
    a_day(timed, clock)
    history = records.history(timed, "staging")
    for since in range(0, 200, 13):
        was = what_happened(history, minute(since))
        assert kept(replay(history, RULES, minute(since), minute(200))) == kept(was), since


def test_other_rules_give_other_incidents(timed: Store, clock: Clock) -> None:
    a_day(timed, clock)
    history = records.history(timed, "staging")
    was = what_happened(history, minute(0))
    undamped = rules(AlertsTable(flapping=FlappingTable(severities=())))
    would = replay(history, undamped, minute(0), minute(200))
    assert (was.held["flapping"], would.held.get("flapping", 0)) == (1, 0)
    assert would.pages == was.pages + 1, "disk's incident is opened again"


# ── A storm ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_small_storm_gives_exactly_the_incidents_that_it_should(store: Store) -> None:
    spec = importlib.util.spec_from_file_location("respond", ROOT / "benchmarks" / "respond.py")
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    sys.modules["respond"] = bench
    spec.loader.exec_module(bench)
    told = bench.storm(6, 5)
    assert len(told) == 300
    measured = bench.measure(store, told, 6, 5)
    assert measured.unexpected == []
    assert (measured.incidents, measured.firing_in_them, measured.new) == (6, 30, 210)


# ── The command line ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def responder(world: World) -> Iterator[tuple[Store, Rules]]:
    with opened_at(world.place) as store:
        yield store, replace(RULES, environment="production", prefix="ohmycoins-production-")


def told_now(store: Store, name: str, ago: float) -> Notification:
    made_then = notification(name, environment="production")
    return replace(made_then, at=store.now() - timedelta(minutes=ago))


def test_alerts_from_the_command_line(world: World) -> None:
    def omc(verb: str, *words: str) -> CommandResult:
        return world.omc("alerts", verb, *words, "--env", "production")

    assert omc("list").stdout == "No alert fires in production.\n"
    assert omc("silences").stdout == "Nothing is silenced in production.\n"
    assert omc("show", "disk").returncode == 2
    with responder(world) as (store, production):
        take(store, production, [told_now(store, "rds-no-data", 3), told_now(store, "alb-5xx-percent", 2)])
    listed = omc("list", "--output", "json").json["alerts"]
    assert [(each["name"], each["state"], each["incident"]) for each in listed] == [
        ("rds-no-data", "firing", 1),
        ("alb-5xx-percent", "held", None),
    ]
    matching = omc("list", "name=rds-*", "severity!=3", "--output", "json").json["alerts"]
    assert [each["name"] for each in matching] == ["rds-no-data"]
    assert omc("list", "service=nobody").stdout == "No alert in production fires and meets service=nobody.\n"
    assert omc("list", "rds").returncode == 2
    shown = omc("show", "rds-no-data").stdout
    assert "Look at the instance's state and its events" in shown
    assert "fires: incident 1" in shown
    explained = omc("explain", "alb-5xx-percent").stdout
    assert "rds-no-data explains it, of which incident 1 knows" in explained
    by_key = omc("explain", key_of("alb-5xx-percent", environment="production")[:8], "--output", "json").json
    assert [step["stage"] for step in by_key["events"][0]["trace"]] == [
        *("deduplicate", "enrich", "age", "mute", "flap", "silence", "inhibit")
    ]

    words = ("name=rds-*", "--for", "2h", "--reason", "the instance is resized")
    assert omc("silence", *words).returncode == 2, "there is nobody to ask"
    dry = omc("silence", *words, "--dry-run").stdout
    assert "People know of incident 1 already, and it goes on" in dry
    assert omc("silences").stdout == "Nothing is silenced in production.\n"
    assert "Silence 1 of production holds until" in omc("silence", *words, "--yes").stdout
    assert omc("silence", "rds", "--for", "2h", "--reason", "x", "--yes").returncode == 2
    assert omc("silence", "name=rds", "--reason", "x", "--yes").returncode == 2
    unused = omc("silences").stdout
    assert "Never held anything: silence 1." in unused
    [silence] = omc("silences", "--output", "json").json["silences"]
    assert (silence["matchers"], silence["owner"], silence["state"]) == (["name=rds-*"], "github:alice", "active")
    assert "Silence 1 of production is over" in omc("unsilence", "1", "--why", "it is back").stdout
    assert omc("unsilence", "1").returncode == 1
    rebuilt = omc("rebuild")
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "EQUAL: All 2 alerts of production are what their events say.\n")

    replayed = omc("replay", "--since", "1d")
    assert replayed.returncode == 0, replayed.stdout
    other = world.folder / "other.toml"
    text = world.stack.file.read_text()
    other.write_text(f'{text}\n[[alerts.routes]]\nmatch = ["kind=rds-no-data"]\nseverity = 1\n')
    different = omc("replay", "--since", "1d", "--with", str(other), "--output", "json")
    assert different.returncode == 1
    assert [(each["severity"], each["alerts"]) for each in different.json["new"]] == [(1, ["rds-no-data"])]
    assert world.proof().returncode == 0
