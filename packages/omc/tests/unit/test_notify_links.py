"""The link by which a page is acknowledged: for whom it is, until when, and that nobody else makes one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from omc.model.pages import Message
from omc.model.people import Person
from omc.notify.document import page_document
from omc.notify.links import (
    LIFE,
    AcknowledgeLink,
    is_acknowledge_link,
    is_read_by_many,
    read_token,
    token_for,
    with_link,
)
from omc.notify.text import code_of, septets, sms
from omc.output import terminal
from support.notify_world import contact, page

NOW = datetime(2026, 11, 30, 3, 12, tzinfo=UTC)
SECRET, OTHER = "s" * 32, "o" * 32
KEY = "page:production:3:0.1:jo"
ADDRESS = "https://omc.example.com"


def made(key: str = KEY, secret: str = SECRET) -> str:
    token = token_for(key, secret, NOW)
    assert token is not None
    return token


def test_a_token_says_which_incident_and_who_until_a_full_hour_after_a_day() -> None:
    ends = datetime(2026, 12, 1, 4, tzinfo=UTC)
    found = AcknowledgeLink("production", 3, "jo", ends)
    assert read_token(made(), [SECRET], NOW) == found
    assert read_token(made(), [OTHER, SECRET], ends - timedelta(seconds=1)) == found, "while the secret is replaced"
    assert read_token(made(), [SECRET], ends) is None
    assert ends - NOW >= LIFE
    assert token_for(KEY, SECRET, NOW + timedelta(minutes=30)) == made(), "the same page tried again has the same link"


@pytest.mark.parametrize(
    "forged",
    [
        made().replace("production", "staging"),
        made().replace(":3:", ":4:"),
        made().replace(":jo:", ":sam:"),
        made().replace(":0.1:", ":0.2:"),
        made(secret=OTHER),
        made()[:-1] + ("A" if made()[-1] != "A" else "B"),
        made()[:-22],
        made().rpartition(":")[0] + ":" + "A" * 22,
        made() + "\n",
        "",
        "x" * 300,
    ],
)
def test_a_forged_token_is_none(forged: str) -> None:
    assert read_token(forged, [SECRET], NOW) is None


def test_no_secret_makes_no_token_good() -> None:
    assert read_token(made(), [], NOW) is None


def test_a_page_that_asks_for_an_answer_gets_the_link_and_any_other_is_as_it_was() -> None:
    asked = page("email:jo@example.com", key=KEY, message=Message("backend is down"))
    linked = with_link(asked, f"{ADDRESS}/", SECRET, NOW)
    assert linked.message.link == f"{ADDRESS}/ack/{made()}"
    assert is_acknowledge_link(str(linked.message.link))
    assert not is_acknowledge_link(f"{ADDRESS}/incidents/3")
    assert "Acknowledge" in terminal.render(page_document(linked))
    for other in (
        replace(asked, actions=()),
        replace(asked, key="notice:production:3:resolved.1:jo"),
        page("email:jo@example.com", key=KEY),  # has a link of its own
    ):
        assert with_link(other, ADDRESS, SECRET, NOW) == other
    assert with_link(asked, None, SECRET, NOW) == with_link(asked, ADDRESS, None, NOW) == asked


@pytest.mark.parametrize(
    ("method", "is_shared"),
    [
        ("pagerduty:jo-pages", True),
        ("webhook:hook", True),
        ("slack:#incidents", True),
        ("slack:U024BE7LH", False),
        ("email:jo@example.com", False),
        ("email:On-Call@example.com", True),  # named in omc.toml
        ("email:desk@example.com", True),  # of two people
        ("sms:+61400000001", False),
        ("ntfy:jo", False),
        ("push", False),
    ],
)
def test_what_others_read_too_has_no_link_that_acknowledges_in_one_name(method: str, is_shared: bool) -> None:
    everything = ("email:jo@example.com", "email:desk@example.com", "sms:+61400000001", "ntfy:jo", "push")
    people = [
        Person("jo", "Jo", tuple(map(contact, everything))),
        Person("sam", "Sam", (contact("email:Desk@example.com"), contact("push"))),
    ]
    assert is_read_by_many(contact(method), people, ["email:on-call@example.com"]) is is_shared


def test_an_sms_has_the_link_whole_where_it_leaves_room_for_what_is_wrong() -> None:
    link = f"{ADDRESS}/ack/{made()}"
    short = "SEV-1 production backend: no healthy target, nobody is served. omc incident ack 3 --env production"
    text = sms(short, KEY, link)
    assert septets(text) <= 160
    assert text.endswith(f" {link} {code_of(KEY)}")
    assert text.startswith("SEV-1 production backend: no healthy target")
    long = f"https://{'x' * 60}.example.com/ack/{made()}"
    assert sms(short, KEY, long) == sms(short, KEY)
