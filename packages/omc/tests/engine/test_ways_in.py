"""What comes in over HTTP beside the queue: SNS's messages, signed posts, and the button behind a page's link."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from omc.aws.gateway import Access
from omc.incidents.events import Acknowledged, AlertReworded
from omc.incidents.words import in_words
from omc.notify.channels.webhook import sign as sign_webhook
from omc.notify.links import token_for
from omc.responder.intake.trials import body_of
from omc.responder.sns import SnsDoor, sns_door
from omc.responder.unreadable import unreadable_messages
from omc.store.incidents import incident_of, incidents_of, open_incident
from omc.store.opened import Store
from support.api_server import ApiServer, api_server, stack_in
from support.payload_cases import MUTED
from support.payloads import (
    REGION,
    TOPIC,
    alarm,
    alarm_event,
    container,
    enveloped,
    grafana_group,
    group,
    health,
    prometheus_alert,
    stopped_task,
)
from support.receivers import Receiver, Request, Response, receiving
from support.sns_messages import ADDRESS, NOW, Certificates, sign
from support.waiting import eventually

if TYPE_CHECKING:
    import httpx

OTHER, THIRD = (f"5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c00{number}" for number in (2, 3))
"""Ids of messages."""
POSTS = "/v1/environments/production/notifications"
SNS = f'[server.sns.staging]\ntopics = ["{TOPIC}"]\n'
WHOLE = 'address = "https://omc.example.com"'
LINK_SECRET = "c4n4ry-of-the-links-" + "x" * 20


# ── SNS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class SnsWorld:
    api: ApiServer
    aws: Receiver
    certificates: Certificates

    def post(self, body: bytes) -> httpx.Response:
        with self.api.client() as topic:
            return topic.post("/v1/sns", content=body, headers={"Content-Type": "text/plain; charset=UTF-8"})

    @property
    def confirmed(self) -> list[Mapping[str, list[str]]]:
        asked = [parse_qs(each.body.decode()) for each in self.aws.requests]
        return [each for each in asked if each.get("Action") == ["ConfirmSubscription"]]


def aws(request: Request) -> Response:
    """Confirms what it is asked to confirm, and allows nothing else."""
    if parse_qs(request.body.decode()).get("Action") != ["ConfirmSubscription"]:
        return Response(403, b"{}")
    answer = (
        '<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult>'
        f"<SubscriptionArn>{TOPIC}:1</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
    )
    return Response(200, answer.encode(), {"Content-Type": "text/xml"})


@pytest.fixture
def sns(store: Store, tmp_path: Path) -> Iterator[SnsWorld]:
    store.now = lambda: NOW
    stack, certificates = stack_in(tmp_path, oidc=SNS), Certificates()
    chosen = {name: stack.environments[name] for name in ("staging", "production")}
    door = sns_door(stack, chosen, store.now, certificates.fetch)
    assert isinstance(door, SnsDoor)
    with receiving(aws) as receiver:
        door = replace(door, access=lambda _: Access(receiver.address, "a", "b"))
        with api_server(store, stack, with_tokens=False, sns=door) as server:
            yield SnsWorld(server, receiver, certificates)


def subscription(kind: str = "SubscriptionConfirmation") -> dict[str, Any]:
    found = enveloped("You have chosen to subscribe.", Type=kind, Token="2336412f37")
    del found["Subject"]
    return {**found, "SubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=ConfirmSubscription"}


def test_a_topic_is_subscribed_by_awss_api_and_its_alarm_becomes_an_incident_once(sns: SnsWorld, store: Store) -> None:
    for _ in range(2):
        answer = sns.post(sign(subscription()))
        assert answer.status_code == 200, sns.api.log
    assert [(each["TopicArn"], each["Token"]) for each in sns.confirmed] == [([TOPIC], ["2336412f37"])] * 2
    assert {each["AuthenticateOnUnsubscribe"][0] for each in sns.confirmed} == {"true"}
    assert sns.certificates.asked == [ADDRESS], "the address in the message is never opened"
    message = sign(enveloped(json.dumps(alarm()), MessageId=OTHER))
    for _ in range(3):
        assert sns.post(message).json() == {"taken": True}
    [incident] = incidents_of(store, "staging")
    assert [each.name for each in incident.alerts.values()] == ["backend-no-healthy"]
    assert incidents_of(store, "production") == ()
    over = subscription("UnsubscribeConfirmation") | {"MessageId": THIRD}
    assert sns.post(sign(over)).status_code == 200
    with store.reading() as session:
        [(_, told)] = unreadable_messages(session, "staging")
    assert told.why == f"{TOPIC} delivers here no more: somebody ended its subscription."


def test_a_muted_alarm_is_held_also_where_a_topic_carries_its_event_and_its_action_pages(
    sns: SnsWorld, store: Store
) -> None:
    muted = alarm_event(muteDetail=MUTED)
    plain = alarm(StateChangeTime=muted["detail"]["state"]["timestamp"])
    for message, ids in ((muted, OTHER), (plain, THIRD)):
        assert incidents_of(store, "staging") == ()
        assert sns.post(sign(enveloped(json.dumps(message), MessageId=ids))).status_code == 200
    [incident] = incidents_of(store, "staging")
    assert len(incident.firing) == 1
    asked = [json.dumps(each.headers) + each.body.decode(errors="replace") + each.path for each in sns.aws.requests]
    assert any("DescribeAlarms" in each for each in asked), "whether its actions are off is asked, as for the queue"


def test_what_is_forged_or_too_large_is_refused_and_the_sender_learns_nothing(sns: SnsWorld, store: Store) -> None:
    good = json.loads(sign(enveloped(json.dumps(alarm()))))
    forged = {
        "a changed message": {**good, "Message": json.dumps(alarm("rds-no-data"))},
        "another topic": {**good, "TopicArn": TOPIC + "-2"},
        "a certificate from elsewhere": {**good, "SigningCertURL": ADDRESS.replace("amazonaws.com", "evil.example")},
        "a subscription of another's": {**subscription(), "Signature": good["Signature"]},
        "SHA-1": json.loads(sign(enveloped("x", SignatureVersion="1"))),
        "yesterday": json.loads(sign(enveloped("x", Timestamp="2026-11-02T02:00:00.000Z"))),
        "raw": alarm(),
    }
    answers = {name: sns.post(json.dumps(body).encode()) for name, body in forged.items()}
    assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(forged, 401)
    assert len({each.text for each in answers.values()}) == 1
    assert sum("was refused: Its signature doesn't fit." in each for each in sns.api.log) == 2
    assert sns.post(b"x" * 1_100_000).status_code == 413
    large = enveloped(json.dumps(alarm(AlarmDescription="x" * 200_000)), MessageId=OTHER)
    assert sns.confirmed == []
    assert incidents_of(store, "staging") == ()
    assert sns.post(sign(large)).status_code == 200, "as large as SNS allows is more than other posts may be"


def test_what_can_not_be_proven_or_done_just_now_is_to_come_again(sns: SnsWorld) -> None:
    certificate = sns.certificates.answers.pop(ADDRESS)
    assert sns.post(sign(subscription())).status_code == 503
    sns.certificates.answers[ADDRESS] = certificate
    sns.aws.answer = lambda _: Response(403, b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>")
    assert sns.post(sign(subscription())).status_code == 503
    sns.aws.answer = aws
    assert sns.post(sign(subscription())).status_code == 200
    assert sns.post(sign(subscription())).json() == {"taken": True}


# ── Signed posts, and repeats in other words ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def api(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setenv("OMC_INTAKE_SECRET_PRODUCTION", "new-c4n4ry")
    monkeypatch.setenv("OMC_OLD_INTAKE_SECRET_PRODUCTION", "old-c4n4ry")
    monkeypatch.setenv("OMC_LINK_SECRET", LINK_SECRET)
    store.now = lambda: NOW
    with api_server(store, stack_in(tmp_path, WHOLE)) as server:
        yield server


def by_grafana(body: bytes, secret: str, seconds: float | None = None) -> dict[str, str]:
    """As Grafana's contact point signs, with the header for the time named."""
    at = str(int(NOW.timestamp() if seconds is None else seconds))
    proof = hmac.new(secret.encode(), f"{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Grafana-Alerting-Signature": proof, "X-Grafana-Alerting-Timestamp": at}


