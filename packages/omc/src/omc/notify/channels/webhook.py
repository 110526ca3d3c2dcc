"""A signed message to a receiver of one's own, as standardwebhooks.com has it: HMAC-SHA256 over id, time, body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from omc.model.people import Channel
from omc.model.typed_json import to_json
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.http import Answer, failure, post
from omc.notify.model import Outcome, Refused, Sent

PREFIX = "whsec_"
"""Of a secret in base64; any other text is taken as it is."""
TYPE = "omc.page"


@CHANNELS.register(Channel.WEBHOOK)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    name = delivery.method.address
    receiver = context.stack.notify.webhook.get(name)
    if receiver is None:
        return Refused(f"omc.toml has no [notify.webhook.{name}]")
    secret = secret_or_refusal("OMC_WEBHOOK_SECRET_<NAME>", name)
    if isinstance(secret, Refused):
        return secret
    page, at = delivery.page, context.now()
    data = to_json(page)
    del data["methods"]  # whose telephone number that is doesn't concern the receiver
    body = json.dumps({"type": TYPE, "timestamp": at.isoformat(timespec="seconds"), "data": data}).encode()
    timestamp = str(int(at.timestamp()))
    try:
        signature = sign(secret, page.key, timestamp, body)
    except ValueError:
        return Refused(f"the secret of [notify.webhook.{name}] begins with {PREFIX} and is no base64")
    headers = {
        "Idempotency-Key": page.key,
        "webhook-id": page.key,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }
    answer = post(context.http, receiver.url, body, headers)
    if not isinstance(answer, Answer):
        return answer
    return failure(answer, f"the receiver {name}") or Sent()


def sign(secret: str, message: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and the signature in base64. ``ValueError`` for a secret that isn't what it says."""
    try:
        encoded = secret.startswith(PREFIX)
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if encoded else secret.encode()
    except binascii.Error as error:
        raise ValueError("no base64") from error
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
