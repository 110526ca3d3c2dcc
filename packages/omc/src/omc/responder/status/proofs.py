"""What proves that a link is from a message of ours, and what webhooks are signed with: made of one secret.

So no row holds a secret, and none has to be read to make a link. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import urlencode

from omc.config.status_tables import SUBSCRIPTION_KEY
from omc.errors import Unknown

CONFIRM, UNSUBSCRIBE, SIGN = "confirm", "unsubscribe", "sign"
MIN_LENGTH = 32
"""Characters of the secret."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Those of one environment's subscribers."""

    environment: str
    key: str = field(repr=False)

    def of(self, purpose: str, subscriber: str) -> str:
        """What only a message of ours to that subscriber holds."""
        return base64.urlsafe_b64encode(self._digest(purpose, subscriber)).decode().rstrip("=")

    def is_proven(self, purpose: str, subscriber: str, proof: str) -> bool:
        return hmac.compare_digest(self.of(purpose, subscriber).encode(), proof.encode("utf-8", "replace"))

    def webhook_secret(self, subscriber: str) -> str:
        """What messages to this one are signed with, as Standard Webhooks writes it."""
        return f"whsec_{base64.b64encode(self._digest(SIGN, subscriber)).decode()}"

    def link(self, base: str, purpose: str, subscriber: str) -> str:
        """``base`` is the address of the environment's status."""
        return f"{base}/{purpose}?{urlencode({'subscriber': subscriber, 'proof': self.of(purpose, subscriber)})}"

    def _digest(self, purpose: str, subscriber: str) -> bytes:
        content = f"omc status\0{purpose}\0{self.environment}\0{subscriber}"
        return hmac.new(self.key.encode(), content.encode(), hashlib.sha256).digest()


def proofs_of(environment: str, key: str | None) -> Proofs:
    """``Unknown`` where the server has no secret of which they could be made."""
    if key is None or len(key) < MIN_LENGTH:
        what = "isn't set" if key is None else f"has fewer than {MIN_LENGTH} characters"
        raise Unknown(f"Nobody can subscribe just now: {SUBSCRIPTION_KEY} {what} where omc serve runs.")
    return Proofs(environment, key)


def masked(kind: str, address: str) -> str:
    """An address in a line that others read: ``j…@example.com``, ``https://hooks.example.com/…``."""
    if kind == "email":
        name, _, domain = address.rpartition("@")
        return f"{name[:1]}…@{domain}"
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/…"
