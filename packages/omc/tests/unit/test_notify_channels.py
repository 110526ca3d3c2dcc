"""Each channel against a server that speaks its protocol: what is sent, and what each answer comes to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.gateway import Access, Gateway
from omc.model.pages import Message
from omc.notify.channels import sms as sms_channel
from omc.notify.channels.registry import ChannelContext, PageDelivery
from omc.notify.http import MAX_AFTER, retry_after
from omc.notify.model import Failure, Outcome, Refused, Sent, TryAgain
from omc.notify.secrets import scrubbed
from omc.notify.slack_api import SlackApi, SlackFailure
from omc.notify.slack_names import channel_name
from omc.notify.text import code_of
from support import receivers
from support.canary import CANARY
from support.canned_aws import canned_aws
from support.notify_world import NOW, SECRETS, STAGING, WEBHOOK_SECRET, deliver, page, stack_with
from support.receivers import RESET, SILENT, Receiver, Response, Slack, is_signed, receiving, slack_server

OUTSIDE = "<!channel> <@U1> *bold* & <b>x</b> \r\nSubject: other"
"""A name from outside that wants to be more than a text."""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def slack() -> Iterator[tuple[Slack, Receiver]]:
    with slack_server() as made:
        yield made


# ── What HTTP's answers come to, the same for all ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (Response(204), Sent()),
        (Response(429, {}, {"Retry-After": "7"}), TryAgain("the receiver hook answered 429", 7.0)),
        (Response(503), TryAgain("the receiver hook answered 503", may_have_arrived=True)),
        (Response(410), Refused("the receiver hook answered 410")),
        (Response(302, b"", {"Location": "http://127.0.0.1:9/"}), Refused("the receiver hook answered 302")),
        (RESET, TryAgain("127.0.0.1 ended the connection", may_have_arrived=True)),
    ],
    ids=["taken", "busy", "failing", "gone", "redirected", "reset"],
)
def test_an_answer_is_taken_for_what_it_is(said: Response | str, outcome: Outcome) -> None:
    with receiving(lambda _: said) as receiver:
        got = deliver(stack_with(webhook=receiver.address), page("webhook:hook"))
    if isinstance(got, TryAgain) and said == RESET:
        got = replace(got, reason=got.reason.partition(":")[0])
    assert got == outcome
    assert len(receiver.requests) == 1, "nothing is repeated here: that is the sender's to decide"


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (Response(401), Failure.RIGHTS),
        (Response(404), Failure.ADDRESS),
        (Response(429), Failure.RATE),
        (Response(503), Failure.SERVER),
        (Response(400), Failure.OTHER),
        (RESET, Failure.UNREACHABLE),
    ],
)
def test_why_a_page_was_not_taken_over_is_one_of_few_reasons(said: Response | str, failure: Failure) -> None:
    with receiving(lambda _: said) as receiver:
        got = deliver(stack_with(webhook=receiver.address), page("webhook:hook"))
    assert not isinstance(got, Sent)
    assert got.failure is failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [("invalid_auth", Failure.RIGHTS), ("user_disabled", Failure.ADDRESS), ("ratelimited", Failure.RATE)],
)
def test_what_slack_calls_an_error_is_one_of_few_reasons(
    slack: tuple[Slack, Receiver], error: str, failure: Failure
) -> None:
    workspace, receiver = slack
    workspace.errors.append(("conversations.open", error))
    got = deliver(stack_with(slack=receiver.address), page("slack:U024BE7LH"))
    assert not isinstance(got, Sent)
    assert got.failure is failure


def test_a_server_that_is_not_there_has_surely_not_got_it() -> None:
    outcome = deliver(stack_with(), page("webhook:hook"))
    assert isinstance(outcome, TryAgain)
    assert not outcome.may_have_arrived
    assert outcome.reason.startswith("127.0.0.1 can't be reached")


def test_a_server_that_says_nothing_may_have_got_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omc.notify.http.READ_TIMEOUT", 0.2)
    with receiving(lambda _: SILENT) as receiver:
        outcome = deliver(stack_with(webhook=receiver.address), page("webhook:hook"))
        receiver.over.set()
    assert outcome == TryAgain("127.0.0.1 did not answer in time", may_have_arrived=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Mon, 30 Nov 2026 03:12:45 GMT", 45.0),
        ("9" * 40, MAX_AFTER),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_member_gets_a_direct_message_with_buttons(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    outcome = deliver(stack_with(slack=receiver.address), page("slack:U024BE7LH"))
    (message,) = workspace.messages
    assert outcome == Sent(f"D024BE7LH/{message['ts']}")
    assert message["channel"] == "D024BE7LH"
    assert message["metadata"] == {"event_type": "omc_page", "event_payload": {"key": "page:staging:3:0:jo"}}
    buttons = message["blocks"][-1]["elements"]
    assert [(each["action_id"], each["value"]) for each in buttons] == [
        ("acknowledge", "acknowledge:staging:3"),
        ("snooze", "snooze:staging:3:30"),
        ("resolve", "resolve:staging:3"),
    ]


def test_what_comes_from_outside_is_no_mention_in_slack(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    deliver(stack_with(slack=receiver.address), page("slack:U024BE7LH", message=Message(OUTSIDE, (OUTSIDE,))))
    (message,) = workspace.messages
    assert not any(word in message["text"] for word in ("<!channel>", "<@U1>", "<b>", "\n"))
    texts = [each for each in _walk(message["blocks"]) if each.get("type") == "mrkdwn"]
    assert texts == [], "rich text is taken literally"


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)


@pytest.mark.parametrize(
    ("method", "error", "outcome"),
    [
        ("chat.postMessage", "invalid_auth", Refused("Slack answered invalid_auth to chat.postMessage")),
        ("chat.postMessage", "is_archived", Refused("Slack answered is_archived to chat.postMessage")),
        ("conversations.open", "user_disabled", Refused("Slack answered user_disabled to conversations.open")),
        ("chat.postMessage", "ratelimited", TryAgain("Slack answered 429 (ratelimited)", 30.0)),
        (
            "chat.postMessage",
            "fatal_error",
            TryAgain("Slack answered fatal_error to chat.postMessage", may_have_arrived=True),
        ),
    ],
)
def test_an_error_of_slack_is_for_good_or_for_now(
    slack: tuple[Slack, Receiver], method: str, error: str, outcome: Outcome
) -> None:
    workspace, receiver = slack
    workspace.errors.append((method, error))
    assert deliver(stack_with(slack=receiver.address), page("slack:U024BE7LH")) == outcome


def test_a_channel_that_does_not_exist_is_refused(slack: tuple[Slack, Receiver]) -> None:
    _, receiver = slack
    outcome = deliver(stack_with(slack=receiver.address), page("slack:#nowhere"))
    assert outcome == Refused("Slack answered channel_not_found to chat.postMessage")


def test_blocks_that_slack_refuses_are_left_out(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    workspace.errors.append(("chat.postMessage", "invalid_blocks"))
    assert isinstance(deliver(stack_with(slack=receiver.address), page("slack:U024BE7LH")), Sent)
    (message,) = workspace.messages
    assert "blocks" not in message
    assert "backend answers 5xx" in message["text"]


def test_a_message_that_may_be_there_is_looked_for_before_it_is_posted_again(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    incidents = workspace.channel("incidents")
    workspace.channel("a")
    workspace.channel("b")
    stack = stack_with(slack=receiver.address)
    first = deliver(stack, page("slack:#incidents"))
    again = deliver(stack, page("slack:#incidents"), may_have_arrived=True)
    assert first == again == Sent(f"{incidents}/1700000000.000001")
    other = deliver(stack, page("slack:#incidents", key="page:staging:3:1:jo"), may_have_arrived=True)
    assert isinstance(other, Sent)
    assert len(workspace.messages) == 2
    workspace.errors.append(("conversations.history", "missing_scope"))
    assert isinstance(deliver(stack, page("slack:#incidents"), may_have_arrived=True), Sent)
    assert len(workspace.messages) == 3, "where it can't be looked up, it is posted once more"


def test_the_channel_of_an_incident_is_made_by_its_first_message(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    stack = stack_with(slack=receiver.address)
    for number in range(2):
        sent = deliver(stack, page("slack:#inc-staging-3-backend", key=f"notice:staging:3:{number}"))
        assert isinstance(sent, Sent)
    (channel,) = workspace.channels.values()
    assert channel["name"] == "inc-staging-3-backend"
    assert channel["topic"].startswith("backend answers 5xx")
    assert [each["channel"] for each in workspace.messages] == [channel["id"]] * 2


def test_a_channel_is_made_once_and_not_revived(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    context = ChannelContext(stack_with(slack=receiver.address), lambda: NOW)
    api = SlackApi(context.http, f"{receiver.address}/api", SECRETS["OMC_SLACK_BOT_TOKEN"])
    for name in ("a", "b", "c"):
        workspace.channel(name)
    old = workspace.channel("inc-staging-3", is_archived=True)
    made = api.ensure_channel("inc-staging-3", "topic " * 100, ("U1", "U2"))
    assert made != old
    assert workspace.channels[made]["name"] == "inc-staging-3-2"
    assert workspace.channels[made]["members"] == ["U1", "U2"]
    workspace.errors.append(("conversations.invite", "already_in_channel"))
    assert api.ensure_channel("inc-staging-3", "topic", ("U1",)) == made
    workspace.errors.append(("conversations.create", "restricted_action"))
    with pytest.raises(SlackFailure, match="restricted_action"):
        api.ensure_channel("inc-staging-4")
    assert SECRETS["OMC_SLACK_BOT_TOKEN"] not in repr(api)
    context.http.close()


def test_a_message_is_replaced_where_it_was(slack: tuple[Slack, Receiver]) -> None:
    workspace, receiver = slack
    stack = stack_with(slack=receiver.address)
    sent = deliver(stack, page("slack:U024BE7LH"))
    assert isinstance(sent, Sent)
    follow = page(f"slack:{sent.reference}", message=Message("acknowledged by jo"), actions=())
    assert deliver(stack, follow) == sent
    (message,) = workspace.messages
    assert "acknowledged by jo" in message["text"]
    assert all(block["type"] != "actions" for block in message["blocks"])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Backend: answers 5xx!", "inc-staging-3-backend-answers-5xx"),
        ("", "inc-staging-3"),
        ("日本", "inc-staging-3"),
        ("word " * 40, "inc-staging-3" + "-word" * 13),
    ],
)
def test_the_name_of_an_incident_s_channel_is_one_that_slack_takes(words: str, name: str) -> None:
    assert channel_name("staging", 3, words) == name
    assert receivers.NAME.fullmatch(name)


# ── PagerDuty, ntfy, webhook, push ───────────────────────────────────────────────────────────────────────────────


def test_pagerduty_gets_one_alert_for_each_key() -> None:
    with receiving(receivers.pagerduty) as receiver:
        stack = stack_with(pagerduty=receiver.address)
        assert deliver(stack, page("pagerduty:jo-pages")) == Sent("page:staging:3:0:jo")
        assert isinstance(deliver(stack, page("pagerduty:jo-pages", key="resolve:page:staging:3:0:jo")), Sent)
    trigger, resolve = (request.json for request in receiver.requests)
    assert (trigger["event_action"], trigger["dedup_key"]) == ("trigger", "page:staging:3:0:jo")
    assert (trigger["payload"]["severity"], trigger["payload"]["source"]) == ("critical", "staging")
    assert trigger["links"][0]["href"] == "https://omc.example.com/incidents/3"
    assert (resolve["event_action"], resolve["dedup_key"]) == ("resolve", "page:staging:3:0:jo")


def test_an_event_that_pagerduty_refuses_falls_over_and_does_not_repeat_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMC_PAGERDUTY_KEY_JO_PAGES", f"wrong-{CANARY}")
    with receiving(receivers.pagerduty) as receiver:
        outcome = deliver(stack_with(pagerduty=receiver.address), page("pagerduty:jo-pages"))
    assert isinstance(outcome, Refused)
    assert "Event object is invalid" in outcome.reason
    assert CANARY not in scrubbed(outcome.reason)


def test_ntfy_gets_a_message_that_a_phone_shows_whole() -> None:
    long = Message("x" * 160, tuple("é" * 600 for _ in range(40)), "https://omc.example.com/3")
    with receiving(receivers.ntfy) as receiver:
        stack = stack_with(ntfy=receiver.address)
        assert deliver(stack, page("ntfy:jo-pages")) == Sent("xE73Iyuabi")
        assert isinstance(deliver(stack, page("ntfy:jo-pages", message=long, is_urgent=False)), Sent)
        assert isinstance(deliver(stack, page("ntfy:jo-pages", message=Message(OUTSIDE), environment=OUTSIDE)), Sent)
        refused = deliver(stack, page("ntfy:no topic"))
    first, second, *_ = receiver.requests
    assert (first.json["priority"], second.json["priority"]) == (5, 3)
    assert first.json["click"] == "https://omc.example.com/incidents/3"
    assert code_of("page:staging:3:0:jo") in first.json["message"]
    assert first.headers["authorization"] == f"Bearer {SECRETS['OMC_NTFY_TOKEN']}"
    assert refused == Refused("ntfy answered 400 (invalid request: topic invalid)")


def test_a_webhook_s_message_is_signed_and_has_no_telephone_number() -> None:
    with receiving() as receiver:
        sent = page("webhook:hook", "sms:+61400000000")
        assert deliver(stack_with(webhook=receiver.address), sent) == Sent()
    (request,) = receiver.requests
    assert is_signed(request, WEBHOOK_SECRET)
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == sent.key
    assert not is_signed(dataclasses.replace(request, body=request.body + b" "), WEBHOOK_SECRET)
    assert request.json["data"]["message"]["short"] == sent.message.short
    assert "+61400000000" not in request.body.decode()


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        ("slack:U024BE7LH", "OMC_SLACK_BOT_TOKEN is not set"),
        ("pagerduty:jo-pages", "OMC_PAGERDUTY_KEY_JO_PAGES is not set"),
        ("pagerduty:bob", "omc.toml has no [notify.pagerduty.bob]"),
        ("webhook:hook", "OMC_WEBHOOK_SECRET_HOOK is not set"),
        ("webhook:bob", "omc.toml has no [notify.webhook.bob]"),
        ("email:jo@example.com", "omc.toml has no [notify.email]"),
        ("push:", "omc.toml has no [notify.push] contact"),
    ],
)
def test_a_channel_that_is_not_set_up_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, contact: str, reason: str
) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name)
    assert deliver(stack_with(), page(contact)) == Refused(reason)


def test_a_webhook_s_secret_that_is_no_base64_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMC_WEBHOOK_SECRET_HOOK", f"whsec_!{CANARY}")
    outcome = deliver(stack_with(), page("webhook:hook"))
    assert outcome == Refused("the secret of [notify.webhook.hook] begins with whsec_ and is no base64")


# ── SMS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def text_message(answer: Any, opted_out: Any = False) -> tuple[Outcome, list[Any]]:
    """The outcome, and what was published."""
    is_out = opted_out if isinstance(opted_out, AwsError) else {"isOptedOut": opted_out}
    with canned_aws({("sns", "Publish"): answer, ("sns", "CheckIfPhoneNumberIsOptedOut"): is_out}) as aws:
        context = ChannelContext(stack_with(), lambda: NOW)
        access = Access(aws.endpoint, "AKIAEXAMPLE", "example")
        context._gateways["staging"] = Gateway(STAGING.environments["staging"], access, writes=True)
        sent = page("sms:+61400000000")
        outcome = sms_channel.send(PageDelivery(sent, sent.methods[0]), context)
        context.http.close()
        return outcome, [each for each in aws.requests if each[1] == "Publish"]


def test_who_answered_stop_is_reached_otherwise_and_what_cant_be_read_is_tried() -> None:
    outcome, published = text_message({"MessageId": "m-1"}, opted_out=True)
    assert outcome == Refused(sms_channel.OPTED_OUT)
    assert published == []
    assert text_message({"MessageId": "m-1"}, AwsError("AuthorizationError", "no", 403))[0] == Sent("m-1")
    for code, status in (("InternalError", 500), ("Throttled", 429)):
        later, published = text_message({"MessageId": "m-1"}, AwsError(code, "no", status))
        assert isinstance(later, TryAgain)
        assert (later.may_have_arrived, published) == (False, []), "SNS would take it over and maybe send it to nobody"


def test_an_sms_is_transactional_and_has_the_page_s_code() -> None:
    outcome, requests = text_message({"MessageId": "m-1"})
    assert outcome == Sent("m-1")
    ((_, _, request),) = requests
    assert request["PhoneNumber"] == "+61400000000"
    assert request["Message"].endswith(code_of("page:staging:3:0:jo"))
    attributes = {name: each["StringValue"] for name, each in request["MessageAttributes"].items()}
    assert attributes == {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "OhMyCoins"}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidParameter", 400, Refused),
        ("AuthorizationError", 403, Refused),
        ("Throttled", 429, TryAgain),
        ("InternalError", 500, TryAgain),
        ("ExpiredToken", 403, TryAgain),
    ],
)
def test_an_error_of_sns_is_for_good_or_for_now(code: str, status: int, kind: type) -> None:
    outcome, requests = text_message(AwsError(code, "no", status))
    assert isinstance(outcome, kind)
    assert len(requests) == 1, "the sender repeats it, and nobody else"


def test_an_sms_for_an_environment_that_is_not_there_is_refused() -> None:
    outcome = deliver(stack_with(), page("sms:+61400000000", environment="elsewhere"))
    assert outcome == Refused("omc.toml has no environment elsewhere, whose account would send it")
