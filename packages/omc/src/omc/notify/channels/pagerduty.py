"""PagerDuty, by its Events API v2. Its key for an alert is the page's, so a page that is sent twice is one alert.

A page whose key begins with ``acknowledge:`` or ``resolve:`` follows up on the one whose key comes behind
(``omc.notify.followups``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from omc.model.pages import Page
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.document import headline
from omc.notify.http import Answer, failure, post
from omc.notify.model import FOLLOW_UPS, Outcome, Refused, Sent
from omc.notify.text import cut, long_form
from omc.output.document import is_safe
from omc.output.text import line

MAX_SUMMARY, MAX_KEY = 1_024, 255
SEVERITIES: Mapping[int | None, str] = {1: "critical", 2: "error", 3: "warning"}


@CHANNELS.register(Channel.PAGERDUTY)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    name = delivery.method.address
    integration = context.stack.notify.pagerduty.get(name)
    if integration is None:
        return Refused(f"omc.toml has no [notify.pagerduty.{name}]")
    key = secret_or_refusal("OMC_PAGERDUTY_KEY_<NAME>", name)
    if isinstance(key, Refused):
        return key
    body = json.dumps({"routing_key": key} | event(delivery.page)).encode()
    headers = {"Idempotency-Key": delivery.page.key}
    answer = post(context.http, f"{integration.api.rstrip('/')}/v2/enqueue", body, headers)
    if not isinstance(answer, Answer):
        return answer
    response = answer.json() or {}
    errors = response.get("errors")
    words = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    reason = line(": ".join(word for word in (str(response.get("message", "")), words) if word))
    return failure(answer, "PagerDuty", reason) or Sent(str(response.get("dedup_key", "")))


def event(page: Page) -> dict[str, Any]:
    """Without the integration's key."""
    action, _, followed = page.key.partition(":")
    if action in FOLLOW_UPS:
        return {"event_action": action, "dedup_key": followed[:MAX_KEY]}
    made: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": page.key[:MAX_KEY],
        "client": "omc",
        "payload": {
            "summary": cut(line(page.message.short), MAX_SUMMARY),
            "source": page.environment or "omc",
            "severity": SEVERITIES.get(page.severity, "info"),
            "component": line(headline(page)),
            "custom_details": {"lines": list(long_form(page.message.lines)), "page": page.key},
        },
    }
    link = page.message.link
    if link and is_safe(link) and link.startswith("http"):
        made["links"] = [{"href": link, "text": "More"}]
    return made
