"""Socket Mode against a server that speaks Slack's end of it: nothing is acknowledged before it has taken effect, and
nothing is lost when a connection is refreshed, closed or refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from omc.errors import Unknown
from omc.notify.http import client
from omc.notify.interactions import Button, ChannelMessage, Command, Ignored, Interaction, interaction_of
from omc.notify.slack_api import SlackApi
from omc.notify.slack_socket import Listener, SocketModeOff
from support.canary import CANARY
from support.receivers import APP_TOKEN, Receiver, Slack, slack_server
from support.slack_socket import TEAM, SocketServer, button, command, message, socket_server
from support.waiting import eventually

MEMBER = "U024BE7LH"


class Handler:
    """Keeps what it was given; may be held up, or fail."""

    def __init__(self) -> None:
        self.seen: list[Interaction] = []
        self.go = threading.Event()
        self.go.set()
        self.failing = False

    def __call__(self, interaction: Interaction) -> str | None:
        self.go.wait(90)
        if self.failing:
            raise Unknown(f"omc's own database does not answer: token={CANARY}")
        self.seen.append(interaction)
        return f"done: {interaction.text}" if isinstance(interaction, Command) else None


class Ears:
    """A listener in a thread of its own."""

    def __init__(self, receiver: Receiver, token: str = APP_TOKEN) -> None:
        self.handler, self.notes = Handler(), list[str]()
        self.http = client()
        api = SlackApi(self.http, f"{receiver.address}/api", token)
        self.listener = Listener(api, self.handler, TEAM, self.notes.append, back_off=(0.05,))
        self.ended: list[BaseException | None] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.listener.run_forever()
        except SocketModeOff as error:
            self.ended.append(error)
        else:
            self.ended.append(None)

    def end(self) -> None:
        self.handler.go.set()
        self.listener.stopping.set()
        self.thread.join(90)
        self.http.close()
        assert not self.thread.is_alive()


@pytest.fixture
def slack() -> Iterator[tuple[Slack, Receiver]]:
    with slack_server() as made:
        yield made


@pytest.fixture
def server(slack: tuple[Slack, Receiver]) -> Iterator[SocketServer]:
    with socket_server(slack[0]) as made:
        yield made


@contextmanager
def listening(receiver: Receiver, token: str = APP_TOKEN) -> Iterator[Ears]:
    ears = Ears(receiver, token)
    ears.thread.start()
    try:
        yield ears
    finally:
        ears.end()


@pytest.fixture
def ears(slack: tuple[Slack, Receiver], server: SocketServer) -> Iterator[Ears]:
    with listening(slack[1]) as made:
        yield made


def test_a_button_a_command_and_a_message_come_in_as_what_they_are(server: SocketServer, ears: Ears) -> None:
    for envelope in (button("e1"), command("e2", " ack 3 "), message("e3")):
        server.deliver(envelope)
        eventually("its acknowledgement", lambda: server.is_acknowledged(envelope["envelope_id"]))  # noqa: B023
    pressed, typed, posted = ears.handler.seen
    assert isinstance(pressed, Button)
    assert (pressed.user, pressed.action, pressed.environment, pressed.incident) == (
        MEMBER,
        "acknowledge",
        "staging",
        3,
    )
    assert (pressed.channel, pressed.message) == ("D024BE7LH", "1700000000.000001")
    assert isinstance(typed, Command)
    assert (typed.user, typed.text, typed.channel) == (MEMBER, "ack 3", "C0000001")
    assert posted == ChannelMessage(
        "Ev1", TEAM, MEMBER, "C0000001", "1700000000.000002", "posted", "I restart the backend"
    )
    assert server.acknowledged == {"e1": None, "e2": {"response_type": "ephemeral", "text": "done: ack 3"}, "e3": None}
    assert CANARY not in repr(ears.handler.seen), "who has the response_url may answer in our name"


def test_nothing_is_acknowledged_before_it_has_taken_effect(server: SocketServer, ears: Ears) -> None:
    ears.handler.go.clear()
    server.deliver(button("slow"))
    server.deliver({**message("other"), "type": "events_api", "payload": {"event": {"type": "reaction_added"}}})
    eventually("what needs no handler", lambda: server.is_acknowledged("other"))
    assert not server.is_acknowledged("slow")
    ears.handler.go.set()
    eventually("the acknowledgement", lambda: server.is_acknowledged("slow"))
    assert len(ears.handler.seen) == 1


def test_what_failed_is_not_acknowledged_so_that_the_person_sees_it(server: SocketServer, ears: Ears) -> None:
    ears.handler.failing = True
    server.deliver(button("e1"))
    eventually("a note", lambda: any("had no effect" in note for note in ears.notes))
    ears.handler.failing = False
    server.deliver(button("e2"))
    eventually("the second try", lambda: server.is_acknowledged("e2"))
    assert not server.is_acknowledged("e1")
    assert CANARY not in "".join(ears.notes)


def test_what_is_delivered_again_takes_effect_once(server: SocketServer, ears: Ears) -> None:
    for envelope in ("a", "b", "c"):  # Slack delivers an event again in a new envelope
        server.deliver(message(envelope, "Ev7") | {"retry_attempt": 1})
        eventually("its acknowledgement", lambda: server.is_acknowledged(envelope))  # noqa: B023
    assert len(ears.handler.seen) == 1


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
def test_at_a_refresh_the_next_connection_is_open_before_the_last_is_left(
    server: SocketServer, ears: Ears, reason: str
) -> None:
    old = server.connection()
    server.disconnect(reason)
    eventually("a second connection", lambda: server.opened == 2)
    server.deliver(button("by the old one"), to=old)
    server.deliver(button("by the new one"))
    for envelope in ("by the old one", "by the new one"):
        eventually(envelope, lambda: server.is_acknowledged(envelope))  # noqa: B023
    assert server.by == {"by the old one": 0, "by the new one": 1}
    old.close()
    eventually("one connection", lambda: len(server.connections) == 1)
    server.deliver(button("later"))
    eventually("the acknowledgement", lambda: server.is_acknowledged("later"))
    assert server.opened == 2, "the end of the old one opens no third"


def test_a_connection_that_ends_is_replaced(server: SocketServer, ears: Ears) -> None:
    for number in range(3):
        eventually("a hello", ears.listener.connected.is_set)
        server.connection().socket.shutdown(2)  # as a network that fails does it: without a word
        eventually("the next connection", lambda: server.opened == number + 2)  # noqa: B023
    server.deliver(button("e1"))
    eventually("the acknowledgement", lambda: server.is_acknowledged("e1"))


def test_garbage_is_passed_over(server: SocketServer, ears: Ears) -> None:
    connection = server.connection()
    for text in (
        "{",
        "[]",
        '"x"',
        "null",
        '{"type": "interactive"}',
        b"\xff\xfe",
        '{"type": "interactive", "envelope_id": "g"}',
    ):
        connection.send(text)
    server.deliver(button("e1"))
    eventually("the acknowledgement", lambda: server.is_acknowledged("e1"))
    eventually("what can't be read is acknowledged", lambda: server.is_acknowledged("g"))
    assert len(ears.handler.seen) == 1


def test_socket_mode_that_is_switched_off_ends_it(server: SocketServer, ears: Ears) -> None:
    server.disconnect("link_disabled")
    (error,) = eventually("the end", lambda: list(ears.ended))
    assert "switched off" in str(error)


def test_a_wrong_token_ends_it_and_is_not_said(slack: tuple[Slack, Receiver], server: SocketServer) -> None:
    with listening(slack[1], f"xapp-1-{CANARY}") as ears:
        (error,) = eventually("the end", lambda: list(ears.ended))
    assert str(error) == "Slack answered invalid_auth to apps.connections.open. Check OMC_SLACK_APP_TOKEN."


def test_slack_that_does_not_answer_is_tried_again(slack: tuple[Slack, Receiver], server: SocketServer) -> None:
    workspace, receiver = slack
    workspace.errors += [("apps.connections.open", "internal_error")] * 2
    url, workspace.socket_url = workspace.socket_url, "ws://127.0.0.1:9/?ticket=c4n4ry"
    with listening(receiver) as ears:
        eventually("three notes", lambda: len(ears.notes) >= 3)
        workspace.socket_url = url
        server.deliver(button("e1"), to=server.connection())
        eventually("the acknowledgement", lambda: server.is_acknowledged("e1"))
    assert CANARY not in "".join(ears.notes)


@pytest.mark.parametrize("address", ["ws://evil.example/", "wss://127.0.0.1:9/", "http://127.0.0.1/", ""])
def test_a_socket_elsewhere_is_not_opened(slack: tuple[Slack, Receiver], address: str) -> None:
    slack[0].socket_url = address
    with listening(slack[1]) as ears:
        eventually("a note", lambda: bool(ears.notes))
        assert not ears.listener.connected.is_set()


# ── What an envelope comes to ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (button("e", "acknowledge:staging:0"), "the button is none of omc's"),
        (button("e", "acknowledge:staging:3; rm"), "the button is none of omc's"),
        (button("e", "delete:staging:3"), "the button is none of omc's"),
        (button("e", user={"id": "U9", "team_id": "T9999999"}), "it comes from another workspace"),
        (button("e", team={"id": "T9999999"}), "it comes from another workspace"),
        (button("e", type="view_submission"), "omc takes no view_submission"),
        (button("e", actions=[]), "it is not in the form that Slack documents"),
        (command("e", team_id="T9999999"), "it comes from another workspace"),
        (command("e", command="/other"), "omc takes no /other"),
        (message("e", bot_id="B1"), "it is a program's message"),
        (message("e", subtype="channel_join"), "omc takes no channel_join"),
        (message("e", team="T9999999"), "it comes from another workspace"),
        ({"envelope_id": "e", "type": "options", "payload": {}}, "omc takes no options"),
        ({"envelope_id": "e"}, "it is not in the form that Slack documents"),
        ({"envelope_id": "e", "type": "interactive", "payload": None}, "it is not in the form that Slack documents"),
    ],
)
def test_what_is_not_for_us_is_ignored_and_said_why(envelope: dict[str, Any], reason: str) -> None:
    found = interaction_of(envelope, TEAM)
    assert isinstance(found, Ignored)
    assert found.reason.startswith(reason)


def test_a_snooze_has_its_minutes() -> None:
    found = interaction_of(button("e", "snooze:production:12:30"), TEAM)
    assert isinstance(found, Button)
    assert (found.action, found.environment, found.incident, found.minutes) == ("snooze", "production", 12, 30)


@pytest.mark.parametrize(
    ("event", "kind", "text", "ts"),
    [
        (
            {"subtype": "message_changed", "message": {"user": "U1", "text": "new", "ts": "1.1"}},
            "changed",
            "new",
            "1.1",
        ),
        (
            {"subtype": "message_deleted", "previous_message": {"user": "U1", "text": "old", "ts": "1.1"}},
            "deleted",
            "",
            "1.1",
        ),
        ({"thread_ts": "1.0"}, "posted", "I restart the backend", "1700000000.000002"),
    ],
)
def test_changes_and_deletions_name_the_message_that_they_are_of(
    event: dict[str, Any], kind: str, text: str, ts: str
) -> None:
    found = interaction_of(message("e", **event))
    assert isinstance(found, ChannelMessage)
    assert (found.kind, found.text, found.message) == (kind, text, ts)
