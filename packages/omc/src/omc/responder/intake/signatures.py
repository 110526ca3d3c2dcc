"""Who sent it: SNS's signatures over HTTPS, Grafana's, and those of webhooks signed as standardwebhooks.com describes.

What isn't proven is refused, with a reason for omc's own log; the sender learns only that it was. Each proof has an id
(``once``): whoever takes the message in takes that id in the same transaction (``omc.store.inbox``), so that a request
that was recorded and sent again has no effect.

Nothing here is fetched but SNS's certificates, by the function that is given, from the one host that the topic's region
has. A subscription is confirmed by its token through AWS's API and never by opening its address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from omc.errors import OmcError
from omc.responder.intake.reading import document, moment, text
from omc.responder.model import MAX_REASON, Unreadable

Fetch = Callable[[str, int], bytes]
"""Gets an address, so many bytes of it at most, with a timeout, TLS verified and no redirect followed. Raises
``OSError`` or an ``OmcError``, which is a reason to try again later."""

MAX_CERTIFICATE: Final = 65_536
MAX_CERTIFICATES: Final = 16
"""Kept; each region has one or two at a time."""
CERTIFICATE_TTL: Final = timedelta(hours=24)
MAX_FETCHES: Final = 10
"""In ``FETCH_PERIOD``: a forger must not make omc fetch as often as he likes."""
FETCH_PERIOD: Final = timedelta(minutes=1)
MAX_AGE: Final = timedelta(hours=24)
"""SNS retries for an hour; an alarm that comes late is still wanted."""
MAX_AHEAD: Final = timedelta(minutes=5)
TOLERANCE: Final = timedelta(minutes=5)
"""By how much the time of a signed webhook may differ from ours."""
MIN_KEY_BITS: Final = 2048

SUFFIXES: Final[Mapping[str, str]] = {
    "aws": "amazonaws.com",
    "aws-us-gov": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
}
"""Of SNS's hosts, for each partition. Source: AWS's SDK for Java, ``SnsHostProvider``."""

TOPIC = re.compile(
    r"arn:(aws[a-z-]{0,20}):sns:([a-z]{2,5}(?:-[a-z]+)+-\d):(\d{12}):[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII
)
NOTIFICATION, SUBSCRIBE, UNSUBSCRIBE = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIBE: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    UNSUBSCRIBE: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""What is signed, in this order. Source: SNS's guide, "Verifying the signatures of Amazon SNS messages"."""
FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "MessageId": re.compile(r"[0-9a-f-]{36}"),
    "Timestamp": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII),
    "Subject": re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,100}"),
    "Token": re.compile(r"[0-9A-Za-z]{1,1024}"),
    "SubscribeURL": re.compile(r"https://[!-~]{1,4096}"),
    "Message": re.compile(r".*", re.DOTALL),
    "Type": re.compile(r"[A-Za-z]+"),
    "TopicArn": TOPIC,
}
"""What is signed is one text of lines. Were a line break allowed in any part but the message, a message of a stranger's
topic could be read as one of ours."""


@dataclass(frozen=True, slots=True)
class Proven:
    """It came from whom it says."""

    once: str
    """To be taken in the transaction of its effects."""
    kind: str
    """``Notification``, ``SubscriptionConfirmation``, ``UnsubscribeConfirmation``, or ``webhook``."""
    content: Mapping[str, Any]
    """SNS's envelope; empty for a webhook."""
    topic: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not proven: nothing of it is used."""

    reason: str
    """For the log; the sender isn't told."""
    is_temporary: bool = False
    """Whether the same may be proven later: the sender should try again (503), where else it should not (401)."""