def by_standard(body: bytes, secret: str, message: str = "msg_1") -> dict[str, str]:
    at = str(int(NOW.timestamp()))
    return {
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": sign_webhook(secret, message, at, body),
    }


def test_what_grafana_signs_becomes_an_incident_also_while_its_secret_is_replaced(api: ApiServer, store: Store) -> None:
    body = json.dumps(grafana_group(prometheus_alert(orgId=1, valueString="[ var='A' value=3.2 ]"))).encode()
    with api.client() as grafana:
        for secret in ("old-c4n4ry", "new-c4n4ry"):
            answer = grafana.post(POSTS, content=body, headers=by_grafana(body, secret))
            assert answer.json() == {"taken": 1, "ignored": []}
        [incident] = incidents_of(store, "production")
        assert incident.summary == "Backend answers slowly"
        refused = {
            "another secret": (body, by_grafana(body, "stolen")),
            "another body": (body + b" ", by_grafana(body, "new-c4n4ry")),
            "another time": (body, by_grafana(body, "new-c4n4ry", NOW.timestamp() - 301)),
            "no time": (body, {"X-Grafana-Alerting-Signature": by_grafana(body, "new-c4n4ry").popitem()[1]}),
        }
        for name, (content, headers) in refused.items():
            assert grafana.post(POSTS, content=content, headers=headers).status_code == 401, name
        staging = POSTS.replace("production", "staging")
        assert grafana.post(staging, content=body, headers=by_grafana(body, "new-c4n4ry")).status_code == 401
    assert not any("c4n4ry" in each for each in api.log)


