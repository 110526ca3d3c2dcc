"""The encryption of sessions with a key of KMS: AES-256-GCM, a key for each direction, of one data key of the client's.

As in AWS's agent (amazon-ssm-agent, ``agent/session/datachannel``): the agent has KMS decrypt the client's data key,
encrypts with its first half and decrypts with the second, and proves by a challenge that both have the same.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NONCE: Final = 12


class WrongKey(Exception):
    """The client's key can't be used, or isn't the one that its messages are encrypted with."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Both keys of a session, from the agent's side."""

    encryption: bytes = field(repr=False)
    decryption: bytes = field(repr=False)

    def encrypt(self, data: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + AESGCM(self.encryption).encrypt(nonce, data, None)

    def decrypt(self, data: bytes) -> bytes:
        try:
            return AESGCM(self.decryption).decrypt(data[:NONCE], data[NONCE:], None)
        except (InvalidTag, ValueError) as problem:
            raise WrongKey("The client doesn't encrypt with the session's key.") from problem


def unwrap(cloud: Cloud, wrapped: str, session: str, target: str) -> Keys:
    """The keys in what the client had KMS make. Raises ``WrongKey``."""
    context = {"aws:ssm:SessionId": session, "aws:ssm:TargetId": target}
    try:
        with cloud.lock:
            plain, _ = cloud.moto("kms").decrypt(base64.b64decode(wrapped), context)
    except Exception as problem:  # whatever moto makes of bytes from outside
        raise WrongKey(f"KMS doesn't decrypt the session's key: {problem}") from problem
    if len(plain) != 64:
        raise WrongKey("The session's key doesn't have 64 bytes.")
    return Keys(plain[:32], plain[32:])
