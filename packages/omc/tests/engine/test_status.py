"""Customers: the public feed over a real server, and subscribers by real mail and webhooks, until they want no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from omc.config import Stack
from omc.config.notify_tables import EmailTable
from omc.config.server_tables import ServerLimits
from omc.config.status_tables import StatusTable
from omc.incidents.events import UpdateSent
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext
from omc.notify.delivery import Sender
from omc.responder.life import Doer, act
from omc.responder.status import telling
from omc.responder.status.proofs import MIN_LENGTH, Proofs
from omc.responder.status.sending import MOST_FAILURES, Postman
from omc.responder.status.telling import AT_A_TIME, Telling, tell_customers, tell_subscribers
from omc.store import outbox
from omc.store.incidents import open_incident
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import SENT, OutboxRow, take_due
from omc.store.subscribers import Subscriber, lane_of, subscribers_of
from support.api_server import CLIENT_TIMEOUT, ApiServer, api_server, stack_in
from support.canary import CANARY, dump
from support.mail import Mailbox, mail_server
from support.receivers import Receiver, Response, is_signed, receiving

KEY = f"{CANARY}-status-key-of-32-characters-or-more"
FEED = "/status/production"
ADDRESS = "Jo.Customer@example.com"
ANN = Doer("ann")


@dataclass
class Customers:
    """A server with a public feed, its senders by hand, and what customers get."""

    store: Store
    stack: Stack
    mailbox: Mailbox
    server: ApiServer
    reports: list[str] = field(default_factory=list)

    def get(self, path: str, **headers: str) -> httpx.Response:
        with self.server.client() as client:
            return client.get(f"{FEED}{path}", headers=headers)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        with self.server.client() as client:
            return client.post(f"{FEED}{path}", json=body)

    def follow(self, link: str, method: str = "POST", content: bytes = b"") -> httpx.Response:
        """As a browser or a mail program does: whatever host the link names, it is this server here."""
        parts = urlsplit(link)
        assert f"{parts.scheme}://{parts.netloc}" == self.stack.server.address
        with self.server.client() as client:
            return client.request(method, f"{parts.path}?{parts.query}", content=content)

    def tell(self, text: str = "We look into it.", phase: str = "investigating", **states: str) -> None:
        tell_customers(self.store, self.stack, "production", 1, ANN, Telling(text, phase, components=states))

    def deliver(self) -> int:
        """Everything that is due is enqueued and sent; how many attempts that were."""
        while tell_subscribers(self.store, ["production"]):
            pass
        postman = Postman(self.stack, self.store, self.reports.append)
        sender = Sender(
            self.store,
            [lane_of("production")],
            {Channel.SUBSCRIBER: postman.send},
            ChannelContext(self.stack, self.store.now, httpx.Client(trust_env=False, timeout=CLIENT_TIMEOUT)),
            "test",
            tell=postman.undelivered,
            report=self.reports.append,
        )
        count = 0
        while sender.run_once():
            count += 1
        return count

    def links(self, message: EmailMessage) -> list[str]:
        body = message.get_body(("plain",))
        assert body is not None
        return re.findall(r"https?://\S+", body.get_content())

    def subscribed(self, address: str = ADDRESS) -> str:
        """A confirmed address; the link by which it unsubscribes."""
        assert self.post("/subscriptions", {"email": address}).status_code == 202
        self.deliver()
        message = self.mailbox.messages[-1]
        assert self.follow(self.links(message)[0]).status_code == 200
        return str(message["List-Unsubscribe"]).strip("<>")

    def subscribers(self) -> list[Subscriber]:
        with self.store.reading() as session:
            return subscribers_of(session, "production")


@pytest.fixture
def customers(
    store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Customers]:
    """A parameter is keys of ``[status]``."""
    monkeypatch.setenv("OMC_STATUS_KEY", KEY)
    with ExitStack() as opened:
        mailbox, port = opened.enter_context(mail_server(None))
        stack = stack_in(tmp_path)
        email = EmailTable(host="localhost", port=port, sender="status@example.com", security="none")
        stack = replace(
            stack,
            notify=replace_struct(stack.notify, email=email),
            server=replace_struct(
                stack.server,
                address="https://omc.example.com",
                limits=ServerLimits(address_requests_per_minute=100_000),
            ),
            status=StatusTable(
                environments=("production",),
                title="Oh My Coins",
                subscriptions=("email", "webhook"),
                webhook_networks=("127.0.0.0/8",),
                **getattr(request, "param", {}),
            ),
        )
        server = opened.enter_context(api_server(store, stack, with_tokens=False, is_watched=lambda _: True))
        yield Customers(store, stack, mailbox, server)


def replace_struct(value: Any, **changed: Any) -> Any:
    from msgspec.structs import replace as changed_struct

    return changed_struct(value, **changed)


# ── The feed ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_feed_is_public_cacheable_and_has_only_what_customers_were_told(customers: Customers) -> None:
    open_incident(customers.store, "production", 1, f"{CANARY} in the summary", CANARY)
    act(customers.store, "production", 1, Doer(CANARY), UpdateSent(f"{CANARY}, by telephone"))
    quiet = customers.get("/api/v2/summary.json")
    assert quiet.json()["status"]["indicator"] == "unknown", "an incident is open and nobody said of what"
    customers.server.context.boards.made.clear()
    customers.tell(backend="major_outage")
    shown = customers.get("/api/v2/summary.json")
    assert shown.json()["status"] == {"indicator": "critical", "description": "Some components are down"}
    assert shown.headers["cache-control"] == "public, max-age=30"
    assert shown.headers["access-control-allow-origin"] == "*"
    assert "authorization" not in shown.headers.get("vary", "").lower()
    same = customers.get("/api/v2/summary.json", **{"If-None-Match": shown.headers["etag"]})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", shown.headers["etag"])
    for path, kind in (("/history.atom", "application/atom+xml"), ("/history.rss", "application/rss+xml")):
        form = customers.get(path)
        assert form.headers["content-type"].startswith(kind)
        assert b"We look into it." in form.content
        assert CANARY.encode() not in form.content
    for answer in (shown, customers.get("/api/v2/incidents.json")):
        assert CANARY not in answer.text


def test_an_environment_that_is_not_public_has_no_feed_and_takes_no_subscription(customers: Customers) -> None:
    with customers.server.client() as client:
        for path in ("api/v2/summary.json", "history.atom", "unsubscribe?subscriber=0123456789abcdef&proof=x"):
            assert client.get(f"/status/staging/{path}").status_code == 404
        assert client.post("/status/staging/subscriptions", json={"email": ADDRESS}).status_code == 404
    assert customers.subscribers() == []


def test_a_feed_is_made_once_however_many_ask_for_it(customers: Customers) -> None:
    customers.get("/history.atom")
    at = customers.server.context.boards.made["production"][0]
    for path in ("/history.atom", "/history.rss", "/api/v2/summary.json", "/api/v2/incidents.json"):
        assert customers.get(path).status_code == 200
    assert customers.server.context.boards.made["production"][0] == at


# ── By e-mail ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_is_told_once_it_has_confirmed_by_a_post_and_until_it_unsubscribes(
    customers: Customers,
) -> None:
    open_incident(customers.store, "production", 1, "Users can't log in", "ann")
    assert customers.post("/subscriptions", {"email": ADDRESS}).status_code == 202
    customers.tell("Before it was confirmed.")
    assert customers.deliver() == 1
    (question,) = customers.mailbox.messages
    assert question["Subject"] == "[Oh My Coins] Confirm your subscription"
    (link,) = customers.links(question)
    page = customers.follow(link, "GET")
    assert (page.status_code, "J…@example.com" in page.text, '<form method="post">' in page.text) == (200, True, True)
    assert page.headers["cache-control"] == "no-store"
    assert customers.subscribers()[0].confirmed_at is None, "a program that opens links confirms nothing"
    assert customers.follow(link).status_code == 200
    assert customers.follow(link).status_code == 200, "twice is the same"
    customers.tell("After it.", "identified")
    assert customers.deliver() == 1
    told = customers.mailbox.messages[-1]
    assert told["Subject"] == "[Oh My Coins] Identified: Problem with our service"
    assert told["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    unsubscribe = str(told["List-Unsubscribe"]).strip("<>")
    assert customers.links(told) == [unsubscribe]
    assert customers.follow(unsubscribe, "GET").status_code == 200
    assert len(customers.subscribers()) == 1, "a program that opens links unsubscribes nobody"
    assert customers.follow(unsubscribe, content=b"List-Unsubscribe=One-Click").status_code == 200
    assert customers.subscribers() == []
    customers.tell("Nobody is left.", "monitoring")
    assert customers.deliver() == 0


def test_what_waits_for_somebody_who_unsubscribes_is_not_sent(customers: Customers) -> None:
    open_incident(customers.store, "production", 1, "x", "ann")
    unsubscribe = customers.subscribed()
    customers.tell()
    while tell_subscribers(customers.store, ["production"]):
        pass
    customers.follow(unsubscribe)
    before = len(customers.mailbox.messages)
    customers.deliver()
    assert len(customers.mailbox.messages) == before


def test_nobody_learns_who_subscribed_and_nobody_is_flooded(customers: Customers) -> None:
    customers.subscribed()
    addresses = (ADDRESS, ADDRESS.lower(), "b@example.com")
    answers = [customers.post("/subscriptions", {"email": each}) for each in addresses]
    assert len({each.text for each in answers}) == 1
    for _ in range(5):
        customers.post("/subscriptions", {"email": "b@example.com"})
    customers.deliver()
    assert [str(each["To"]) for each in customers.mailbox.messages] == [ADDRESS, "b@example.com"], (
        "one question an hour"
    )


def test_a_link_that_is_forged_another_ones_or_too_old_does_nothing(
    customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers.post("/subscriptions", {"email": ADDRESS})
    customers.deliver()
    (link,) = customers.links(customers.mailbox.messages[0])
    (row,) = customers.subscribers()
    base = f"https://omc.example.com{FEED}"
    for forged in (
        link[:-4] + "aaaa",
        Proofs("production", KEY).link(base, "unsubscribe", row.id).replace("/unsubscribe?", "/confirm?"),
        Proofs("staging", KEY).link(base, "confirm", row.id),
        Proofs("production", "x" * MIN_LENGTH).link(base, "confirm", row.id),
        Proofs("production", KEY).link(base, "confirm", "0" * 16),
    ):
        assert customers.follow(forged).status_code == 404
        assert customers.subscribers()[0].confirmed_at is None
    later = customers.store.now() + timedelta(hours=49)
    monkeypatch.setattr(customers.store, "now", lambda: later)
    assert customers.follow(link).status_code == 404
    customers.post("/subscriptions", {"email": "b@example.com"})
    assert [each.address for each in customers.subscribers()] == ["b@example.com"], "who didn't confirm is forgotten"


def test_a_mailbox_that_is_gone_is_forgotten_and_one_that_refuses_us_is_not_at_once(customers: Customers) -> None:
    open_incident(customers.store, "production", 1, "x", "ann")
    customers.subscribed()
    customers.mailbox.answers["RCPT"] = f"550 5.7.1 <{ADDRESS}> does not take your mail"
    for number in range(MOST_FAILURES - 1):
        customers.tell(f"update {number}")
        customers.deliver()
    assert [each.failures for each in customers.subscribers()] == [MOST_FAILURES - 1]
    customers.mailbox.answers.clear()
    customers.tell("one that arrives")
    customers.deliver()
    assert [each.failures for each in customers.subscribers()] == [0]
    customers.mailbox.answers["RCPT"] = f"550 5.1.1 <{ADDRESS}>: user unknown"
    customers.tell("one too many")
    customers.deliver()
    assert customers.subscribers() == []
    assert any("is forgotten" in each for each in customers.reports)
    assert not any(ADDRESS.lower() in each.lower() for each in customers.reports)


def test_an_address_is_in_one_table_alone_and_gone_with_its_row(customers: Customers, place: StoreLocation) -> None:
    open_incident(customers.store, "production", 1, "x", "ann")
    unsubscribe = customers.subscribed()
    customers.mailbox.answers["RCPT"] = f"451 <{ADDRESS}> later"
    customers.tell()
    customers.deliver()
    customers.follow(unsubscribe)
    with psycopg.connect(place.url or "") as connection:
        kept = dump(connection)
    for secret in (ADDRESS, ADDRESS.lower(), KEY, urlsplit(unsubscribe).query.partition("proof=")[2]):
        assert secret not in kept
        assert not any(secret in each for each in (*customers.reports, *customers.server.log))
    assert "u2026@example.com> later" in kept, "what the server answered is kept, with the address masked"


# ── By webhook ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def test_a_webhook_is_signed_with_a_secret_that_is_shown_once_and_ends_with_410(
    customers: Customers, receiver: Receiver
) -> None:
    open_incident(customers.store, "production", 1, "x", "ann")
    url = f"{receiver.address}/hook?of=a-customer"
    answer = customers.post("/subscriptions", {"webhook": url})
    made = answer.json()
    assert (answer.status_code, made["secret"][:6], answer.headers["cache-control"]) == (202, "whsec_", "no-store")
    customers.tell("Before it was confirmed.")
    customers.deliver()
    (question,) = receiver.requests
    assert question.path == "/hook?of=a-customer"
    assert is_signed(question, made["secret"])
    assert question.json["type"] == "status.confirm"
    assert customers.follow(question.json["data"]["confirm"]).status_code == 200
    customers.tell("After it.", "identified", backend="partial_outage")
    receiver.queued.append(Response(503, {}, {"Retry-After": "0"}))
    customers.deliver()
    message = receiver.requests[-1]
    assert is_signed(message, made["secret"])
    assert message.json["type"] == "status.update"
    data = message.json["data"]
    assert (data["incident"]["status"], data["incident_update"]["body"]) == ("identified", "After it.")
    assert data["incident_update"]["affected_components"][0]["new_status"] == "partial_outage"
    other = customers.post("/subscriptions", {"webhook": url}).json()
    assert other["secret"] != made["secret"], "whoever names the same URL learns nothing of the first one's"
    receiver.answer = lambda _: Response(410)
    customers.tell("No more.", "monitoring")
    customers.deliver()
    assert [each.id for each in customers.subscribers() if each.confirmed_at] == []


@pytest.mark.parametrize("customers", [{"most_webhooks_of_a_host": 2}], indirect=True)
def test_a_host_confirms_so_many_of_its_webhooks_and_no_more(customers: Customers, receiver: Receiver) -> None:
    for number in range(3):
        assert customers.post("/subscriptions", {"webhook": f"{receiver.address}/{number}"}).status_code == 202
    customers.deliver()
    links = [each.json["data"]["confirm"] for each in receiver.requests]
    answers = [customers.follow(each) for each in links]
    assert [each.status_code for each in answers] == [200, 200, 409]
    assert "2 webhooks go to this host, and no more may." in answers[2].text
    assert customers.follow(links[0]).status_code == 200, "once or often, it is the same"
    refused = customers.post("/subscriptions", {"webhook": receiver.address.upper().replace("HTTP", "http") + "/3"})
    assert (refused.status_code, "2 webhooks go to this host" in refused.json()["detail"]) == (429, True)
    assert sum(each.confirmed_at is not None for each in customers.subscribers()) == 2


@pytest.mark.parametrize("customers", [{"most_subscribers": 2}], indirect=True)
def test_webhooks_leave_half_of_the_places_to_mailboxes(customers: Customers, receiver: Receiver) -> None:
    answers = [customers.post("/subscriptions", {"webhook": f"{receiver.address}/{number}"}) for number in range(2)]
    assert [each.status_code for each in answers] == [202, 429]
    assert customers.post("/subscriptions", {"email": ADDRESS}).status_code == 202


def test_a_webhook_to_what_is_not_public_is_refused(customers: Customers) -> None:
    for url in ("https://10.0.0.1/x", "http://hooks.example.com/x", "https://[::1]/x", "https://a@b.example.com/"):
        refused = customers.post("/subscriptions", {"webhook": url})
        assert refused.status_code == 400, url
        assert "Nothing is sent to this URL" in refused.json()["detail"]
    assert customers.post("/subscriptions", {"webhook": "https://x.example.com", "email": ADDRESS}).status_code == 400
    assert customers.subscribers() == []


# ── Once each, however often ────────────────────────────────────────────────────────────────────────────────────


def confirmed(store: Store, count: int) -> None:
    at: datetime = store.now() - timedelta(minutes=1)
    with store.transaction() as transaction:
        for number in range(count):
            transaction.session.add(
                Subscriber(
                    id=f"{number:016x}",
                    environment="production",
                    kind="email",
                    address=f"c{number}@example.com",
                    identity=f"c{number}@example.com",
                    created_at=at,
                    confirmed_at=at,
                    asked_at=at,
                    questions=1,
                    failures=0,
                )
            )


def test_each_subscriber_has_one_page_of_each_update_whoever_dies_in_between(customers: Customers) -> None:
    """Enqueued some at a time; a transaction that dies is begun again, and what was committed isn't enqueued twice."""
    store, most = customers.store, AT_A_TIME + 20
    open_incident(store, "production", 1, "x", "ann")
    confirmed(store, most)
    customers.tell()
    with store.reading() as session:
        assert session.query(OutboxRow).count() == 0

    class Died(Exception):
        pass

    enqueue, done = outbox.enqueue, []

    def dying(transaction: Any, page: Any) -> bool:
        done.append(page.key)
        if len(done) == 7:
            raise Died
        return enqueue(transaction, page)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(telling, "enqueue", dying)
        with pytest.raises(Died):
            tell_subscribers(store, ["production"])
    assert tell_subscribers(store, ["production"])
    assert tell_subscribers(store, ["production"])
    assert not tell_subscribers(store, ["production"])
    with store.reading() as session:
        keys = [row.key for row in session.query(OutboxRow)]
    assert len(keys) == len(set(keys)) == most
    with store.transaction() as transaction:
        assert take_due(transaction, ["production", ""], "a sender of pages", timedelta(seconds=9)) is None


def test_customers_wait_in_a_lane_of_their_own(customers: Customers) -> None:
    """However many are told and however slow, no page waits for them, and nobody is told that pages are late."""
    assert Channel.SUBSCRIBER not in CHANNELS, "the sender of pages couldn't send to one"
    open_incident(customers.store, "production", 1, "x", "ann")
    customers.subscribed()
    customers.tell()
    customers.deliver()
    with customers.store.reading() as session:
        rows = list(session.query(OutboxRow).filter(OutboxRow.environment == lane_of("production")))
    assert {row.state for row in rows} == {SENT}
    assert len({row.key for row in rows}) == 2
