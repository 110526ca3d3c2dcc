"""What goes out beside pages: an incident's own channel in Slack, web push, and the link that acknowledges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from omc.config import Stack
from omc.config.notify_tables import SlackTable
from omc.config.server_tables import ServerSettings
from omc.incidents.events import Said
from omc.incidents.words import in_words
from omc.judgement.escalation import Rung
from omc.model.pages import Message
from omc.model.people import Channel, ContactMethod, Person
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.delivery import Sender
from omc.notify.interactions import ChannelMessage
from omc.notify.links import read_token
from omc.notify.model import Delivered, Outcome, Sent, Undelivered
from omc.notify.web_push import private_key as key_of
from omc.notify.web_push import public_key
from omc.responder import life
from omc.responder.duty import Duty
from omc.responder.life import Doer, OnCallContext
from omc.responder.slack_actions import SlackActions
from omc.store.incidents import incident_of, open_incident
from omc.store.opened import Store, Transaction
from omc.store.outbox import SENT, OutboxRow, enqueue
from omc.store.push import PushBrowser
from support.api_server import api_server, stack_in
from support.notify_world import SECRETS, STAGING, page
from support.push_service import PushClient
from support.receivers import Receiver, Request, Response, Slack, receiving, slack_server

VAPID = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
PEOPLE = {
    name: Person(name, name.title(), (ContactMethod(Channel.SLACK, f"U0000{name.upper()}"),)) for name in ("jo", "sam")
}
JO = Doer("Jo", None, "jo")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMC_VAPID_KEY", VAPID)


@pytest.fixture
def slack() -> Iterator[tuple[Slack, Receiver]]:
    with slack_server() as found:
        yield found


class World:
    """A responder of one environment, whose looks and sends a test makes."""

    def __init__(self, store: Store, stack: Stack) -> None:
        self.store, self.stack = store, stack
        self.now = store.now()
        store.now = lambda: self.now
        on_call = list(PEOPLE.values())

        def resolve(rung: Rung, _: object) -> Person | str:
            return on_call[rung.step] if rung.step < len(on_call) else "nobody"

        policy = replace(Duty(stack, store).policy(), persons=stack.persons)
        self.context = OnCallContext(policy, resolve, lambda: ())
        self.sender = Sender(
            store, ("staging",), CHANNELS, ChannelContext(stack, store.now, store=store), "test", tell=self.note
        )
        self.actions = SlackActions(stack, ("staging",), store, lambda _: self.context, lambda: None)

    def note(self, transaction: Transaction, sent: Any, outcome: Undelivered | Delivered) -> None:
        if isinstance(outcome, Delivered):
            life.note_channel(transaction, sent, outcome)

    def work(self, minutes: float = 0) -> None:
        """Let time pass, look at what is due, and send what is to be sent."""
        self.now += timedelta(minutes=minutes)
        while life.look(self.store, ["staging"], lambda _: self.context):
            pass
        while self.sender.run_once():
            pass


def test_a_sev_2_has_its_channel_in_slack_from_its_opening_to_its_end(
    store: Store, slack: tuple[Slack, Receiver]
) -> None:
    workspace, receiver = slack
    workspace.channel("incidents")
    settings = replace_settings(slack=SlackTable(api=f"{receiver.address}/api"))
    world = World(store, replace(STAGING, persons=PEOPLE, notify=settings))
    open_incident(store, "staging", 2, "Prices are late <!channel>", "ann")
    world.work()
    [channel] = [each for each in workspace.channels.values() if each["name"] != "incidents"]
    assert (channel["name"], channel["members"]) == ("inc-staging-1-prices-are-late-channel", ["U0000JO"])
    assert channel["topic"].startswith("SEV-2 in staging, nobody has it yet: Prices are late")
    there = [each for each in workspace.messages if each["channel"] == channel["id"]]
    assert len(there) == 1
    assert {each["action_id"] for each in there[0]["blocks"][-1]["elements"]} == {"acknowledge", "snooze", "resolve"}
    assert "<!channel>" not in there[0]["text"]
    incident = incident_of(store, "staging", 1)
    assert incident.channel is not None
    assert incident.channel.id == channel["id"]

    world.work(
        16
    )  # nobody has acknowledged: the next one is paged, called into the channel, and the alert is there again
    there = [each for each in workspace.messages if each["channel"] == channel["id"]]
    assert (len(there), channel["members"]) == (2, ["U0000JO", "U0000SAM"])
    assert len(workspace.channels) == 2, "it is the same channel"

    says(world, channel["id"], "Rolled back, <@U0000SAM>. password=hunter22-c4n4ry", "e1")
    says(world, channel["id"], "Rolled back, <@U0000SAM>. password=hunter22-c4n4ry", "e1")
    says(world, channel["id"], "x" * 5_000, "e2", user="U0STRANGER")
    says(world, "C9ELSEWHERE", "of something else", "e3")
    said = [each for each in incident_of(store, "staging", 1).events if isinstance(each.payload, Said)]
    assert [each.by for each in said] == ["Jo", "Slack member U0STRANGER"]
    assert in_words(said[0]) == "wrote in Slack: “Rolled back, @Sam. password=[redacted]”"
    assert isinstance(said[1].payload, Said)
    assert len(said[1].payload.text) == 1_000

    life.acknowledge(store, "staging", 1, JO, world.context.policy)
    world.work()
    life.resolve_by_hand(store, "staging", 1, JO, "rolled back", world.context.policy, lambda: ())
    world.work()
    there = [each for each in workspace.messages if each["channel"] == channel["id"]]
    assert "This channel is kept." in json.dumps(there[-1])
    assert "is over" not in channel["topic"]
    assert channel["topic"].startswith("SEV-2 in staging, over: ")
    assert all(each["blocks"][-1]["type"] != "actions" for each in there), "no button is left that does nothing"
    says(world, channel["id"], "Found the cause.", "e4")
    assert isinstance(incident_of(store, "staging", 1).events[-1].payload, Said)
    world.sender.context.http.close()


def test_where_no_channel_can_be_made_the_alert_is_posted_for_all_incidents(
    store: Store, slack: tuple[Slack, Receiver]
) -> None:
    workspace, receiver = slack
    common = workspace.channel("incidents")
    workspace.errors += [("conversations.create", "ratelimited"), ("conversations.create", "restricted_action")]
    settings = replace_settings(slack=SlackTable(api=f"{receiver.address}/api"))
    world = World(store, replace(STAGING, persons=PEOPLE, notify=settings))
    open_incident(store, "staging", 1, "Prices are late", "ann")
    world.work()
    world.work(1)  # Slack asked for half a minute
    assert [each["channel"] for each in workspace.messages if each["channel"] == common] == [common]
    incident = incident_of(store, "staging", 1)
    assert incident.channel is not None
    assert incident.channel.id is None
    world.sender.context.http.close()


def says(world: World, channel: str, text: str, id_: str, user: str = "U0000JO") -> None:
    world.actions.handle(ChannelMessage(id_, "T1", user, channel, f"17.{id_}", "posted", text))


def replace_settings(**more: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(STAGING.notify, **more)


# ── Web push ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_browser_subscribes_reads_its_page_and_is_forgotten_when_it_is_gone(store: Store, tmp_path: Path) -> None:
    gone: set[str] = set()

    def push_service(request: Request) -> Response:
        return Response(410 if request.path in gone else 201)

    phone, desk = PushClient(), PushClient()
    with receiving(push_service) as service:
        addresses = {name: f"{service.address}/push/{name}" for name in ("phone", "desk")}
        text = '[notify.push]\ncontact = "mailto:ops@example.com"\nservices = ["127.0.0.1"]\n'
        stack = stack_in(tmp_path, oidc=text)
        with api_server(store, stack) as api, api.of("responder") as jo, api.of("viewer") as nobody:
            shown = jo.get("/v1/me/browsers").json()
            assert shown == {"items": [], "public_key": public_key(key_of(VAPID))}
            for name, client in (("phone", phone), ("desk", desk), ("phone", phone)):
                answer = jo.post("/v1/me/browsers", json={**client.subscription(addresses[name]), "name": name})
                assert answer.status_code == 201, answer.text
                assert service.address not in answer.text
            listed = jo.get("/v1/me/browsers").json()["items"]
            assert [each["name"] for each in listed] == ["desk", "phone"], "the same browser again is one"
            elsewhere = phone.subscription("https://evil.example/push/1")
            assert jo.post("/v1/me/browsers", json=elsewhere).status_code == 400
            assert nobody.post("/v1/me/browsers", json=phone.subscription(addresses["phone"])).status_code == 400
            assert nobody.delete(f"/v1/me/browsers/{listed[0]['id']}").status_code == 404

        context = ChannelContext(stack, store.now, store=store)

        def send(**changed: Any) -> Outcome:
            urgent = page("push:", **changed)
            return CHANNELS[Channel.PUSH](PageDelivery(urgent, urgent.methods[0]), context)

        assert isinstance(send(), Sent)
        sent = {each.path.rpartition("/")[2]: each for each in service.requests}
        assert json.loads(phone.read(sent["phone"].body))["incident"] == 3
        assert json.loads(desk.read(sent["desk"].body))["body"].startswith("backend answers 5xx")
        headers = sent["phone"].headers
        assert (headers["content-encoding"], headers["urgency"], headers["ttl"]) == ("aes128gcm", "high", "86400")
        assert headers["authorization"].startswith("vapid t=")
        assert headers["topic"] == sent["desk"].headers["topic"]
        assert b"backend" not in sent["phone"].body

        gone.add("/push/desk")
        assert isinstance(send(), Sent), "one browser has it, so she has it"
        with store.reading() as session:
            assert [each.name for each in session.scalars(select(PushBrowser))] == ["phone"]
        service.queued.append(Response(503))
        assert "503" in getattr(send(), "reason", "")
        gone.add("/push/phone")
        assert "410" in getattr(send(), "reason", "")
        assert getattr(send(), "reason", "") == "no browser of jo has subscribed"
        context.http.close()


# ── The link ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_gets_its_link_when_it_is_sent_and_no_row_has_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "c4n4ry-of-the-links-" + "x" * 20
    monkeypatch.setenv("OMC_LINK_SECRET", secret)
    shown: list[str | None] = []

    def channel(delivery: PageDelivery, _: ChannelContext) -> Outcome:
        shown.append(delivery.page.message.link)
        return Sent("1")

    stack = replace(STAGING, persons=PEOPLE, server=ServerSettings(address="https://omc.example.com"))
    world = World(store, stack)
    world.sender.channels = {Channel.SLACK: channel}
    open_incident(store, "staging", 2, "Prices are late", "ann")
    world.work()
    [link] = [each for each in shown if each]
    with store.transaction("ann") as transaction:
        asked = page("pagerduty:jo-pages", key="page:staging:1:hand.0:jo", message=Message("Prices are late"))
        enqueue(transaction, asked)
    world.sender.channels = {Channel.PAGERDUTY: channel}
    before = len(shown)
    world.work()
    assert shown[before:] == [None], "PagerDuty has other readers"
    assert link.startswith("https://omc.example.com/ack/staging:1:")
    found = read_token(link.rpartition("/")[2], [secret], world.now)
    assert found is not None
    assert (found.environment, found.incident, found.person) == ("staging", 1, "jo")
    with store.reading() as session:
        rows = list(session.scalars(select(OutboxRow)))
    assert {each.state for each in rows} == {SENT}
    assert not any("/ack/" in json.dumps(each.page) + json.dumps(each.log) for each in rows)
