"""Notices of a maintenance, and what customers see of one ahead."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.config.status_tables import ComponentTable, StatusTable
from omc.maintenance.model import Maintenance, Noticed, StepState, StepStatus, apply
from omc.maintenance.notices import LATEST, due, next_at, notices, sentence
from omc.model.events import Event
from omc.model.maintenance import MaintenanceStep, Scheduled
from omc.responder.status import feed
from omc.responder.status.board import Board, board_of
from support.notify_world import STAGING

BEGIN = datetime(2026, 12, 5, 16, tzinfo=UTC)
END = BEGIN + timedelta(hours=2)
SCHEDULED = Scheduled(
    "Newer database", BEGIN, END, (MaintenanceStep("Look"),), (), 600.0, "0vqk3m7x",
    public="Orders can't be placed for some minutes.", affects=("backend",),
)  # fmt: skip
DONE = (StepState(StepStatus.DONE, is_measured=True),)
PLANNED = Maintenance("staging", 1, SCHEDULED, "ann", BEGIN - timedelta(days=3), steps=(StepState(),))
STARTED = replace(PLANNED, started_at=BEGIN, started_by="ann")
STATUS = StatusTable(environments=("staging",), components={"backend": ComponentTable(name="Orders")})


def name_at(found: Maintenance, at: datetime) -> str:
    notice = due(found, at)
    return notice.name if notice else ""


@pytest.mark.parametrize(
    ("found", "before_begin", "name"),
    [
        (PLANNED, timedelta(days=2), ""),
        (PLANNED, timedelta(days=1), "day ahead"),
        (PLANNED, timedelta(hours=5), "day ahead"),  # nobody was alive in between
        (PLANNED, timedelta(hours=1), "hour ahead"),
        (PLANNED, timedelta(0), "begin"),
        (PLANNED, -LATEST - timedelta(seconds=1), ""),  # what it says is no longer so
        (PLANNED, -timedelta(minutes=110), ""),  # nothing is under way
        (STARTED, -timedelta(minutes=110), "ten minutes left"),
        (replace(STARTED, steps=DONE), -timedelta(minutes=110), ""),
        (STARTED, -timedelta(hours=2), ""),  # it overruns: people are paged
        (replace(STARTED, steps=DONE), -timedelta(hours=2), "end"),
        (PLANNED, -timedelta(hours=2), "end"),
        (replace(STARTED, ended_at=BEGIN), -timedelta(hours=2), ""),
    ],
)
def test_which_notice_is_due(found: Maintenance, before_begin: timedelta, name: str) -> None:
    assert name_at(found, BEGIN - before_begin) == name


def test_what_is_said() -> None:
    texts = {each.name: sentence(PLANNED, each, each.at, "Australia/Sydney") for each in notices(PLANNED)}
    assert texts["hour ahead"].startswith(
        "begins in 1 h, on Sun 06 Dec 03:00:00 AEDT (Sat 16:00 UTC), until Sun 06 Dec"
    )
    assert "Nobody has started it: omc maintenance start 1" in texts["begin"]
    assert texts["ten minutes left"] == "10 min are left, 1 of 1 step still to do."


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-3 * 24 * 60, 4 * 60), max_size=60).map(sorted))
def test_each_is_told_once_and_in_order_whenever_anybody_looks(minutes: list[int]) -> None:
    found, told = STARTED, []
    for minute in minutes:
        now = BEGIN + timedelta(minutes=minute)
        notice = due(found, now)
        if notice is not None:
            told.append(notice.name)
            found = apply(found, Event(now, "omc", Noticed(notice.name)))
        following = next_at(found, now)
        assert following is None or following > now
        assert name_at(found, now) == ""
    assert told == [each.name for each in notices(STARTED) if each.name in told]


def board(*found: Maintenance, at: datetime = BEGIN - timedelta(days=1)) -> Board:
    stack = replace(STAGING, status=STATUS)
    return board_of(stack, "staging", (), at, is_watched=True, maintenances=found)


def test_customers_see_what_a_person_wrote_of_it_ahead_and_nothing_else() -> None:
    private = replace(PLANNED, number=2, scheduled=replace(SCHEDULED, public=""))
    summary = feed.summary(board(PLANNED, private))
    [shown] = summary["scheduled_maintenances"]
    assert (shown["status"], shown["scheduled_for"], shown["scheduled_until"]) == (
        "scheduled", "2026-12-05T16:00:00Z", "2026-12-05T18:00:00Z",
    )  # fmt: skip
    assert [each["body"] for each in shown["incident_updates"]] == ["Orders can't be placed for some minutes."]
    assert summary["status"]["indicator"] == "none"
    assert (summary["incidents"], summary["components"][0]["status"]) == ([], "operational")
    assert "0vqk3m7x" not in json.dumps(summary)
    assert b"Newer database" in feed.atom(board(PLANNED), "https://status.example.com")


def test_one_that_stopped_while_it_was_prepared_is_still_ahead() -> None:
    stopped = replace(STARTED, started_at=BEGIN - timedelta(hours=3), stopped="The backup isn't sound.")
    summary = feed.summary(board(stopped))
    assert (summary["scheduled_maintenances"][0]["status"], summary["components"][0]["status"]) == (
        "scheduled",
        "operational",
    )


def test_one_that_nobody_started_is_over_with_its_window() -> None:
    assert feed.summary(board(PLANNED, at=END - timedelta(seconds=1)))["scheduled_maintenances"]
    assert feed.summary(board(PLANNED, at=END))["scheduled_maintenances"] == []
    [told] = [each for each in board(PLANNED, at=END).entries if each.kind == "maintenance"]
    assert told.updates[0].text == "It was called off. Orders can't be placed for some minutes."
    assert [each.phase for each in told.updates] == ["completed", "scheduled"]


def test_the_begin_of_a_short_one_is_told() -> None:
    short = replace(PLANNED, scheduled=replace(SCHEDULED, end=BEGIN + timedelta(minutes=8)))
    assert name_at(short, BEGIN) == "begin"


def test_while_it_is_under_way_its_components_are_under_maintenance_and_then_no_longer() -> None:
    under_way = replace(STARTED, steps=(StepState(StepStatus.RUNNING, was_begun=True),))
    summary = feed.summary(board(under_way, at=BEGIN))
    assert summary["components"][0]["status"] == "under_maintenance"
    assert (summary["scheduled_maintenances"][0]["status"], summary["status"]["indicator"]) == (
        "in_progress",
        "maintenance",
    )
    over = replace(under_way, ended_at=END, verdict="succeeded")
    summary = feed.summary(board(over, at=END))
    assert (summary["scheduled_maintenances"], summary["components"][0]["status"]) == ([], "operational")