@dataclass(slots=True)
class SnsVerifier:
    """Verifies what SNS posts. Safe to use from many threads."""

    topics: frozenset[str]
    """ARNs of the topics that are listened to, compared as a whole."""
    fetch: Fetch
    now: Callable[[], datetime]
    versions: frozenset[str] = frozenset({"2"})
    """Of signatures: ``2`` is SHA-256. ``1`` is SHA-1, which a topic uses unless its attribute says otherwise."""
    _kept: OrderedDict[str, tuple[datetime, Any]] = field(default_factory=OrderedDict)
    """Certificates by their address, with the time until which they are kept."""
    _fetched: deque[datetime] = field(default_factory=lambda: deque(maxlen=MAX_FETCHES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, body: bytes) -> Proven | Rejected:
        """What a request to SNS's route proves. Its size is bounded before all, its certificate is fetched last."""
        envelope = document(body)
        if isinstance(envelope, Unreadable):
            return Rejected(envelope.reason)
        kind, topic = envelope.get("Type"), envelope.get("TopicArn")
        if not isinstance(kind, str) or kind not in SIGNED:
            return Rejected("It isn't a message of SNS's, or is one that was delivered raw, without a signature.")
        if not isinstance(topic, str) or topic not in self.topics:
            return Rejected(text(f"Topic {text(topic) or 'unknown'} is not listened to.", MAX_REASON))
        version = envelope.get("SignatureVersion")
        if not isinstance(version, str) or version not in self.versions:
            return Rejected(f"Signature version {text(version, 20) or 'unknown'} isn't accepted; set 2 on the topic.")
        at = moment(envelope.get("Timestamp"))
        if at is None or not -MAX_AHEAD <= self.now() - at <= MAX_AGE:
            return Rejected("It is older than a day, or of the future.")
        signed = canonical(envelope)
        if isinstance(signed, Rejected):
            return signed
        try:
            signature = base64.b64decode(envelope.get("Signature") or "", validate=True)
        except (TypeError, ValueError, binascii.Error):
            return Rejected("Its signature isn't base64.")
        certificate = self._certificate(envelope.get("SigningCertURL"), topic, at)
        if isinstance(certificate, Rejected):
            return certificate
        if not _is_signed(certificate, signature, signed, is_sha1=version == "1"):
            return Rejected("Its signature doesn't fit.")
        return Proven(f"sns {envelope['MessageId']} {topic}", kind, envelope, topic, at)

    def _certificate(self, address: object, topic: str, at: datetime) -> Any:
        """The certificate, valid at the message's own time; or why there is none."""
        if not isinstance(address, str) or not certificate_address(topic).fullmatch(address):
            return Rejected("Its certificate's address isn't one of SNS's in the topic's region.")
        certificate = self._kept_certificate(address)
        if certificate is None:
            certificate = self._fetch(address, topic)
        if isinstance(certificate, Rejected):
            return certificate
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return Rejected("Its certificate wasn't valid at its time.")
        return certificate

    def _kept_certificate(self, address: str) -> Any:
        """None where it has to be fetched, which is counted."""
        now = self.now()
        with self._lock:
            until, certificate = self._kept.get(address, (now, None))
            if until > now:
                self._kept.move_to_end(address)
                return certificate
            if len(self._fetched) == MAX_FETCHES and now - self._fetched[0] < FETCH_PERIOD:
                if certificate is not None:
                    return certificate  # known, if not anew: a forger's asking must not shut SNS out
                return Rejected("Too many certificates were asked for; later.", is_temporary=True)
            self._fetched.append(now)
            return None

    def _fetch(self, address: str, topic: str) -> Any:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        try:
            data = self.fetch(address, MAX_CERTIFICATE)
        except (OSError, OmcError) as error:
            return Rejected(text(f"Its certificate can't be fetched: {error}", MAX_REASON), is_temporary=True)
        if len(data) > MAX_CERTIFICATE:
            return Rejected("Its certificate is too long.")
        try:
            certificate = x509.load_pem_x509_certificate(data)
            key = certificate.public_key()
            names = _names(certificate)
        except Exception:  # noqa: BLE001 - what a parser of a stranger's ASN.1 raises is in no list
            return Rejected("Its certificate can't be read.")
        if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
            return Rejected(f"Its certificate's key isn't one of RSA with {MIN_KEY_BITS} bits or more.")
        if not names & certificate_names(topic):
            return Rejected("Its certificate isn't made out to SNS in the topic's region.")
        with self._lock:
            self._kept[address] = (self.now() + CERTIFICATE_TTL, certificate)
            while len(self._kept) > MAX_CERTIFICATES:
                self._kept.popitem(last=False)
        return certificate


def certificate_address(topic: str) -> re.Pattern[str]:
    """The whole address that a certificate may have: https, SNS's host in the topic's region, no port, no query."""
    found = TOPIC.fullmatch(topic)
    suffix = SUFFIXES.get(found[1]) if found else None
    if not found or not suffix:
        return re.compile(r"(?!)")
    host = re.escape(f"sns.{found[2]}.{suffix}")
    return re.compile(rf"https://{host}/SimpleNotificationService-[0-9A-Za-z]{{1,64}}\.pem", re.ASCII)


def certificate_names(topic: str) -> frozenset[str]:
    """To whom a certificate may be made out. Regions that have to be opted into have a name of their own, so do China's
    and GovCloud's. Source: AWS's SDK for Java, ``SnsHostProvider``."""
    found = TOPIC.fullmatch(topic)
    suffix = SUFFIXES.get(found[1]) if found else None
    if not found or not suffix:
        return frozenset()
    region = found[2]
    if found[1] == "aws-cn":
        return frozenset({f"sns-{region}.{suffix}"})
    if found[1] == "aws-us-gov":
        return frozenset({f"sns-us-gov-west-1.{suffix}"})
    signing = f"sns-signing.{region}.{suffix}"
    return frozenset({signing}) if found[1] == "aws-eusc" else frozenset({f"sns.{suffix}", signing})


def canonical(envelope: Mapping[str, Any]) -> bytes | Rejected:
    """The text that SNS signs: names and values by turns, a line each. The subject only where there is one."""
    parts: list[str] = []
    for name in SIGNED[envelope["Type"]]:
        value = envelope.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str) or not FORMS[name].fullmatch(value):
            return Rejected(f"Its {name} is missing or not of SNS's form.")
        parts += (name, value)
    try:
        return "".join(f"{part}\n" for part in parts).encode()
    except UnicodeEncodeError:
        return Rejected("It isn't text in UTF-8.")


