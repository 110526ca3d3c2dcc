"""Alerts, silences and replays as they are shown: what people read, and nothing that a name could do to a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omc.model.events import Event
from omc.output import markdown, terminal
from omc.output.document import Document
from omc.output.json import to_json
from omc.responder.alerts import Alert
from omc.responder.alerts_document import (
    alert_document,
    alerts_document,
    explained_document,
    preview_document,
    rebuilt_document,
    replay_document,
    silences_document,
)
from omc.responder.replay import ReplayedIncident, Result
from support.alerts_world import Board, minute, notification, rules, silence

ZONE = "Australia/Sydney"
HOSTILE = "disk\x1b[31m | <script> `rm` [x](http://evil)"


def shown(document: Document) -> str:
    to_json(document.data)
    return terminal.render(document, width=160, colour=False, wrap=False)


def board() -> Board:
    made = Board(silences=[silence("name=quiet")])
    made.take(notification("rds-no-data"), notification("alb-5xx-percent", 1), notification("quiet", 2))
    return made


def listed(made: Board) -> list[tuple[Alert, int | None]]:
    return [
        (alert, (view.number if (view := made.situation.holder(alert)) else None))
        for alert in made.situation.alerts.values()
    ]


def test_a_list_says_who_knows_of_each_or_why_nobody_does() -> None:
    text = shown(alerts_document(listed(board()), "staging", ZONE, everything=False))
    for name, who in (
        ("rds-no-data", "incident 1"),
        ("alb-5xx-percent", "explained by another"),
        ("quiet", "silence 1"),
    ):
        [line] = [line for line in text.splitlines() if name in line]
        assert who in line
    assert (
        shown(alerts_document([], "staging", ZONE, everything=True)).strip() == "No alert was ever heard of in staging."
    )


def test_one_alert_says_what_it_means_what_to_do_first_and_what_happened() -> None:
    made = board()
    alert = made.alert("rds-no-data")
    events = [Event(minute(0), "omc responder", outcome.event) for outcome in made.outcomes if outcome.key == alert.key]
    text = shown(alert_document(alert, 1, events, ZONE))
    assert "The database sends no metrics: it is stopped, or it is gone." in text
    assert "docs/runbook/troubleshooting.md#issue-database-connection-timeout" in text
    assert "fires: incident 1" in text
    explained = shown(explained_document(alert, events, ZONE))
    assert "No incident of its group, database, is open: incident 1 is opened." in explained
    assert "deduplicate" in explained


def test_silences_say_what_they_hold_and_which_never_held_anything() -> None:
    found = [silence("name=quiet", first_used="quiet"), silence("name=x", number=2)]
    text = shown(silences_document(found, {1: 3}, "staging", ZONE, minute(5), everything=False))
    assert "Never held anything: silence 2. Is it still wanted" in text
    assert "the disk is replaced" in text
    assert shown(silences_document([], {}, "staging", ZONE, minute(0), everything=False)).strip() == (
        "Nothing is silenced in staging."
    )


def test_a_preview_names_the_incidents_that_go_on() -> None:
    made = board()
    text = shown(preview_document([(made.alert("rds-no-data"), 1)], ["name=rds-*"], ZONE))
    assert "name=rds-* matches what fires now:" in text
    assert "People know of incident 1 already, and it goes on" in text
    nothing = shown(preview_document([], ["name=x"], ZONE))
    assert "Nothing that fires now matches name=x. What fires later will be held." in nothing


def test_a_replay_shows_the_incidents_that_differ() -> None:
    one = ReplayedIncident(1, minute(0), 2, "the disk is full", frozenset({"disk"}))
    was, would = Result(4, (one,), {"flapping": 2}), Result(4, (replace(one, severity=1),), {})
    text = shown(replay_document(was, would, minute(-5), "other.toml", ZONE))
    assert "Incidents that there were, and wouldn't have been" in text
    assert "1 of 1 incidents wouldn't have been; others that would: 1." in text
    assert "The same incidents, with the same alerts and severities." in shown(
        replay_document(was, was, minute(-5), "omc.toml", ZONE)
    )


def test_a_rebuilt_table_says_whether_it_was_right() -> None:
    assert "All 3 alerts of staging are what their events say." in shown(rebuilt_document("staging", 3, []))
    assert "1 of 3 alerts weren't what their events say, and are now: disk." in shown(
        rebuilt_document("staging", 3, ["disk"])
    )


@pytest.mark.parametrize("output", ["terminal", "markdown"])
def test_a_name_from_outside_does_nothing_to_whoever_reads_it(output: str) -> None:
    made = Board(rules(services=()))
    made.take(replace(notification("x"), name=HOSTILE, title=HOSTILE))
    [alert] = made.situation.alerts.values()
    events = [Event(minute(0), "omc responder", each.event) for each in made.outcomes]
    for document in (
        alerts_document([(alert, 1)], "staging", ZONE, everything=False),
        alert_document(alert, 1, events, ZONE),
        explained_document(alert, events, ZONE),
    ):
        text = shown(document) if output == "terminal" else markdown.render(document)
        assert "\x1b" not in text
        assert output == "terminal" or ("<script>" not in text and "](http://evil)" not in text)