def test_any_other_sender_signs_as_standard_webhooks_has_it(api: ApiServer, store: Store) -> None:
    firing = json.dumps(group(prometheus_alert())).encode()
    ended = json.dumps(group(prometheus_alert("resolved", endsAt="2026-11-03T02:04:04Z"))).encode()
    with api.client() as sender:
        for secret in ("new-c4n4ry", "old-c4n4ry"):
            headers = by_standard(firing, secret, f"msg_{secret[:3]}")
            assert sender.post(POSTS, content=firing, headers=headers).status_code == 200
        assert sender.post(POSTS, content=ended, headers=by_standard(ended, "new-c4n4ry", "msg_end")).status_code == 200
        forged = by_standard(firing, "stolen", "msg_x")
        assert sender.post(POSTS, content=firing, headers=forged).status_code == 401
    [incident] = incidents_of(store, "production")
    assert incident.firing == ()


def test_what_is_understood_and_not_taken_in_by_a_post_is_named_with_why(api: ApiServer, store: Store) -> None:
    posts = {
        "Planned work isn't taken in here: AWS_ECS_TASK_PATCHING_RETIREMENT": health(
            "AWS_ECS_TASK_PATCHING_RETIREMENT", "scheduledChange"
        ),
        "A test of the alarm path isn't taken in here.": json.loads(body_of("production", "0123456789abcdef")),
        "ended with exit code 0": stopped_task("EssentialContainerExited", "It exited", container(0)),
    }
    with api.of("responder") as sender:
        for why, content in posts.items():
            answer = sender.post(POSTS, json=content).json()
            assert (answer["taken"], [why in each for each in answer["ignored"]]) == (0, [True]), answer
    assert sum("led to nothing" in each for each in api.log) == len(posts)
    assert incidents_of(store, "production") == ()


def test_an_alert_that_is_told_again_has_its_newest_words_and_an_old_post_brings_none_back(
    api: ApiServer, store: Store
) -> None:
    def told(summary: str) -> bytes:
        return json.dumps(group(prometheus_alert(annotations={"summary": summary}))).encode()

    first = told("The disk is 91 % full")
    recorded = by_standard(first, "new-c4n4ry", "msg_first")
    with api.client() as sender, api.of("responder") as alertmanager:
        assert sender.post(POSTS, content=first, headers=recorded).status_code == 200
        assert alertmanager.post(POSTS, content=told("The disk is 97 % full")).json() == {"taken": 1, "ignored": []}
        store.now = lambda: NOW + timedelta(seconds=30)
        assert sender.post(POSTS, content=first, headers=recorded).status_code == 200, "sent again, without effect"
        assert alertmanager.post(POSTS, content=told("The disk is 98 % full")).status_code == 200
        [incident] = incidents_of(store, "production")
        assert incident.summary == "The disk is 97 % full", "an alert gets other words once a minute at most"
        store.now = lambda: NOW + timedelta(minutes=2)
        for _ in range(2):
            assert alertmanager.post(POSTS, content=told("The disk is 99 % full")).status_code == 200
        [incident] = incidents_of(store, "production")
        assert (incident.summary, len(incident.firing)) == ("The disk is 99 % full", 1)
        [since] = {each.since for each in incident.alerts.values()}
        assert since == NOW, "it fires since it began"
        words = [in_words(each) for each in incident.events if isinstance(each.payload, AlertReworded)]
        assert [each.rpartition(": ")[2] for each in words] == ["The disk is 97 % full", "The disk is 99 % full"]
        alert = alertmanager.get("/v1/environments/production/alerts").json()["alerts"][0]["alert"]
        shown = alertmanager.get(f"/v1/environments/production/alerts/{alert}").json()
        assert "99 %" in json.dumps(shown)


