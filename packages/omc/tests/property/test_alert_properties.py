"""Whatever comes in, in whatever order and however often: the same incidents, nobody forgotten, nobody told twice."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.config.alert_tables import AlertsTable
from omc.model import silences
from omc.model.events import Event
from omc.responder import alerts
from omc.responder.alerts import Alert
from omc.responder.model import Notification
from omc.responder.pipeline import Situation
from omc.responder.pipeline.deduplicate import order
from support.alerts_world import Board, minute, notification, rules, silence

INDEPENDENT = ("svc-one down", "svc-one slow", "svc-two down", "disk", "certificate")
"""Of no kind that omc knows, so that none explains another."""
SERVICES = {"svc-one down": "one", "svc-one slow": "one", "svc-two down": "two"}
KNOWN = (
    *("rds-no-data", "rds-connections-high", "alb-5xx-percent", "alb-latency-high", "backend-unhealthy"),
    *("backend-no-healthy", "frontend-unhealthy", "redis-hit-rate-low", "redis-memory-high", "backend-cpu-high"),
)


def change(name: str, at: int, is_end: bool) -> Notification:
    return notification(name, at, "ended" if is_end else "firing", service=SERVICES.get(name))


def changes(names: tuple[str, ...]) -> st.SearchStrategy[list[Notification]]:
    """What happened to some alerts within fifty minutes, in the order in which it happened."""
    one = st.tuples(st.sampled_from(names), st.integers(0, 49), st.booleans())
    return st.lists(one, min_size=1, max_size=14, unique_by=lambda each: each[:2]).map(
        lambda found: sorted((change(*each) for each in found), key=order)
    )


def delivered(told: list[Notification], chance: random.Random) -> list[Notification]:
    """In any order, some of them more than once."""
    again = [each for each in told if chance.random() < 0.3]
    shuffled = [*told, *again]
    chance.shuffle(shuffled)
    return shuffled


def incidents(board: Board) -> set[frozenset[str]]:
    """Each open incident as the alerts that it has or had."""
    views = [view for view in board.situation.incidents.values() if view.is_open]
    return {frozenset(name_of(board.situation, key) for key in view.firing | view.ended) for view in views}


def firing(board: Board) -> set[str]:
    return {alert.facts.name for alert in board.situation.alerts.values() if alert.is_firing and alert.facts}


def name_of(situation: Situation, key: str) -> str:
    facts = situation.alerts[key].facts
    return facts.name if facts else key


@given(changes(INDEPENDENT), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_any_order_duplication_and_delay_gives_the_same_incidents(
    told: list[Notification], chance: random.Random
) -> None:
    nothing_is_old = rules(AlertsTable(old_news_minutes=60))
    expected, board = Board(nothing_is_old), Board(nothing_is_old)
    expected.take(*told)
    board.take(*delivered(told, chance), now=50)
    assert incidents(board) == incidents(expected)
    assert firing(board) == firing(expected)
    assert all(board.incident_of(name) for name in firing(board))
    known = {alert.key: alert.fires for alert in board.situation.alerts.values()}
    assert known == {alert.key: alert.fires for alert in expected.situation.alerts.values()}


def roots(board: Board) -> set[frozenset[str]]:
    """The groups of alerts that fire, that no other explains, and that are in one incident together."""
    found: dict[int, set[str]] = {}
    for alert in board.situation.alerts.values():
        view = board.situation.holder(alert)
        if view is None or alert.facts is None or alert.notification is None:
            continue
        if not any(True for _ in board.situation.causes_of(alert.key, alert.facts, alert.notification)):
            found.setdefault(view.number, set()).add(alert.facts.name)
    return {frozenset(names) for names in found.values()}


begun = st.lists(st.sampled_from(KNOWN), min_size=1, unique=True).map(
    lambda names: [change(name, at, is_end=False) for at, name in enumerate(names)]
)


@given(begun, st.data())
@settings(max_examples=300)
def test_in_any_order_what_nothing_explains_is_grouped_alike(told: list[Notification], data: st.DataObject) -> None:
    expected, board = Board(), Board()
    expected.take(*told)
    board.take(*data.draw(st.permutations(told)), now=50)
    assert firing(board) == firing(expected)
    assert roots(board) == roots(expected)


# ── Nobody is forgotten ─────────────────────────────────────────────────────────────────────────────────────────

SILENCES = (
    silence("group=database", number=1, begin=5, end=25),
    silence("service=backend", "severity!=1", number=2, begin=10, end=40, ends_with_alert=True),
)
late = st.integers(0, 12)


def why_untold(situation: Situation, alert: Alert, board: Board) -> str:
    """Why nobody is told of an alert that fires; empty where there is no reason."""
    hold = alert.hold
    if hold is None:
        return ""
    if hold.by == "silence":
        found = situation.silences[int(hold.of)]
        return "silenced" if found.is_active(board.now) else ""
    if hold.by == "flapping":
        return "flapping" if alert.changed_at and board.now < alert.changed_at + situation.rules.settle else ""
    cause = situation.alerts[hold.of]
    return "inhibited" if situation.holder(cause) is not None else ""


def check(board: Board) -> None:
    situation = board.situation
    held = {alert.key for alert in situation.alerts.values() if alert.hold is not None}
    told = {key for view in situation.incidents.values() if view.is_open for key in view.firing}
    assert not held & told, "an alert is held and its incident knows that it fires"
    fires = {alert.key for alert in situation.alerts.values() if alert.is_firing}
    assert told <= fires, "an incident has an alert that doesn't fire"
    assert held <= fires
    for key in fires - told:
        alert = situation.alerts[key]
        assert why_untold(situation, alert, board), f"nobody is told of {alert}"
    for view in situation.incidents.values():
        if view.is_open and view.firing:
            severities = [situation.alerts[key].facts for key in view.firing]
            assert view.severity <= min(facts.severity for facts in severities if facts)


@given(changes(KNOWN), st.data())
@settings(max_examples=300)
def test_what_fires_is_in_an_incident_or_held_for_a_reason_that_still_holds(
    told: list[Notification], data: st.DataObject
) -> None:
    board = Board(silences=SILENCES)
    for each in told:
        at = each.at + timedelta(minutes=data.draw(late))
        board.forward(max(board.now, at))
        board.take(each, now=(board.now - minute(0)).total_seconds() / 60)
        check(board)
    for _ in range(12):
        board.forward(board.now + timedelta(minutes=7))
        check(board)
    by_now = {alert.hold.by for alert in board.situation.alerts.values() if alert.hold is not None}
    assert by_now <= {"inhibition"}, "silences and flapping are over by then"


@given(changes(KNOWN), st.data())
def test_the_events_of_an_alert_come_to_the_alert(told: list[Notification], data: st.DataObject) -> None:
    """Also once they were JSON, as the store has them."""
    board = Board(silences=SILENCES)
    board.take(*data.draw(st.permutations(told)), now=50)
    board.forward(minute(200))
    seen: dict[str, Alert] = {}
    for outcome in board.outcomes:
        if outcome.event is not None:
            name, version, body = alerts.TYPES.write(outcome.event)
            read = alerts.TYPES.read(name, version, body)
            assert read == outcome.event
            before = seen.get(outcome.key, Alert("staging", outcome.key, 0))
            seen[outcome.key] = alerts.apply(before, Event(minute(50), "omc responder", read))
    for key, alert in board.situation.alerts.items():
        assert (seen[key].is_firing, seen[key].hold, seen[key].incident) == (
            alert.is_firing,
            alert.hold,
            alert.incident,
        )


def test_a_silence_is_what_its_events_say_also_as_json() -> None:
    created = silences.Created(SILENCES[1].matchers, "the disk is replaced", "jo", minute(40), ends_with_alert=True)
    for payload in (
        created,
        silences.Used("abc", "rds-no-data"),
        silences.Extended(minute(9)),
        silences.Ended("Over."),
    ):
        assert silences.TYPES.read(*silences.TYPES.write(payload)) == payload
