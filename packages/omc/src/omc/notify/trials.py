"""Test pages: to whom they may go, and what they say."""

from __future__ import annotations

from omc.model.pages import SHORT, Message, Page
from omc.model.people import ContactMethod


def trial_page(key: str, recipient: str, methods: tuple[ContactMethod, ...], environment: str, who: str) -> Page:
    return Page(
        key=key,
        environment=environment,
        recipient=recipient,
        methods=methods,
        message=Message(
            f"Test page from omc for {environment}: nothing is wrong. Tell {who} that it arrived."[:SHORT],
            ("This is what an urgent page looks like here.",),
        ),
    )
