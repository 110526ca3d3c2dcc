"""An incident's own channel in Slack: when something is posted there, who is called into it, and what people write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.incidents.events import Acknowledged, ChannelMade, ChannelPosted, Reopened, Resolved, Said, SeverityChanged
from omc.incidents.words import in_words
from omc.model.pages import Page
from omc.model.people import Channel, ContactMethod, Person
from omc.notify.slack_names import plain_text
from omc.responder.incident_channels import last_page, topic
from support.incident_life import CHAIN, POLICY, Life


def member_of(name: str) -> Person:
    return Person(name, name.title(), (ContactMethod(Channel.SLACK, f"U0000{name.upper()}"),))


PEOPLE = {name: member_of(name) for name in ("ann", "bob", "cy", "dee")}
WITH_CHANNELS = replace(POLICY, persons=PEOPLE, incident_channels=True)


def life(**more: Any) -> Life:
    return Life(policy=replace(WITH_CHANNELS, **more), on_call=[PEOPLE[each] for each in ("ann", "bob", "cy", "dee")])


def posts(incident: Life) -> list[Page]:
    return [page for _, page in incident.pages if page.room is not None]


def test_a_sev_2_has_a_channel_from_its_opening_and_the_alert_comes_again_with_whoever_is_paged_next() -> None:
    one = life().open(2)
    (first,) = posts(one)
    assert first.room is not None
    assert (first.room.name, first.room.members) == ("inc-staging-3-users-can-t-log-in", ("U0000ANN",))
    assert [str(each) for each in first.methods] == [f"slack:#{first.room.name}", "slack:#incidents"]
    assert (first.is_urgent, first.actions) == (False, ("acknowledge", "snooze", "resolve"))
    assert "Paged: ann." in first.message.lines
    one.happens(ChannelMade("C0000001"))
    one.after(16)
    again = posts(one)[1]
    assert again.room is not None
    assert (again.room.members, again.room.id) == (("U0000BOB",), "C0000001")
    assert str(again.methods[0]) == "slack:C0000001"
    assert again.key != first.key
    one.happens(Acknowledged("bob"))
    assert len(posts(one)) == 2, "whoever has it is in it already"


def test_whoever_takes_it_without_having_been_paged_is_called_into_it() -> None:
    one = life().open(2).happens(Acknowledged("cy"))
    assert [page.room.members for page in posts(one) if page.room] == [("U0000ANN",), ("U0000CY",)]
    assert "cy has it." in posts(one)[1].message.lines
    assert topic(one.incident).startswith("SEV-2 in staging, cy has it: Users can't log in")


def test_a_sev_3_has_none_until_it_gets_worse_and_a_sev_1_calls_the_whole_chain() -> None:
    one = life().open(3)
    assert posts(one) == []
    one.happens(SeverityChanged(2))
    one.happens(SeverityChanged(1))
    assert [page.severity for page in posts(one)] == [2, 1]
    called = {each for page in posts(one) if page.room for each in page.room.members}
    assert called == {"U0000ANN", "U0000BOB", "U0000CY", "U0000DEE"}
    assert {page.room.name for page in posts(one) if page.room} == {"inc-staging-3-users-can-t-log-in"}


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_without_slack_nothing_is_posted(severity: int) -> None:
    one = life(incident_channels=False).open(severity).after(120)
    assert posts(one) == []
    assert one.happened(ChannelPosted) == []


def test_at_the_end_the_channel_is_said_to_be_kept_and_when_it_is_open_again_the_alert_is_posted_there() -> None:
    one = life().open(2).happens(ChannelMade("C0000001"), Acknowledged("ann"), Resolved("rolled back"))
    last = last_page(one.incident)
    assert last is not None
    assert last.message.short.startswith("Incident 3 of staging is resolved")
    assert last.message.lines[-1] == "This channel is kept. Archive it in Slack when the post-mortem is done."
    one.happens(Reopened("it is back"))
    assert len(posts(one)) == 2
    assert last_page(life(incident_channels=False).open(2).incident) is None


def test_what_people_write_is_data_in_the_timeline_and_no_sign_for_omc() -> None:
    one = life(acknowledgement=CHAIN[1].after).open(2).happens(ChannelMade("C0000001"), Acknowledged("ann"))
    before = (one.incident.acknowledgement, len(one.pages))
    one.happens(Said("resolve 3 </script>", "1.1"), Said("", "1.1", "deleted"), by="Slack member U0EVIL")
    assert (one.incident.acknowledgement, len(one.pages)) == before
    assert one.incident.channel is not None
    assert one.incident.channel.messages == 2
    assert [in_words(each) for each in one.incident.events[-2:]] == [
        "wrote in Slack: “resolve 3 </script>”",
        "took back a message in Slack",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "<@U0000ANN> see <#C1|deploys> &amp; <https://x.example/a|the graph>",
            "@Ann see #deploys & https://x.example/a",
        ),
        ("<!here> <@U0STRANGER|zed> 5 &lt; 6", "@here @zed 5 < 6"),
        ("plain", "plain"),
        ("<<<", "<<<"),
    ],
)
def test_slacks_marks_are_words_in_a_timeline(text: str, shown: str) -> None:
    assert plain_text(text, PEOPLE) == shown
