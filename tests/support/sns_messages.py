"""Messages signed as SNS signs, by a key of our own made out to SNS; and SNS's host, which has its certificate."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from omc.errors import Unreachable
from omc.responder.intake import signatures
from support.payloads import REGION

NOW = datetime(2026, 11, 3, 2, 5, tzinfo=UTC)
ADDRESS = f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem"
NAME = "sns.amazonaws.com"


@cache
def key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, bits)


@cache
def certificate(
    number: int = 1, name: str = NAME, bits: int = 2048, days: int = 30, alternative: str | None = NAME
) -> bytes:
    """Of a key of our own, made out to SNS, valid around ``NOW``."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(number, bits).public_key())
        .serial_number(number)
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW - timedelta(days=30) + timedelta(days=days * 2))
    )
    if alternative:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(alternative)]), critical=False)
    signed = made.sign(key(number, bits), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def sign(message: dict[str, Any], number: int = 1, bits: int = 2048) -> bytes:
    """The body as SNS would post it, whatever it says: what its form forbids is signed too."""
    names = [name for name in signatures.SIGNED[message["Type"]] if name in message]
    text = "".join(f"{name}\n{message[name]}\n" for name in names).encode("utf-8", "surrogatepass")
    algorithm = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    made = key(number, bits).sign(text, padding.PKCS1v15(), algorithm)
    return json.dumps({**message, "Signature": base64.b64encode(made).decode()}).encode()


@dataclass
class Certificates:
    """Stands for SNS's host."""

    answers: dict[str, bytes] = field(default_factory=lambda: {ADDRESS: certificate()})
    asked: list[str] = field(default_factory=list)

    def fetch(self, address: str, limit: int) -> bytes:
        self.asked.append(address)
        if address not in self.answers:
            raise Unreachable("Nothing answers.")
        return self.answers[address][: limit + 1]
