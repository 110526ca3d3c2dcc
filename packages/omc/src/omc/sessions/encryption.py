"""The encryption of a session beside that of its websocket: AES-256-GCM with two keys that KMS makes of one request.

As the plugin has it (aws/session-manager-plugin, ``src/encryption``): the first half of the data key opens what the
agent sends, the second closes what the client sends; a message is a nonce of 12 bytes and what GCM gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

KEY_BYTES: Final = 64
NONCE_BYTES: Final = 12


MakeKey = Callable[[str, dict[str, str]], tuple[bytes, bytes]]
"""Has KMS make a data key of ``KEY_BYTES`` with a key, for a context: as it is, and as KMS encrypted it."""


class NotEncrypted(Exception):
    """A message that isn't encrypted with this session's key."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """Of one session."""

    wrapped: bytes
    """The data key as KMS encrypted it: the agent has KMS decrypt it."""
    decryption_key: bytes = field(repr=False)
    encryption_key: bytes = field(repr=False)

    def encrypt(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self.encryption_key).encrypt(nonce, data, None)

    def decrypt(self, data: bytes) -> bytes:
        """Raises ``NotEncrypted``."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self.decryption_key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise NotEncrypted(f"{len(data)} bytes aren't encrypted with the session's key") from error


def context_of(session: str, target: str) -> dict[str, str]:
    """The encryption context that both sides give KMS, so that a key serves one session alone."""
    return {"aws:ssm:SessionId": session, "aws:ssm:TargetId": target}


def new_encryption(make: MakeKey, key: str, session: str, target: str) -> Encryption:
    """Have KMS make a data key. Raises what the gateway raises, ``AccessDenied`` on kms:GenerateDataKey above all."""
    plain, wrapped = make(key, context_of(session, target))
    half = KEY_BYTES // 2
    return Encryption(wrapped, plain[:half], plain[half:])
