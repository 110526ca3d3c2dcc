"""``omc notify``: a test page with the time of each hop, the outbox, and a page that is sent once more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from support.canary import CANARY, dump
from support.commands import CommandResult
from support.engine_world import World
from support.notify_world import SECRETS
from support.receivers import Receiver, Response, receiving

TABLES = """
[people.jo]
aws = ["jo@example.com"]
contacts = ["pagerduty:jo-pages", "webhook:hook"]

[people.bob]
aws = ["bob@example.com"]

[notify.pagerduty.jo-pages]
api = "{address}"

[notify.webhook.hook]
url = "{address}/pages"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(lambda request: Response(202 if request.path == "/pages" else 400, {"message": CANARY})) as made:
        yield made


@pytest.fixture
def stack(world: World, receiver: Receiver) -> World:
    file = world.stack.file
    file.write_text(file.read_text() + TABLES.format(address=receiver.address))
    return world


def notify(world: World, *words: str) -> CommandResult:
    return world.omc("notify", *words, "--env", "staging", **SECRETS)


def test_a_test_page_shows_each_hop_with_its_time(stack: World, receiver: Receiver) -> None:
    done = notify(stack, "test", "--to", "jo")
    assert done.returncode == 0, done.stderr
    assert "Test page to jo" in done.stdout
    for words in ("outbox", "pagerduty:jo-pages", "PagerDuty answered 400", "webhook:hook", "sent", "s to send"):
        assert words in done.stdout
    assert "webhook:hook took it over after" in done.stdout
    assert "Ask jo whether it arrived." in done.stdout
    first, second = (request.path for request in receiver.requests)
    assert (first, second) == ("/v2/enqueue", "/pages")
    assert receiver.requests[1].json["data"]["message"]["short"].startswith("Test page from omc for staging")


def test_each_method_can_be_tried_by_itself(stack: World) -> None:
    done = notify(stack, "test", "--to", "jo", "--each", "--output", "json")
    assert done.returncode == 1, "one of the two failed"
    found = [(page["state"], page["log"][0]["contact"]) for page in json.loads(done.stdout)["pages"]]
    assert found == [("failed", "pagerduty:jo-pages"), ("sent", "webhook:hook")]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("bob", "bob has no contacts in omc.toml"),
        ("joe", "joe is neither a person of omc.toml (there is jo, bob), nor a channel such as #incidents"),
        ("sms:0400", "nor a contact such as email:jo@example.com"),
    ],
)
def test_whom_it_can_not_reach_it_says_at_once(stack: World, target: str, words: str) -> None:
    done = notify(stack, "test", "--to", target)
    assert done.returncode == 2
    assert words in done.stderr


def test_what_failed_is_listed_and_sent_once_more(stack: World, receiver: Receiver) -> None:
    assert notify(stack, "outbox").stdout.strip() == "No page is waiting, and none failed."
    assert notify(stack, "test", "--to", "pagerduty:jo-pages").returncode == 1
    listed = json.loads(notify(stack, "outbox", "--failed", "--output", "json").stdout)
    (page,) = listed["pages"]
    assert (page["state"], page["recipient"], page["attempts"]) == ("failed", "pagerduty:jo-pages", 1)
    table = notify(stack, "outbox").stdout
    assert page["page"] in table
    assert "PagerDuty answered 400" in table
    done = notify(stack, "retry", page["page"])
    assert done.returncode == 0, done.stderr
    (waiting,) = json.loads(notify(stack, "outbox", "--output", "json").stdout)["pages"]
    assert waiting["state"] == "waiting"
    assert notify(stack, "outbox", "--failed").stdout.strip() == "No page failed."
    assert notify(stack, "retry", "page:nowhere").returncode == 2


def test_no_secret_is_printed_or_kept(stack: World) -> None:
    done = notify(stack, "test", "--to", "jo")
    listed = notify(stack, "outbox", "--output", "json")
    for text in (done.stdout, done.stderr, listed.stdout, listed.stderr):
        assert not any(secret in text for secret in SECRETS.values())
    with psycopg.connect(str(stack.place.url)) as connection:
        kept = dump(connection)
    assert not any(secret in kept for secret in SECRETS.values())
    assert "pagerduty:jo-pages" in kept
