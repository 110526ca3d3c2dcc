"""What customers see: what people told them, an honest "unknown", and nothing of what is internal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from omc.config.status_tables import ComponentTable, StatusTable
from omc.errors import WrongUse
from omc.incidents.events import (
    AlertJoined,
    ComponentState,
    Merged,
    Noted,
    Reopened,
    Resolved,
    RoleAssigned,
    UpdateSent,
)
from omc.incidents.incident import Incident
from omc.output import terminal
from omc.responder.status import feed
from omc.responder.status.board import Board, board_of
from omc.responder.status.document import board_document
from omc.responder.status.telling import Telling, composed
from support.canary import CANARY
from support.incident_life import START, Life, minutes
from support.notify_world import STAGING

STATUS = StatusTable(
    environments=("staging",),
    title="Oh My Coins",
    components={"backend": ComponentTable(name="Prices"), "frontend": ComponentTable(name="Web site")},
)
STACK = replace(STAGING, status=STATUS)
ALARM = AlertJoined("a1", f"{CANARY}-alarm", 2, "backend")
HOSTILE = "</content><script>alert('x')</script> & \"quoted\" ]]> \x00\x08\x1b[31m\ud800 end"


def told(text: str = "We look into it.", phase: str = "investigating", **states: str) -> UpdateSent:
    return UpdateSent(text, phase, "Prices are late", tuple(ComponentState(*each) for each in states.items()))


def board(*incidents: Incident, after: float = 0, is_watched: bool = True) -> Board:
    return board_of(STACK, "staging", incidents, START + minutes(after), is_watched=is_watched)


def states(*incidents: Incident, **more: Any) -> dict[str, str]:
    return {each.id: each.state for each in board(*incidents, **more).components}


def number(incident: Incident, number: int) -> Incident:
    return replace(incident, number=number)


# ── How components are ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_component_works_only_where_somebody_watches_and_nothing_is_known_to_be_wrong() -> None:
    assert states() == {"backend": "operational", "frontend": "operational"}
    assert states(is_watched=False) == {"backend": "unknown", "frontend": "unknown"}
    untold = Life().open(2).happens(ALARM).incident
    assert states(untold) == {"backend": "unknown", "frontend": "operational"}
    assert states(Life().open(1).incident) == {"backend": "unknown", "frontend": "unknown"}
    assert states(Life().open(3).happens(ALARM).incident) == {"backend": "operational", "frontend": "operational"}


def test_what_people_said_holds_until_they_say_otherwise() -> None:
    life = Life().open(1).happens(ALARM, told(backend="major_outage"))
    assert states(life.incident) == {"backend": "major_outage", "frontend": "operational"}
    life.happens(told("Better.", "monitoring", backend="degraded_performance"))
    assert states(life.incident)["backend"] == "degraded_performance"
    life.happens(told("Over.", "resolved", backend="operational"))
    assert states(life.incident) == {"backend": "operational", "frontend": "operational"}, "open inside, over outside"
    ended = life.happens(Resolved("rolled back"))
    assert states(ended.happens(Reopened("it is back")).incident)["backend"] == "unknown", "nobody has told them yet"


def test_an_update_that_names_no_component_leaves_it_open_which_suffer() -> None:
    assert states(Life().open(1).happens(told()).incident) == {"backend": "unknown", "frontend": "unknown"}


def test_of_two_incidents_the_worse_counts() -> None:
    one = Life().open(1).happens(told(backend="partial_outage")).incident
    other = number(Life().open(2).happens(told(backend="degraded_performance")).incident, 4)
    assert states(one, other)["backend"] == "partial_outage"
    assert board(one, other).state == "partial_outage"


def test_what_was_said_of_one_incident_says_nothing_of_another() -> None:
    said = Life().open(1).happens(ALARM, told("Better.", "monitoring", backend="operational")).incident
    untold = number(Life().open(1).happens(ALARM).incident, 2)
    assert states(said)["backend"] == "operational"
    assert states(said, untold) == {"backend": "unknown", "frontend": "operational"}
    worse = Life().open(1).happens(ALARM, told(backend="major_outage")).incident
    assert states(worse, untold)["backend"] == "major_outage"


def test_a_component_that_omc_toml_no_longer_has_is_not_shown() -> None:
    shown = feed.summary(board(Life().open(1).happens(told(gone="major_outage", backend="partial_outage")).incident))
    assert [each["id"] for each in shown["components"]] == ["backend", "frontend"]
    assert [each["id"] for each in shown["incidents"][0]["components"]] == ["backend"]


# ── What they were told ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_history_has_each_incident_with_all_that_was_told_of_it_newest_first() -> None:
    life = Life().open(1).happens(told(backend="major_outage")).after(20).happens(told("Known.", "identified"))
    life.after(20).happens(told("Over.", "resolved", backend="operational"))
    (shown,) = feed.history(board(life.incident, after=60))["incidents"]
    assert (shown["name"], shown["status"], shown["impact"]) == ("Prices are late", "resolved", "critical")
    assert [each["body"] for each in shown["incident_updates"]] == ["Over.", "Known.", "We look into it."]
    assert (shown["started_at"], shown["resolved_at"]) == ("2026-11-23T01:00:00Z", "2026-11-23T01:40:00Z")
    assert shown["incident_updates"][2]["affected_components"] == [
        {"code": "backend", "name": "Prices", "new_status": "major_outage"}
    ]
    assert feed.summary(board(life.incident, after=60))["incidents"] == []
    later = board(life.incident, after=60 * 24 * 91)
    assert later.entries == (), "kept for 90 days"


def test_an_incident_that_ended_without_a_word_is_over_for_customers_too() -> None:
    life = Life().open(1).happens(told("Better.", "monitoring", backend="degraded_performance"))
    ended = life.after(30).happens(Resolved("rolled back")).incident
    (entry,) = board(ended, after=40).entries
    assert (entry.phase, entry.ended_at) == ("resolved", START + minutes(30))
    assert states(ended, after=40)["backend"] == "operational"
    text = terminal.render(board_document(board(ended, after=40), "UTC", is_public=True))
    assert "nobody has written so to customers" in text


def test_what_was_told_in_another_way_is_not_published() -> None:
    life = Life().open(1).happens(UpdateSent("Told by telephone."))
    assert board(life.incident).entries == ()
    assert states(life.incident)["backend"] == "unknown"


def test_an_incident_that_goes_on_in_another_one_is_one_for_customers() -> None:
    first = Life().open(2).happens(told("One.", backend="degraded_performance"), Merged(4)).incident
    second = number(Life().open(1).after(5).happens(told("Two.", "identified")).incident, 4)
    (entry,) = board(first, second, after=9).entries
    assert [each.text for each in entry.updates] == ["Two.", "One."]
    assert entry.is_open
    assert states(first, second)["backend"] == "degraded_performance"
    circle = replace(second, merged_into=3)
    assert len(board(first, circle).entries) >= 1, "a circle of mergings ends nobody's feed"


# ── Nothing else gets out ───────────────────────────────────────────────────────────────────────────────────────


def test_nothing_internal_is_in_any_form_of_the_feed() -> None:
    life = Life().open(1).happens(ALARM, Noted(f"{CANARY} the password was wrong"), RoleAssigned("lead", CANARY))
    life.incident = replace(life.incident, summary=f"{CANARY} of the summary")
    life.happens(UpdateSent("We look into it.", "investigating"), by=CANARY)
    life.happens(Resolved(f"{CANARY} did it"), by=CANARY)
    shown = board(life.incident)
    for form in (json.dumps(feed.summary(shown)), json.dumps(feed.history(shown))):
        assert CANARY not in form
    for xml in (feed.atom(shown, "https://x/status/staging"), feed.rss(shown, "https://x/status/staging")):
        assert CANARY.encode() not in xml
    assert "Problem with our service" in json.dumps(feed.history(shown)), "a title of ours, and never the summary"


def test_a_text_stays_a_text_in_xml_whatever_it_holds() -> None:
    life = Life().open(1).happens(UpdateSent(HOSTILE, "investigating", HOSTILE))
    for make in (feed.atom, feed.rss):
        root = ET.fromstring(make(board(life.incident), 'https://x/status/staging?"<&'))
        assert not [each for each in root.iter() if each.tag.endswith("script")]
        texts = [each.text or "" for each in root.iter()]
        assert any("</content><script>" in text and "]]>" in text for text in texts)
        assert not any(character in text for text in texts for character in "\x00\x08\x1b")


def test_atom_has_what_rfc_4287_wants_and_an_update_makes_the_same_entry_newer() -> None:
    life = Life().open(1).happens(told(backend="major_outage"))
    name = "{http://www.w3.org/2005/Atom}"

    def entry() -> ET.Element:
        root = ET.fromstring(feed.atom(board(life.incident), "https://x/status/staging"))
        assert all(root.find(f"{name}{each}") is not None for each in ("id", "title", "updated", "author"))
        found = root.findall(f"{name}entry")
        assert len(found) == 1
        assert all(found[0].find(f"{name}{each}") is not None for each in ("id", "title", "updated", "content"))
        return found[0]

    before = entry()
    life.after(10).happens(told("Known.", "identified"))
    after = entry()
    assert before.findtext(f"{name}id") == after.findtext(f"{name}id")
    assert (before.findtext(f"{name}updated"), after.findtext(f"{name}updated")) == (
        "2026-11-23T01:00:00Z",
        "2026-11-23T01:10:00Z",
    )


# ── What an update says by itself ───────────────────────────────────────────────────────────────────────────────


def test_the_first_update_is_filled_in_from_the_incident_and_later_ones_from_the_first() -> None:
    life = Life().open(1).happens(ALARM)
    first = composed(STACK, life.incident, Telling())
    assert first == UpdateSent(
        "We are looking into a problem with Prices. We write again within 30 min.",
        "investigating",
        "Problem with Prices",
        (ComponentState("backend", "major_outage"),),
    )
    life.happens(first)
    assert composed(STACK, life.incident, Telling("Known.", "identified")) == UpdateSent("Known.", "identified")
    assert composed(STACK, life.incident, Telling("Still.")).phase == "investigating"
    over = composed(STACK, life.incident, Telling(phase="resolved"))
    assert over.text == "The problem with Prices is over."
    assert over.components == (ComponentState("backend", "operational"),)


def test_what_is_said_goes_before_what_follows_from_the_incident() -> None:
    life = Life().open(2).happens(ALARM)
    said = composed(STACK, life.incident, Telling("x", title="Late", components={"frontend": "partial_outage"}))
    assert (said.title, len(said.components)) == ("Late", 2)
    with pytest.raises(WrongUse, match=r"There is no component 'backand'.*backend"):
        composed(STACK, life.incident, Telling(components={"backand": "operational"}))
    with pytest.raises(WrongUse, match="A component can't be 'down'"):
        composed(STACK, life.incident, Telling(components={"backend": "down"}))
    with pytest.raises(WrongUse, match="There is no phase 'fixed'"):
        composed(STACK, life.incident, Telling(phase="fixed"))


def test_a_long_silence_is_no_reason_to_forget_what_lasts() -> None:
    life = Life().open(1).happens(told(backend="major_outage"))
    assert board(life.incident, after=timedelta(days=200) / minutes(1)).entries[0].is_open
