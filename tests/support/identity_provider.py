"""An identity provider on loopback: its keys, its configuration, and tokens that it signs, or that look as if."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from support.http_server import serving

AUDIENCE = "omc"


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    del number
    return ec.generate_private_key(ec.SECP256R1())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def part(value: Any) -> str:
    return base64url(json.dumps(value).encode())


def jwk_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str | None, **more: Any) -> dict[str, Any]:
    named = {} if kid is None else {"kid": kid}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        body = {
            "kty": "RSA",
            "n": base64url(numbers.n.to_bytes(size, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
        }
    else:
        point = key.public_key().public_numbers()
        body = {"kty": "EC", "crv": "P-256", "x": base64url(point.x.to_bytes(32, "big"))}
        body["y"] = base64url(point.y.to_bytes(32, "big"))
    return {**body, **named, "use": "sig", **more}


def claims(issuer: str, now: float | None = None, **changed: Any) -> dict[str, Any]:
    """Claims of a token that is good; None takes one out."""
    now = time.time() if now is None else now
    whole = {"iss": issuer, "aud": AUDIENCE, "sub": "u-1", "exp": now + 600, "iat": now, "groups": ["sre"]} | changed
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    body: dict[str, Any], key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str | None = "k1", **header: Any
) -> str:
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    head = {"alg": algorithm, "typ": "JWT"} | ({} if kid is None else {"kid": kid}) | header
    text = f"{part(head)}.{part(body)}"
    return f"{text}.{base64url(signature(text.encode(), key))}"


def signature(text: bytes, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass
class Provider:
    """What it answers, which a test may change, and how often it was asked."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk_of(rsa_key(), "k1"), jwk_of(ec_key(), "e1")])
    status: int = 200
    configuration: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    issuer: str = ""


@contextmanager
def identity_provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            answer: Any = {"keys": provider.keys}
            if self.path.endswith("openid-configuration"):
                answer = {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"} | provider.configuration
            body = json.dumps(answer).encode()
            self.send_response(provider.status)
            self.send_header("Location", "/keys")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        provider.issuer = address
        yield provider
