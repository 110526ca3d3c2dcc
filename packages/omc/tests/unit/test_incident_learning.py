"""What is learnt of incidents: a post-mortem that begins with what the record knows, and numbers without averages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from omc.errors import Refused
from omc.facts.traffic import Minute, Traffic
from omc.incidents.events import (
    Acknowledged,
    ActionItem,
    ActionItemDone,
    AlertEnded,
    AlertJoined,
    Captured,
    Merged,
    Mitigated,
    Noted,
    PostmortemChanged,
    PostmortemMoved,
    Reopened,
    Resolved,
    UpdateSent,
)
from omc.output import markdown, terminal
from omc.responder.postmortem import IMPACT, drafted, impact_lines, milestones, postmortem_document
from omc.responder.statistics import BY_HAND, Spread, is_night, statistics, statistics_document
from support.incident_life import START, Life, minutes

ALARM = AlertJoined("a1", "backend-no-healthy", 2, "backend")


def lived() -> Life:
    life = Life().open().happens(ALARM).after(20).happens(Acknowledged("bob"), by="bob")
    life.after(10).happens(Noted("scaled the backend to 6"), Mitigated("scaled out"), by="bob")
    life.after(10).happens(AlertEnded("a1"))
    life.happens(Captured("recent deployments", ("ohmycoins-backend:7 SUCCESSFUL",)))
    life.happens(Captured("api changes", (), unknown="cloudtrail:LookupEvents is missing"))
    return life.after(20)


def test_a_post_mortem_begins_with_what_the_record_knows() -> None:
    incident = lived().incident
    draft = drafted(incident, "UTC")
    assert draft["summary"].startswith("Users can't log in. It lasted 55 min: all of its alerts have ended")
    assert draft["detection"].startswith("By the alert backend-no-healthy, at Mon 23 Nov")
    assert draft["response"] == "- bob: scaled the backend to 6\n- bob: mitigated: scaled out"
    assert draft["changes"] == (
        "- recent deployments: ohmycoins-backend:7 SUCCESSFUL\n"
        "- api changes: unknown: cloudtrail:LookupEvents is missing"
    )
    assert draft["causes"] == "To be written."
    assert draft["impact"].startswith("Requests and minutes are unknown")
    reached = milestones(incident)
    assert (reached.acknowledged, reached.mitigated) == (START + minutes(20), START + minutes(30))


def test_what_people_write_stands_in_place_of_the_draft() -> None:
    life = lived()
    life.happens(PostmortemChanged("causes", "The pool was too small.\n- 15 connections a task"))
    life.happens(ActionItem("1", "Raise the limit", "bob", START + timedelta(days=7)), PostmortemMoved("review"))
    life.happens(ActionItem("2", "Alarm earlier", "ann", START + timedelta(days=7)), ActionItemDone("2"))
    document = postmortem_document(life.incident, "UTC", START + timedelta(days=9))
    assert document.data["written"] == ["causes"]
    assert document.data["state"] == "review"
    assert [each["done_at"] is None for each in document.data["action_items"]] == [True, False]
    text = markdown.render(document)
    assert "The pool was too small." in text
    assert "15 connections a task" in text
    assert "overdue" in text
    assert "To be written." in text


def test_impact_is_measured_in_requests_and_minutes() -> None:
    traffic = Traffic(
        tuple(
            Minute(START + minutes(minute), 100, failed) for minute, failed in enumerate((50, 0, 10, 40, 0), start=-1)
        )
    )
    lines = impact_lines(traffic, START, START + minutes(3), "Australia/Sydney")
    assert lines[0] == "50 of 400 requests failed (12.5 %), in 2 of 4 minutes."
    assert lines[1] == "At worst 40.0 % of 100 requests in the minute of Mon 23 Nov 12:02:00 AEDT (01:02 UTC)."
    assert impact_lines(Traffic(()), START, START, "UTC") == ("The load balancer answered no request while it lasted.",)
    life = lived().happens(Captured(IMPACT, lines))
    assert drafted(life.incident, "UTC")["impact"].startswith("- 50 of 400 requests failed")


def test_statistics_are_medians_and_distributions_of_what_was_opened_then() -> None:
    incidents = [lived().incident]
    quick = Life().open(3).happens(Acknowledged("ann")).after(3).happens(Resolved("done"), UpdateSent("x"))
    incidents.append(quick.happens(Reopened("back")).after(60).incident)
    incidents.append(Life().open().happens(Merged(1)).incident)
    incidents.append(Life(now=START - timedelta(days=2)).open().incident)
    found = statistics(incidents, START - minutes(1), START + minutes(1), "Australia/Sydney")
    assert (found.count, dict(found.by_severity), found.reopened) == (2, {2: 1, 3: 1}, 1)
    assert found.acknowledged.times == (timedelta(), minutes(20))
    assert (found.resolved.times, found.resolved.missing) == ((minutes(55),), 1)
    assert dict(found.causes) == {"backend-no-healthy": 1, BY_HAND: 1}
    assert found.pages["ann"] == 4
    assert found.pages_at_night == {}
    document = statistics_document(found, "staging", "Australia/Sydney")
    assert document.data["until_acknowledged"]["p50"] == 0.0
    assert document.data["until_acknowledged"]["buckets"]["30 min"] == 1
    empty = statistics([], START, START + minutes(1), "UTC")
    assert "There was no incident in staging" in markdown.render(statistics_document(empty, "staging", "UTC"))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.9, 4), (1.0, 4), (0.0, 1)])
def test_a_quantile_is_a_time_that_did_occur(share: float, expected: int) -> None:
    assert Spread(tuple(minutes(each) for each in (1, 2, 3, 4))).quantile(share) == minutes(expected)
    assert Spread(()).quantile(share) is None


def test_night_is_by_the_peoples_own_clock() -> None:
    assert not is_night(START, "Australia/Sydney")  # noon
    assert is_night(START, "Europe/London")  # one o'clock
    assert not is_night(START + timedelta(hours=6), "Europe/London")


def written(life: Life, *sections: str) -> Life:
    return life.happens(*(PostmortemChanged(each, "known") for each in sections))


def test_a_post_mortem_is_done_once_people_have_written_what_only_they_know_and_it_was_reviewed() -> None:
    opened = Life().open()
    with pytest.raises(Refused, match="the incident is open"):
        opened.happens(PostmortemMoved("review"))
    life = written(lived(), "causes", "lessons")
    with pytest.raises(Refused, match="nobody has written runbook"):
        life.happens(PostmortemMoved("done"))
    written(life, "runbook")
    with pytest.raises(Refused, match="wasn't reviewed"):
        life.happens(PostmortemMoved("done"))
    life.happens(PostmortemMoved("review"), PostmortemMoved("done"), by="cy")
    with pytest.raises(Refused, match="first: --state review"):
        written(life, "causes")
    document = postmortem_document(life.incident, "UTC", life.now)
    assert document.data["moved_by"] == "cy"
    assert "done, by cy at Mon 23 Nov" in terminal.render(document)
    life.happens(PostmortemMoved("review"))
    written(life, "causes")


def test_a_lead_sees_what_is_left_to_do_and_which_incidents_lasted() -> None:
    first = lived().happens(ActionItem("1", "a", "ann", START), ActionItem("2", "b", "ann", START + minutes(900)))
    first.happens(ActionItem("3", "c", "ann", START), ActionItemDone("3"))
    first.happens(ActionItem("4", "d", "ann", START), ActionItemDone("4", "closed", is_dropped=True))
    lasting = replace(Life().open(1).incident, number=9)
    found = statistics([first.incident, lasting], START - minutes(1), START + minutes(120), "UTC")
    assert (found.items_open, found.items_overdue, found.items_done, found.items_dropped) == (
        ("3/1", "3/2"),
        ("3/1",),
        1,
        1,
    )
    assert found.without_postmortem == (3,)
    assert [(each[0], each[3]) for each in found.longest] == [(9, None), (3, minutes(55))]
    text = terminal.render(statistics_document(found, "staging", "UTC"), width=200)
    assert "2 open, 1 of them overdue (3/1), 1 done, 1 dropped" in text
    assert "unknown below 10" in text
    assert statistics_document(found, "staging", "UTC").data["until_resolved"]["p90"] is None
    many = [replace(lived().incident, number=each) for each in range(10)]
    enough = statistics(many, START - minutes(1), START + minutes(1), "UTC")
    assert statistics_document(enough, "staging", "UTC").data["until_resolved"]["p90"] == 3300.0
