"""Web push: to every browser in which a person has allowed it. One that its push service no longer knows is forgotten.

What a browser shows is for the console's service worker to say; it gets the short form, a title, and where more is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from omc.config.notify_tables import PushTable
from omc.errors import WrongUse
from omc.model.pages import Page
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.document import headline
from omc.notify.http import Answer, failure, post
from omc.notify.model import Outcome, Refused, Sent, TryAgain
from omc.notify.text import code_of, cut
from omc.notify.web_push import MAX_TEXT, authorization, browser_of, encrypted, private_key, topic
from omc.output.text import line
from omc.store.push import PushBrowser, browsers_of, unsubscribe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

GONE = frozenset({404, 410})
"""The browser has taken its permission back (RFC 8030, 7.3)."""
AT_ONCE = 8
"""Browsers that are sent to side by side: one whose service hangs holds no other up."""
TTL = 86_400
"""Seconds for which a push service keeps a page for a browser that is off."""


@CHANNELS.register(Channel.PUSH)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    settings, store, page = context.stack.notify.push, context.store, delivery.page
    if settings.contact is None or store is None:
        return Refused("omc.toml has no [notify.push] contact")
    secret = secret_or_refusal("OMC_VAPID_KEY")
    if isinstance(secret, Refused):
        return secret
    try:
        key = private_key(secret)
    except ValueError as error:
        return Refused(f"OMC_VAPID_KEY can't be used: {error}")
    with store.reading() as session:
        rows = browsers_of(session, page.recipient)
    if not rows:
        return Refused(f"no browser of {page.recipient} has subscribed")
    with ThreadPoolExecutor(min(len(rows), AT_ONCE), thread_name_prefix="web push") as pool:
        answers = list(pool.map(lambda row: _send(row, page, key, settings, context), rows))
    gone = [row.id for row, answer in zip(rows, answers, strict=True) if _is_gone(answer)]
    if gone:
        with store.transaction("omc sender") as transaction:
            unsubscribe(transaction, gone)
    return _together([_outcome(answer, row) for row, answer in zip(rows, answers, strict=True)])


def _send(
    row: PushBrowser, page: Page, key: EllipticCurvePrivateKey, settings: PushTable, context: ChannelContext
) -> Answer | Outcome:
    """To one browser; what its push service says."""
    try:
        browser = browser_of(row.endpoint, row.p256dh, row.auth, settings.services)
    except WrongUse as error:  # omc.toml allows it no longer
        return Refused(f"{_named(row)}: {error.message}")
    headers = {
        "Authorization": authorization(browser.endpoint, key, settings.contact or "", context.now()),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL),
        "Topic": topic(page.key),
        "Urgency": "high" if page.is_urgent else "normal",
    }
    return post(context.http, browser.endpoint, encrypted(payload(page), browser), headers)


def _is_gone(answer: Answer | Outcome) -> bool:
    return isinstance(answer, Answer) and answer.status in GONE


def payload(page: Page) -> bytes:
    """What the service worker shows, within what a push service must take."""
    body = {
        "title": line(headline(page)),
        "body": line(page.message.short),
        "tag": page.key,
        "code": code_of(page.key),
        "urgent": page.is_urgent,
        "environment": page.environment,
        "incident": page.incident,
        "link": page.message.link,
    }
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    if len(text) <= MAX_TEXT:
        return text
    return json.dumps({**body, "link": None, "body": cut(str(body["body"]), 500)}).encode()


def _outcome(answer: Answer | Outcome, row: PushBrowser) -> Outcome:
    if not isinstance(answer, Answer):
        return answer
    who = f"the push service of {_named(row)}"
    return failure(answer, who) or Sent(row.id)


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Sent where one browser has it: the person has. Else what may work later, and else why it never will."""
    sent = [each.reference for each in outcomes if isinstance(each, Sent)]
    if sent:
        return Sent(",".join(sent))
    later = [each for each in outcomes if isinstance(each, TryAgain)]
    if later:
        after = min((each.after for each in later if each.after), default=None)
        may_have_arrived = any(each.may_have_arrived for each in later)
        return TryAgain("; ".join(each.reason for each in later), after, may_have_arrived)
    return Refused("; ".join(each.reason for each in outcomes if isinstance(each, Refused)))


def _named(row: PushBrowser) -> str:
    return row.name or f"browser {row.id}"