def _names(certificate: Any) -> frozenset[str]:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    common = {str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset(common)
    return frozenset(extension.value.get_values_for_type(x509.DNSName))


def _is_signed(certificate: Any, signature: bytes, signed: bytes, *, is_sha1: bool) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    algorithm = hashes.SHA1() if is_sha1 else hashes.SHA256()  # noqa: S303 - version 1 is made with it
    try:
        certificate.public_key().verify(signature, signed, padding.PKCS1v15(), algorithm)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


GRAFANA_SIGNATURE: Final = "x-grafana-alerting-signature"
"""Grafana's default, in small letters. Its header for the time has no default: it must be set to ``GRAFANA_TIME``."""
GRAFANA_TIME: Final = "x-grafana-alerting-timestamp"
WEBHOOK_ID, WEBHOOK_TIME, WEBHOOK_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SECONDS = re.compile(r"\d{1,11}", re.ASCII)
_WEBHOOK_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


def verify_grafana(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> Proven | Rejected:
    """HMAC-SHA256 in hexadecimal over time, colon and body. The time must be there: without it a recorded request would
    be good for ever."""
    given = _lowered(headers)
    seconds = given.get(GRAFANA_TIME, "")
    if refused := _not_now(seconds, now):
        return refused
    signature = given.get(GRAFANA_SIGNATURE, "").strip().lower()
    expected = [
        hmac.new(secret.encode(), f"{seconds}:".encode() + body, hashlib.sha256).hexdigest()
        for secret in secrets
        if secret
    ]
    if not _is_any(signature, expected):
        return Rejected("Grafana's signature doesn't fit.")
    return Proven(f"grafana {hashlib.sha256(signature.encode()).hexdigest()[:32]}", "webhook", {})


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> Proven | Rejected:
    """HMAC-SHA256 in base64 over id, time and body, each after a full stop; several signatures are given while a secret
    is being replaced. A secret is base64 after ``whsec_``, and any text without it."""
    given = _lowered(headers)
    seconds, message_id = given.get(WEBHOOK_TIME, ""), given.get(WEBHOOK_ID, "")
    if refused := _not_now(seconds, now):
        return refused
    if not _WEBHOOK_ID.fullmatch(message_id):
        return Rejected("The webhook has no id, or not one of printable letters.")
    signed = f"{message_id}.{seconds}.".encode() + body
    expected = [_v1(key, signed) for secret in secrets if (key := _key(secret))]
    signatures = given.get(WEBHOOK_SIGNATURE, "")[:2_000].split()[:8]
    if not any(_is_any(one, expected) for one in signatures):
        return Rejected("The webhook's signature doesn't fit.")
    return Proven(f"webhook {hashlib.sha256(message_id.encode()).hexdigest()[:32]}", "webhook", {})


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _not_now(seconds: str, now: datetime) -> Rejected | None:
    if not _SECONDS.fullmatch(seconds):
        return Rejected("The time that was signed is missing or no number.")
    if abs(now.timestamp() - int(seconds)) > TOLERANCE.total_seconds():
        return Rejected("The time that was signed is too far from now.")
    return None


def _is_any(given: str, expected: list[str]) -> bool:
    """Compared in constant time, with each of them."""
    seen = given.encode("utf-8", "replace")
    return bool(sum(hmac.compare_digest(seen, one.encode()) for one in expected))


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _v1(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
