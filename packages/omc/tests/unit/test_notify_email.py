"""E-mail against a real mail server: TLS is demanded, refusals are told apart, an incident is one conversation."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from omc.config.notify_tables import EmailTable
from omc.model.pages import Message
from omc.notify.channels.email import POLICY, mail
from omc.notify.model import Outcome, Refused, Sent, TryAgain
from support.mail import PASSWORD, mail_server
from support.notify_world import deliver, page, stack_with
from support.wire import Authority, answering


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trust(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("OMC_SMTP_PASSWORD", PASSWORD)


def send(port: int, sent: Any = None, **settings: Any) -> Outcome:
    table = EmailTable(host="localhost", port=port, sender="omc@example.com", **settings)
    return deliver(stack_with(email=table), sent or page("email:jo@example.com"))


def test_a_page_arrives_as_text_and_html_by_tls_that_was_demanded(authority: Authority) -> None:
    with mail_server(authority.server("localhost")) as (mailbox, port):
        outcome = send(port, user="omc")
    (message,) = mailbox.messages
    assert outcome == Sent(message["Message-ID"])
    assert message["Subject"] == "Incident 3 in staging, SEV-1"
    assert message["To"] == "jo@example.com"
    assert message["Idempotency-Key"] == "page:staging:3:0:jo"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for body in (text.get_content(), html.get_content()):
        assert "backend answers 5xx since 03:12" in body
        assert "Last change: release 42" in body
        assert "https://omc.example.com/incidents/3" in body
    assert max(len(each) for each in mailbox.raw[0].splitlines()) <= 998


def test_tls_from_the_first_byte_on(authority: Authority) -> None:
    with mail_server(authority.server("localhost"), tls_first=True) as (mailbox, port):
        assert isinstance(send(port, security="tls"), Sent)
    assert len(mailbox.messages) == 1


def test_a_server_without_starttls_gets_nothing() -> None:
    with mail_server(None) as (mailbox, port):
        outcome = send(port)
    assert isinstance(outcome, Refused)
    assert "STARTTLS" in outcome.reason
    assert mailbox.messages == []


def test_a_certificate_of_another_name_gets_nothing(authority: Authority) -> None:
    with mail_server(authority.server("other.example")) as (mailbox, port):
        outcome = send(port)
    assert isinstance(outcome, Refused)
    assert "certificate of localhost is not to be trusted" in outcome.reason
    assert mailbox.messages == []


def test_a_wrong_password_is_refused_and_not_said(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMC_SMTP_PASSWORD", f"wrong-{PASSWORD}")
    with mail_server(authority.server("localhost")) as (_, port):
        outcome = send(port, user="omc")
    assert outcome == Refused("the mail server answered 535: the login was refused")


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        ("RCPT", "550 no such user", Refused("the mail server answered 550: no such user", is_gone=True)),
        ("RCPT", "550 5.1.1 who?", Refused("the mail server answered 550: 5.1.1 who?", is_gone=True)),
        ("RCPT", "550 5.7.1 not from you", Refused("the mail server answered 550: 5.7.1 not from you")),
        ("RCPT", "552 5.2.2 full", Refused("the mail server answered 552: 5.2.2 full")),
        ("RCPT", "450 greylisted", TryAgain("the mail server answered 450: greylisted")),
        ("MAIL", "421 closing", TryAgain("the mail server answered 421: closing")),
        ("DATA", "554 spam", Refused("the mail server answered 554: spam")),
        ("DATA", "452 full", TryAgain("the mail server answered 452: full")),
    ],
)
def test_an_answer_of_4yz_is_for_now_and_of_5yz_for_good(command: str, answer: str, outcome: Outcome) -> None:
    with mail_server(None) as (mailbox, port):
        mailbox.answers[command] = answer
        assert send(port, security="none") == outcome


def test_a_connection_that_ends_after_the_message_leaves_it_open_whether_it_arrived() -> None:
    def handler(line: Any, over: Any) -> None:
        line.sendall(b"220 hello\r\n")
        for answer in (b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
            line.recv(65536)
            line.sendall(answer)
        line.recv(65536)  # the message; and gone

    with answering(handler) as port:
        outcome = send(port, security="none")
    assert isinstance(outcome, TryAgain)
    assert outcome.may_have_arrived


@pytest.mark.parametrize("first", [b"", b"554 go away\r\n", b"\xff\xfe garbage\r\n"])
def test_a_server_that_is_none_is_no_bug(first: bytes) -> None:
    with answering(lambda line, _: line.sendall(first)) as port:
        outcome = send(port, security="none")
    assert isinstance(outcome, Refused | TryAgain)
    assert not (isinstance(outcome, TryAgain) and outcome.may_have_arrived)


def test_nobody_listens() -> None:
    outcome = send(9, security="none")
    assert isinstance(outcome, TryAgain)
    assert "refused" in outcome.reason


# ── What is written ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_page_is_the_same_mail_and_an_incident_one_conversation() -> None:
    first, again = (mail(page("email:jo@example.com"), "jo@example.com", "omc@example.com") for _ in range(2))
    other = mail(page(key="page:staging:3:1:jo"), "jo@example.com", "omc@example.com")
    elsewhere = mail(page(key="page:staging:4:0:jo", incident=4), "jo@example.com", "omc@example.com")
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"] == first["In-Reply-To"] != elsewhere["References"]
    assert first["Subject"] == other["Subject"], "some mail programs want the same subject too"


@pytest.mark.parametrize(
    "name",
    ["x\r\nBcc: eve@example.com", "x\n\nbody", "<b>&lt;</b>", "a\x00b", "é — ” 日本", "x" * 3000, "=?utf-8?q?=0A?="],
)
def test_a_name_from_outside_adds_no_header_and_no_html(name: str) -> None:
    made = mail(
        page(incident=None, environment=name, message=Message(name, (name,), f"javascript:{name}")),
        "jo@example.com",
        "omc@example.com",
    )
    read = email.message_from_bytes(made.as_bytes(), policy=default)
    assert isinstance(read, EmailMessage)
    assert read["Bcc"] is None
    assert set(made.keys()) == set(read.keys())
    assert read["To"] == "jo@example.com"
    html = read.get_body(("html",))
    assert html is not None
    assert not any(tag in html.get_content() for tag in ("<b>", "href=", "<script"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", f"<https://status.example.com/status/production/unsubscribe?proof={'x' * 200}>"),
        ("Idempotency-Key", f"page:production:1:0.0:{'p' * 120}"),
        ("X-Short", "short"),
    ],
)
def test_a_header_of_one_word_stays_whole(name: str, value: str) -> None:
    message = EmailMessage(POLICY)
    message[name] = value
    message["Subject"] = "ü " * 60
    message.set_content("x")
    sent = message.as_bytes(policy=POLICY.clone(max_line_length=78))
    assert f"{name}: {value}\r\n".encode() in sent
    assert b"Subject: =?utf-8?" in sent
