"""Web push: a message encrypted for one browser (RFC 8291, RFC 8188), and who sends it (VAPID, RFC 8292). Pure, but for
the random numbers.

The push service carries what it can't read. ``cryptography`` is imported where it is used: commands that send nothing
don't need it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from omc.errors import WrongUse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

RECORD_SIZE = 4_096
MAX_TEXT = 3_993
"""Bytes of a message: what a push service must take is 4,096 (RFC 8030, 7.2), less head, padding and tag."""
POINT, SECRET = 65, 16
"""Bytes of a browser's public key and of its secret (RFC 8291, 3.1 and 3.2)."""
VAPID_LIFE = timedelta(hours=12)
"""Of a proof of who sends; 24 h at most (RFC 8292, 2)."""
MAX_ENDPOINT = 2_048


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a browser is reached, as it says itself."""

    endpoint: str = field(repr=False)
    """An address of its push service. Whoever has it can fill a phone with noise."""
    key: bytes = field(repr=False)
    """Its public key, an uncompressed point of P-256."""
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """16 hexadecimal digits; the same browser that subscribes again has the same."""
        return hashlib.sha256(self.endpoint.encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""


def browser_of(endpoint: str, p256dh: str, auth: str, services: Sequence[str]) -> Browser:
    """What a browser's ``PushSubscription`` says. ``WrongUse`` where it isn't one, or not at one of these services: omc
    opens no address just because a browser names it."""
    if len(endpoint) > MAX_ENDPOINT or not is_service(endpoint, services):
        raise WrongUse(
            "The endpoint isn't at a push service that omc.toml allows: https:// and one of the hosts of "
            "[notify.push] services."
        )
    try:
        key, secret = decoded(p256dh), decoded(auth)
    except ValueError as error:
        raise WrongUse("The keys of a subscription are base64url.") from error
    if len(secret) != SECRET or not _is_point(key):
        raise WrongUse(f"A subscription has a public key on P-256 ({POINT} bytes) and a secret of {SECRET} bytes.")
    return Browser(endpoint, key, secret)


def is_service(endpoint: str, services: Sequence[str]) -> bool:
    """Whether an address is on one of these hosts, by https without a port or a login. On this machine http will do."""
    if not re.fullmatch(r"[!-~]+", endpoint):
        return False
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or not host:
        return False
    is_here = host in ("127.0.0.1", "localhost")
    if not is_here and (parts.scheme != "https" or port not in (None, 443)):
        return False
    if parts.scheme not in ("http", "https"):
        return False
    return any(host == each.lower() or (each.startswith("*.") and host.endswith(each[1:].lower())) for each in services)


def encrypted(
    text: bytes, browser: Browser, salt: bytes | None = None, own: EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of a request: head and one record. Salt and key are new for each message; a test gives its own."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(text) > MAX_TEXT:
        raise ValueError(f"{len(text)} bytes are more than a push service must take")
    salt = salt or os.urandom(16)
    own = own or ec.generate_private_key(ec.SECP256R1())
    public = _point(own)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), browser.key)
    shared = own.exchange(ec.ECDH(), theirs)
    material = _derived(browser.secret, shared, b"WebPush: info\0" + browser.key + public, 32)
    key = _derived(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, material, b"Content-Encoding: nonce\0", 12)
    record = AESGCM(key).encrypt(nonce, text + b"\x02", None)  # 2: the last record, and no padding
    return salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(public)]) + public + record


def authorization(endpoint: str, key: EllipticCurvePrivateKey, contact: str, now: datetime) -> str:
    """The header that says who sends: signed for this push service, for half a day."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int((now + VAPID_LIFE).timestamp()),
        "sub": contact,
    }
    signed = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"{signed}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    return f"vapid t={token}, k={public_key(key)}"


def private_key(text: str) -> EllipticCurvePrivateKey:
    """Of PEM, or of 32 bytes in base64url. ``ValueError`` for anything else."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if text.lstrip().startswith("-----"):
        found: Any = load_pem_private_key(text.replace("\\n", "\n").encode(), None)
        if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
            raise ValueError("it isn't a key on P-256")
        return found
    raw = decoded(text.strip())
    if len(raw) != 32:
        raise ValueError("it hasn't 32 bytes")
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())


def public_key(key: EllipticCurvePrivateKey) -> str:
    """What a browser subscribes with (``applicationServerKey``), in base64url."""
    return encoded(_point(key))


def decoded(text: str) -> bytes:
    """Base64url, with or without its padding. ``ValueError`` for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,400}={0,2}", text):
        raise ValueError("no base64url")
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def topic(key: str) -> str:
    """By which a message that the service still has is replaced by the same page sent again (RFC 8030, 5.4)."""
    return encoded(hashlib.sha256(key.encode()).digest())[:32]


def _derived(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869), of 32 bytes at most."""
    extracted = hmac.new(salt, material, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()[:length]


def _point(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _is_point(key: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    if len(key) != POINT or key[0] != 4:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        return False
    return True


def _json(value: Mapping[str, Any]) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())
