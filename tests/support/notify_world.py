"""A stack whose channels are servers of the test's, and pages to send through them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omc.config import Stack, load
from omc.config.notify_tables import (
    EmailTable,
    NotifySettings,
    NtfyTable,
    PagerDutyTable,
    SlackTable,
    SmsTable,
    WebhookTable,
)
from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery
from omc.notify.model import Outcome
from support.canary import CANARY
from support.receivers import APP_TOKEN, BOT_TOKEN, ROUTING_KEY

NOW = datetime(2026, 11, 30, 3, 12, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_YzRuNHJ5LXNlY3JldC1vZi1hLXdlYmhvb2s="
SECRETS = {
    "OMC_SLACK_BOT_TOKEN": BOT_TOKEN,
    "OMC_SLACK_APP_TOKEN": APP_TOKEN,
    "OMC_SMTP_PASSWORD": f"{CANARY}-smtp",
    "OMC_NTFY_TOKEN": f"tk_{CANARY}",
    "OMC_PAGERDUTY_KEY_JO_PAGES": ROUTING_KEY,
    "OMC_WEBHOOK_SECRET_HOOK": WEBHOOK_SECRET,
}
STAGING = load(Path(__file__).parents[2] / "omc.toml")


def stack_with(
    *, slack: str = "", pagerduty: str = "", ntfy: str = "", webhook: str = "", email: EmailTable | None = None
) -> Stack:
    """omc.toml's stack, with these addresses for its channels."""
    nowhere = "http://127.0.0.1:9"
    settings = NotifySettings(
        slack=SlackTable(api=f"{slack or nowhere}/api"),
        email=email,
        sms=SmsTable(sender_id="OhMyCoins"),
        pagerduty={"jo-pages": PagerDutyTable(api=pagerduty or nowhere)},
        ntfy=NtfyTable(server=ntfy or nowhere),
        webhook={"hook": WebhookTable(url=f"{webhook or nowhere}/pages")},
    )
    return replace(STAGING, notify=settings)


def page(*contacts: str, **changed: Any) -> Page:
    """A page about incident 3 to jo, by these contacts."""
    made = Page(
        key="page:staging:3:0:jo",
        environment="staging",
        recipient="jo",
        methods=tuple(contact(each) for each in contacts),
        message=Message(
            "backend answers 5xx since 03:12 (14 % of requests). Run: omc rollback --env staging",
            ("Evidence: 312 of 2,204 requests failed.", "Last change: release 42, 03:05 UTC, by alice."),
            "https://omc.example.com/incidents/3",
        ),
        incident=3,
        severity=1,
        actions=("acknowledge", "snooze", "resolve"),
    )
    return replace(made, **changed)


def contact(text: str) -> ContactMethod:
    channel, _, address = text.partition(":")
    return ContactMethod(Channel(channel), address)


def deliver(stack: Stack, sent: Page, *, may_have_arrived: bool = False) -> Outcome:
    """The outcome of the page's first method."""
    context = ChannelContext(stack, lambda: NOW)
    method = sent.methods[0]
    with context.http:
        return CHANNELS[method.channel](PageDelivery(sent, method, may_have_arrived), context)
