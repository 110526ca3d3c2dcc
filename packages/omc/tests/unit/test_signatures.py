"""Who sent it: messages that are signed as SNS signs, and all the ways in which one can be forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omc.responder.intake import signatures
from omc.responder.intake.signatures import Proven, Rejected, SnsVerifier, verify_grafana
from omc.responder.intake.signatures import verify_webhook as verify_signed
from support.payloads import REGION, TOPIC, enveloped
from support.sns_messages import ADDRESS, NAME, NOW, Certificates, certificate, sign


@dataclass
class Clock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def verifier(certificates: Certificates | None = None, clock: Clock | None = None, **more: Any) -> SnsVerifier:
    settings: dict[str, Any] = {"topics": frozenset({TOPIC}), **more}
    return SnsVerifier(fetch=(certificates or Certificates()).fetch, now=(clock or Clock()).now, **settings)


def message(**more: Any) -> dict[str, Any]:
    found = {**enveloped("Héllo ✓\nsecond line"), **more}
    return {name: value for name, value in found.items() if value is not None}


def subscription(**more: Any) -> dict[str, Any]:
    return message(
        Type="SubscriptionConfirmation",
        Subject=None,
        Token="2336412f37",
        SubscribeURL=f"https://sns.{REGION}.amazonaws.com/?x",
        **more,
    )


# What is proven


@pytest.mark.parametrize("subject", ["ALARM: “backend”", None])
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_notification_is_proven(version: str, subject: str | None) -> None:
    body = sign(message(SignatureVersion=version, Subject=subject))
    found = verifier(versions=frozenset({"1", "2"})).verify(body)
    assert isinstance(found, Proven)
    assert (found.kind, found.topic) == ("Notification", TOPIC)
    assert found.content["Message"] == "Héllo ✓\nsecond line"


def test_a_signed_subscription_is_proven_and_its_address_isnt_opened() -> None:
    certificates = Certificates()
    found = verifier(certificates).verify(sign(subscription()))
    assert isinstance(found, Proven)
    assert (found.kind, found.content["Token"]) == ("SubscriptionConfirmation", "2336412f37")
    assert certificates.asked == [ADDRESS]


def test_a_message_that_is_sent_again_has_the_same_id_and_so_no_effect() -> None:
    seen: set[str] = set()
    one = verifier()
    bodies = [sign(message()), sign(message()), sign(message(MessageId="5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c002"))]
    effects = []
    for body in bodies:
        found = one.verify(body)
        assert isinstance(found, Proven)
        if found.once not in seen:
            seen.add(found.once)
            effects.append(found.once)
    assert len(effects) == 2


def test_a_certificate_is_fetched_once_a_day() -> None:
    certificates, clock = Certificates(), Clock()
    one = verifier(certificates, clock)
    for _ in range(3):
        assert isinstance(one.verify(sign(message())), Proven)
    assert len(certificates.asked) == 1
    clock.at += timedelta(hours=24, minutes=1)
    stamp = f"{clock.at:%Y-%m-%dT%H:%M:%S}.000Z"
    assert isinstance(one.verify(sign(message(Timestamp=stamp))), Proven)
    assert len(certificates.asked) == 2


# What is forged


def rejected(body: bytes, **more: Any) -> Rejected:
    found = verifier(**more).verify(body)
    assert isinstance(found, Rejected)
    return found


@pytest.mark.parametrize("changed", ["Message", "MessageId", "Subject", "Timestamp"])
def test_a_changed_message_is_rejected(changed: str) -> None:
    other = {"MessageId": "5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c009", "Timestamp": "2026-11-03T02:04:11.208Z"}
    body = json.loads(sign(message()))
    body[changed] = other.get(changed, "Something else")
    assert "doesn't fit" in rejected(json.dumps(body).encode()).reason


def test_a_message_signed_with_another_key_is_rejected() -> None:
    assert "doesn't fit" in rejected(sign(message(), number=2)).reason


def test_a_subject_that_is_taken_away_or_added_is_rejected() -> None:
    without = {**json.loads(sign(message()))}
    del without["Subject"]
    added = {**json.loads(sign(message(Subject=None))), "Subject": "Added"}
    for body in (without, added):
        assert "doesn't fit" in rejected(json.dumps(body).encode()).reason


@pytest.mark.parametrize(
    "topic",
    [
        TOPIC + "-2",
        TOPIC[:-1],
        TOPIC.upper(),
        TOPIC + "\n",
        "arn:aws:sns:ap-southeast-2:999988887777:ohmycoins-staging-sev-2",
    ],
)
def test_another_topic_is_rejected_before_anything_is_fetched(topic: str) -> None:
    certificates = Certificates()
    found = rejected(json.dumps(message(TopicArn=topic)).encode(), certificates=certificates)
    assert "is not listened to" in found.reason
    assert certificates.asked == []


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS.replace("https", "http"),
        ADDRESS.replace("sns.", "evil.sns."),
        ADDRESS.replace(f"sns.{REGION}", "sns.us-east-1"),
        ADDRESS.replace("amazonaws.com", "amazonaws.com.cn"),
        ADDRESS.replace("amazonaws.com", "amazonaws.com.evil.example"),
        ADDRESS.replace("amazonaws.com", "amazonaws.com@evil.example"),
        ADDRESS.replace("https://", "https://evil.example/"),
        ADDRESS.replace("amazonaws.com/", "amazonaws.com:8443/"),
        ADDRESS.replace("https://sns.", "https://user@sns."),
        ADDRESS.replace(".pem", ".txt"),
        ADDRESS.replace("/Simple", "/a/../Simple"),
        ADDRESS + "?x=1",
        ADDRESS + "#x",
        ADDRESS + "\n",
        ADDRESS.replace("sns.", "\u0455ns."),
        "https://s3.amazonaws.com/bucket/SimpleNotificationService-0.pem",
        "file:///etc/SimpleNotificationService-0.pem",
        "",
        None,
        7,
        [ADDRESS],
    ],
)
def test_a_certificate_comes_from_the_one_host_by_the_one_way(address: object) -> None:
    certificates = Certificates()
    found = rejected(
        json.dumps({**json.loads(sign(message())), "SigningCertURL": address}).encode(), certificates=certificates
    )
    assert "certificate's address" in found.reason
    assert certificates.asked == []


@pytest.mark.parametrize(
    ("partition", "region", "host", "name"),
    [
        ("aws", "us-east-1", "sns.us-east-1.amazonaws.com", "sns.amazonaws.com"),
        ("aws", "me-central-1", "sns.me-central-1.amazonaws.com", "sns-signing.me-central-1.amazonaws.com"),
        ("aws-cn", "cn-north-1", "sns.cn-north-1.amazonaws.com.cn", "sns-cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-east-1", "sns.us-gov-east-1.amazonaws.com", "sns-us-gov-west-1.amazonaws.com"),
        ("aws-eusc", "eusc-de-east-1", "sns.eusc-de-east-1.amazonaws.eu", "sns-signing.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_each_partition_has_its_own_host_and_name(partition: str, region: str, host: str, name: str) -> None:
    topic = f"arn:{partition}:sns:{region}:111122223333:t"
    address = f"https://{host}/SimpleNotificationService-{'a' * 32}.pem"
    certificates = Certificates({address: certificate(name=name, alternative=name)})
    body = sign(message(TopicArn=topic, SigningCertURL=address))
    one = verifier(certificates, topics=frozenset({topic}))
    assert isinstance(one.verify(body), Proven)
    others = Certificates({address: certificate(name="sns.example.com", alternative="sns.example.com")})
    assert "isn't made out to SNS" in rejected(body, certificates=others, topics=frozenset({topic})).reason


def test_an_unknown_partition_has_no_host() -> None:
    topic = "arn:aws-iso:sns:us-iso-east-1:111122223333:t"
    assert "certificate's address" in rejected(sign(message(TopicArn=topic)), topics=frozenset({topic})).reason


def test_version_1_is_rejected_unless_it_is_asked_for() -> None:
    assert "set 2 on the topic" in rejected(sign(message(SignatureVersion="1"))).reason
    for version in ("3", "", None, 2, ["2"]):
        body = json.dumps({**json.loads(sign(message())), "SignatureVersion": version}).encode()
        assert "Signature version" in rejected(body).reason


def test_a_signature_of_the_other_algorithm_is_rejected() -> None:
    """SHA-1's, said to be SHA-256's, and the other way round."""
    for made, said in (("1", "2"), ("2", "1")):
        body = json.dumps({**json.loads(sign(message(SignatureVersion=made))), "SignatureVersion": said}).encode()
        assert "doesn't fit" in rejected(body, versions=frozenset({"1", "2"})).reason


@pytest.mark.parametrize("stamp", ["2026-11-02T02:04:59.000Z", "2026-11-03T02:10:01.000Z", "", None, 7])
def test_a_message_of_another_day_or_of_no_time_is_rejected(stamp: object) -> None:
    assert "older than a day" in rejected(sign({**message(), "Timestamp": stamp})).reason


def test_a_message_of_a_strangers_topic_cannot_be_read_as_one_of_ours() -> None:
    """The text that is signed is lines: a stranger signs a message whose text holds all of ours, and moves the line
    breaks into another part."""
    theirs = "arn:aws:sns:ap-southeast-2:999988887777:theirs"
    inside = (
        "Fire\nMessageId\n5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c001\nTimestamp\n2026-11-03T02:04:11.207Z\n"
        f"TopicArn\n{TOPIC}\nType\nNotification"
    )
    genuine = json.loads(sign(message(TopicArn=theirs, Message=inside, Subject=None)))
    forged = {**genuine, "Message": "Fire", "TopicArn": TOPIC}
    stamp = genuine["Timestamp"]
    tail = (
        f"Notification\nMessageId\n{genuine['MessageId']}\nTimestamp\n{stamp}\nTopicArn\n{theirs}\nType\nNotification"
    )
    for kind in ("Notification", tail, "notification", "Notification ", "RawNotification"):
        assert isinstance(verifier().verify(json.dumps({**forged, "Type": kind}).encode()), Rejected)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MessageId", "short", "MessageId"),
        ("MessageId", "5f0c2a2e-6d1b-5b7e-9a55-70f8a3e1c00\n", "MessageId"),
        ("MessageId", None, "MessageId"),
        ("Message", None, "Message"),
        ("Message", "half \ud800", "UTF-8"),
        ("Subject", "a\nb", "Subject"),
        ("Subject", "x" * 101, "Subject"),
        ("Subject", 7, "Subject"),
        ("Timestamp", "2026-11-03T02:04:11Z", "Timestamp"),
        ("Timestamp", "2026-11-03 02:04:11.207+00:00", "Timestamp"),
    ],
)
def test_a_part_of_another_form_is_rejected_though_it_is_signed(name: str, value: object, expected: str) -> None:
    assert expected in rejected(sign({**message(), name: value})).reason


def test_a_subscription_whose_parts_have_another_form_is_rejected() -> None:
    for name, value in (("Token", "a b"), ("SubscribeURL", "http://x"), ("SubscribeURL", "https://x\ny")):
        assert name in rejected(sign({**subscription(), name: value})).reason


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", None, 7, "A" * 100_000])
def test_a_signature_that_is_none_is_rejected(signature: object) -> None:
    assert rejected(json.dumps(message(Signature=signature)).encode()).reason


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"AlarmName": "raw"}', b"x" * 1_100_000, b"[" * 50_000])
def test_what_isnt_signed_at_all_is_rejected(body: bytes) -> None:
    certificates = Certificates()
    assert rejected(body, certificates=certificates).reason
    assert certificates.asked == []


# Certificates that are no good


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (b"", "can't be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be read"),
        (b"<html>", "can't be read"),
        (certificate() + b"x" * 70_000, "too long"),
        (certificate(name="sns.example.com", alternative=None), "isn't made out to SNS"),
        (certificate(name=NAME, alternative="sns.example.com"), "isn't made out to SNS"),
        (certificate(days=1), "wasn't valid"),
        (certificate(bits=1024), "2048 bits"),
    ],
    ids=["empty", "no ASN.1", "page", "long", "other name", "other alternative name", "expired", "short key"],
)
def test_a_certificate_that_is_no_good_proves_nothing(made: bytes, expected: str) -> None:
    assert expected in rejected(sign(message()), certificates=Certificates({ADDRESS: made})).reason


def test_a_certificate_of_another_kind_of_key_proves_nothing() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    assert "RSA" in rejected(sign(message()), certificates=Certificates({ADDRESS: made})).reason


def test_a_certificate_that_cannot_be_fetched_now_may_be_later() -> None:
    certificates = Certificates({})
    one = verifier(certificates)
    first = one.verify(sign(message()))
    assert isinstance(first, Rejected)
    assert first.is_temporary
    certificates.answers[ADDRESS] = certificate()
    assert isinstance(one.verify(sign(message())), Proven)


def test_a_forger_cannot_make_it_fetch_without_end() -> None:
    certificates, clock = Certificates(), Clock()
    one = verifier(certificates, clock)
    assert isinstance(one.verify(sign(message())), Proven)
    for number in range(50):
        address = ADDRESS.replace("0" * 32, f"{number:032}x")
        assert isinstance(one.verify(json.dumps(message(SigningCertURL=address)).encode()), Rejected)
    assert len(certificates.asked) == signatures.MAX_FETCHES
    assert isinstance(one.verify(sign(message())), Proven)  # what is known goes on
    assert len(one._kept) <= signatures.MAX_CERTIFICATES
    one._kept[ADDRESS] = (clock.at, one._kept[ADDRESS][1])
    assert isinstance(one.verify(sign(message())), Proven), "also a day later, while he goes on asking"


# Grafana, and webhooks that are signed

SECRET, SECONDS = "s3cret", str(int(NOW.timestamp()))
BODY = b'{"alerts": []}'


def grafana(secret: str = SECRET, seconds: str = SECONDS, body: bytes = BODY) -> dict[str, str]:
    made = hmac.new(secret.encode(), f"{seconds}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Grafana-Alerting-Signature": made, "X-Grafana-Alerting-Timestamp": seconds}


def signed(secret: str = SECRET, seconds: str = SECONDS, body: bytes = BODY, key_id: str = "msg_1") -> dict[str, str]:
    raw = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    made = hmac.new(raw, f"{key_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    value = "v1," + base64.b64encode(made).decode()
    return {"Webhook-Id": key_id, "Webhook-Timestamp": seconds, "Webhook-Signature": value}


WAYS = pytest.mark.parametrize(("headers", "verify"), [(grafana, verify_grafana), (signed, verify_signed)])
Headers = Callable[..., dict[str, str]]


@WAYS
def test_a_signed_webhook_is_proven_also_while_its_secret_is_replaced(headers: Headers, verify: Any) -> None:
    for secret in ("old", "new"):
        assert isinstance(verify(headers(secret=secret), BODY, ["old", "new"], NOW), Proven)


@WAYS
def test_a_webhook_that_is_sent_again_has_the_same_id(headers: Headers, verify: Any) -> None:
    first, again = (verify(headers(), BODY, [SECRET], NOW + timedelta(seconds=at)) for at in (0, 60))
    assert first.once == again.once != ""


@WAYS
@pytest.mark.parametrize("seconds", [301, -301])
def test_a_webhook_of_another_time_is_rejected(headers: Headers, verify: Any, seconds: int) -> None:
    assert isinstance(verify(headers(), BODY, [SECRET], NOW + timedelta(seconds=seconds)), Rejected)


@WAYS
def test_a_forged_webhook_is_rejected(headers: Headers, verify: Any) -> None:
    good = headers()
    for given, body, secrets in (
        (headers(secret="other"), BODY, [SECRET]),
        (good, BODY + b" ", [SECRET]),
        (good, BODY, []),
        (headers(secret=""), BODY, [""]),
        ({}, BODY, [SECRET]),
        *(({**good, name: ""}, BODY, [SECRET]) for name in good),
        *(({**good, name: "é" * 5_000}, BODY, [SECRET]) for name in good),
        *(({**good, name: value + "0"}, BODY, [SECRET]) for name, value in good.items()),
        ({name: value for name, value in good.items() if "imestamp" not in name}, BODY, [SECRET]),
        ({**good, next(name for name in good if "imestamp" in name): "\u0661" * 10}, BODY, [SECRET]),
    ):
        assert isinstance(verify(given, body, secrets, NOW), Rejected)


def test_a_secret_of_the_standard_form_is_base64() -> None:
    secret = "whsec_" + base64.b64encode(b"0" * 24).decode()
    assert isinstance(verify_signed(signed(secret=secret), BODY, [secret], NOW), Proven)
    assert isinstance(verify_signed(signed(), BODY, ["whsec_no base64"], NOW), Rejected)


def test_one_of_several_signatures_is_enough() -> None:
    given = signed()
    several = {**given, "Webhook-Signature": f"v1a,other v1,AAAA {given['Webhook-Signature']}"}
    assert isinstance(verify_signed(several, BODY, [SECRET], NOW), Proven)