# ── The link of a page ───────────────────────────────────────────────────────────────────────────────────────────


def link(person: str = "jo", secret: str = LINK_SECRET, incident: int = 1) -> str:
    token = token_for(f"page:production:{incident}:0.0:{person}", secret, NOW)
    return f"/ack/{token}"


def acknowledgements(store: Store) -> list[str]:
    events = incident_of(store, "production", 1).events
    return [each.payload.person for each in events if isinstance(each.payload, Acknowledged)]


def test_opening_a_link_changes_nothing_and_its_button_takes_the_incident_once(api: ApiServer, store: Store) -> None:
    open_incident(store, "production", 2, 'Users <b>can\'t</b> "log in"', "ann")
    with api.client() as browser:
        for method in ("GET", "HEAD", "GET"):  # a filter of mail, a preview, the person
            shown = browser.request(method, link())
            assert shown.status_code == 200
        assert "Users &lt;b&gt;can" in shown.text
        assert 'method="post"' in shown.text
        assert "I have it (Jo)" in shown.text
        assert "Nobody has it yet." in shown.text
        assert acknowledgements(store) == []
        taken = browser.post(link())
        assert (taken.status_code, "It is yours, Jo." in taken.text) == (200, True)
        assert acknowledgements(store) == ["jo"]
        assert browser.post(link("sam")).status_code == 200
        again = browser.post(link())
        assert (again.status_code, "This link was used already" in again.text) == (200, True)
        assert "sam has it since" in again.text
        assert acknowledgements(store) == ["jo", "sam"], "it doesn't take it back from whoever has it since"
        with api.of("responder") as responder:
            responder.post("/v1/environments/production/incidents/1/resolve", json={"how": "rolled back"})
        assert "There is nothing to take any more." in browser.get(link()).text
        other = token_for("page:production:1:1.0:jo", LINK_SECRET, NOW)
        late = browser.post(f"/ack/{other}")
        assert (late.status_code, "was resolved by" in late.text) == (409, True)


def test_a_link_that_is_forged_over_or_of_somebody_who_is_gone_takes_nothing(api: ApiServer, store: Store) -> None:
    open_incident(store, "production", 2, "Users can't log in", "ann")
    addresses = [
        link(secret="o" * 32),
        link().replace(":jo:", ":sam:"),
        link("zoe"),
        link(incident=9),
        "/ack/x",
        "/ack/" + "x" * 4000,
    ]
    with api.client() as browser:
        for address in addresses:
            for method in ("GET", "POST"):
                assert browser.request(method, address).status_code == 404, address
        store.now = lambda: NOW + timedelta(hours=26)
        assert browser.post(link()).status_code == 404
    assert acknowledgements(store) == []


def test_the_page_behind_a_link_leaks_nothing(api: ApiServer, store: Store) -> None:
    open_incident(store, "production", 2, "Users can't log in", "ann")
    with api.client() as browser:
        shown = browser.get(link())
        browser.post(link(), headers={"Origin": "https://evil.example", "Cookie": "a=b"})
    headers = {name.lower(): value for name, value in shown.headers.items()}
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert "set-cookie" not in headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in headers["content-security-policy"]
    assert "http" not in shown.text, "it leads nowhere and loads nothing"
    token = link().rpartition("/")[2]
    assert not any(token in each or token[-22:] in each for each in api.log)

    def is_noted() -> bool:
        return any("POST /ack/… 200" in each and "link of jo" in each for each in api.log)

    eventually("the line of the request, which is written after its answer", is_noted)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def is_page(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith("text/html") and "<h1>" in answer.text


def test_whoever_follows_links_too_often_gets_a_page_to_read(store: Store, tmp_path: Path) -> None:
    limits = "[server.limits]\naddress_requests_per_minute = 30\n"
    with api_server(store, stack_in(tmp_path, limits)) as api, api.client() as browser:
        answers = [browser.get("/ack/guess") for _ in range(8)]
        assert [each.status_code for each in (answers[0], answers[-1])] == [404, 429]
        late = answers[-1]
        assert (is_page(late), "Too many requests. Ask again in" in late.text) == (True, True)
        assert int(late.headers["retry-after"]) >= 1
        assert late.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert is_page(browser.get("/status/production/confirm", headers=BROWSER)), "a person's, of another route"
        assert browser.get("/v1/environments").headers["content-type"] == "application/problem+json", "a program's"
