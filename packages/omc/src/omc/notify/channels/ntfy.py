"""ntfy, by its JSON form (docs.ntfy.sh/publish): headers would be Latin-1, and a line break in one a way in."""

from __future__ import annotations

import json
from typing import Any

from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.document import headline
from omc.notify.http import Answer, failure, post
from omc.notify.model import Outcome, Sent
from omc.notify.secrets import secret
from omc.notify.text import code_of, cut, long_form
from omc.output.document import is_safe
from omc.output.text import line

MAX_MESSAGE = 4_096
"""Bytes: what is longer becomes an attachment, which no watch shows (ntfy's documentation, "Limitations")."""
URGENT, NORMAL = 5, 3


@CHANNELS.register(Channel.NTFY)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    token = secret("OMC_NTFY_TOKEN")
    headers = {"Idempotency-Key": delivery.page.key} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = json.dumps(payload(delivery)).encode()
    answer = post(context.http, context.stack.notify.ntfy.server, body, headers)
    if not isinstance(answer, Answer):
        return answer
    response = answer.json() or {}
    return failure(answer, "ntfy", line(str(response.get("error", "")))) or Sent(str(response.get("id", "")))


def payload(delivery: PageDelivery) -> dict[str, Any]:
    page = delivery.page
    lines = [line(page.message.short), *long_form(page.message.lines)]
    message = cut("\n".join(lines), MAX_MESSAGE - 20, measure=lambda text: len(text.encode()))
    body: dict[str, Any] = {
        "topic": delivery.method.address,
        "title": line(headline(page)),
        "message": f"{message}\n{code_of(page.key)}",
        "priority": URGENT if page.is_urgent else NORMAL,
    }
    link = page.message.link
    if link and is_safe(link) and link.startswith("http"):
        body["click"] = link
    return body
