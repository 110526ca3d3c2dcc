"""Web push: the RFC's own example to the byte, who sends it, and which addresses are opened at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from omc.config.notify_tables import PUSH_SERVICES
from omc.errors import WrongUse
from omc.notify.channels.push import payload
from omc.notify.web_push import (
    MAX_TEXT,
    Browser,
    authorization,
    browser_of,
    decoded,
    encoded,
    encrypted,
    is_service,
    private_key,
    public_key,
    topic,
)
from support.notify_world import page
from support.push_service import PushClient

NOW = datetime(2026, 11, 30, 3, 12, tzinfo=UTC)
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/abc"

# RFC 8291, 5 and Appendix A.
TEXT = b"When I grow up, I want to be a watermelon"
OWN_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
BROWSER_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SALT, AUTH = "DGv6ra1nlYgDCS1FRnbzlw", "BTBZMqHH6r4Tts7J_aSIgg"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_rfc_comes_out_to_the_byte() -> None:
    browser = Browser(ENDPOINT, decoded(BROWSER_PUBLIC), decoded(AUTH))
    made = encrypted(TEXT, browser, decoded(SALT), private_key(OWN_PRIVATE))
    assert encoded(made) == BODY
    assert AUTH not in repr(browser)


def test_each_message_has_a_key_and_a_salt_of_its_own_and_the_browser_reads_it() -> None:
    client = PushClient()
    browser = client.browser(ENDPOINT)
    one, two = (encrypted(TEXT, browser) for _ in range(2))
    assert one[:86] != two[:86]
    assert client.read(one) == client.read(two) == TEXT
    longest = b"x" * MAX_TEXT
    assert len(encrypted(longest, browser)) == 4096
    assert client.read(encrypted(longest, browser)) == longest
    with pytest.raises(ValueError, match="3994 bytes"):
        encrypted(longest + b"x", browser)


def test_who_sends_is_proven_for_one_push_service_and_half_a_day() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    header = authorization(ENDPOINT, key, "mailto:ops@example.com", NOW)
    scheme, _, fields = header.partition(" ")
    token, named = (part.strip().partition("=")[2] for part in fields.split(","))
    head, claims, signature = token.split(".")
    assert (scheme, named) == ("vapid", public_key(key))
    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
    assert json.loads(decoded(claims)) == {
        "aud": "https://updates.push.services.mozilla.com",
        "exp": int(NOW.timestamp()) + 12 * 3600,
        "sub": "mailto:ops@example.com",
    }
    raw = decoded(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key.public_key().verify(encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


def test_a_private_key_is_taken_as_pem_and_as_32_bytes() -> None:
    made = private_key(OWN_PRIVATE)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    assert public_key(private_key(pem)) == public_key(private_key(pem.replace("\n", "\\n"))) == public_key(made)
    other = ec.generate_private_key(ec.SECP384R1())
    for bad in (
        "",
        "no key",
        OWN_PRIVATE[:-4],
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ):
        with pytest.raises(ValueError, match=r".+"):
            private_key(bad)


@pytest.mark.parametrize(
    ("endpoint", "is_one"),
    [
        (ENDPOINT, True),
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://web.push.apple.com/abc", True),
        ("https://db5p.notify.windows.com/w/?token=abc", True),
        ("http://fcm.googleapis.com/fcm/send/abc", False),
        ("https://fcm.googleapis.com:8443/abc", False),
        ("https://fcm.googleapis.com@evil.example/abc", False),
        ("https://user:word@fcm.googleapis.com/abc", False),
        ("https://push.apple.com.evil.example/abc", False),
        ("https://evilpush.apple.com/abc", False),
        ("https://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:8080/abc", False),
        ("https://[::1]/abc", False),
        ("file:///etc/passwd", False),
        ("https://fcm.googleapis.com/a b", False),
        ("https://fcm.googleapis.com:x/", False),
        ("", False),
    ],
)
def test_only_push_services_are_opened_whatever_a_browser_names(endpoint: str, is_one: bool) -> None:
    assert is_service(endpoint, PUSH_SERVICES) is is_one


def test_a_subscription_that_is_none_is_refused() -> None:
    good = (ENDPOINT, BROWSER_PUBLIC, AUTH)
    assert browser_of(*good, PUSH_SERVICES).host == "updates.push.services.mozilla.com"
    no_point = encoded(b"\x04" + b"\x01" * 64)
    for bad in (
        ("https://evil.example/", BROWSER_PUBLIC, AUTH),
        (ENDPOINT + "x" * 2048, BROWSER_PUBLIC, AUTH),
        (ENDPOINT, no_point, AUTH),
        (ENDPOINT, BROWSER_PUBLIC[:-8], AUTH),
        (ENDPOINT, BROWSER_PUBLIC, AUTH[:-4]),
        (ENDPOINT, "päckchen", AUTH),
    ):
        with pytest.raises(WrongUse):
            browser_of(*bad, PUSH_SERVICES)


def test_a_page_fits_and_its_topic_is_that_of_the_same_page() -> None:
    shown = json.loads(payload(page("push:")))
    assert (shown["title"], shown["tag"], shown["urgent"]) == (
        "Incident 3 in staging, SEV-1",
        "page:staging:3:0:jo",
        True,
    )
    assert len(topic("page:staging:3:0:jo")) == 32
    assert topic("a") != topic("b")
