"""A store is brought up to date while pages are under way: each is sent all the same, with the key that it had."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
from sqlalchemy import create_engine

from omc.model.people import Channel
from omc.model.typed_json import to_json
from omc.notify.channels.registry import ChannelContext, PageDelivery
from omc.notify.delivery import Sender
from omc.notify.model import Outcome, Sent
from omc.store import embedded
from omc.store.database import _upgrade, open_store
from omc.store.location import StoreLocation
from omc.store.outbox import SENT, OutboxRow
from support.engine_world import execute, place_in
from support.notify_world import page, stack_with

_NAMES = count(1)
INSERT = """
INSERT INTO outbox (key, environment, incident, recipient, page, state, created_at, due_at, method, attempts, log,
    holder, lease_until, sent_at)
VALUES (%s, 'staging', 3, 'jo', %s, %s, now(), now(), %s, %s, %s, %s, now() - %s, %s)
"""
TRIED = {
    "at": "2026-11-30T03:12:00+00:00",
    "method": 0,
    "round": 1,
    "contact": "slack:U024BE7LH",
    "outcome": "refused",
    "seconds": 0.2,
    "reason": "user_disabled",
    "after": None,
    "may_have_arrived": False,
    "reference": "",
}
"""A line of a page's log as the omc of then wrote it."""


def before(server: embedded.Server, schema: str) -> StoreLocation:
    """A store of an earlier schema: a page that waits, one in the hands of a sender that is no more, one that fell over
    to its second method, and one that was sent."""
    name = f"pages{next(_NAMES)}"
    execute(server, f"CREATE DATABASE {name}")
    place = place_in(server, name)
    engine = create_engine((place.url or "").replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        _upgrade(connection, schema)
    engine.dispose()
    with psycopg.connect(place.url or "", autocommit=True) as connection:
        for key, state, method, attempts, log, holder in (
            ("waits", "waiting", 0, 0, [], None),
            ("held", "waiting", 0, 0, [], "boot/1/2/abcd"),
            ("fell over", "waiting", 1, 1, [TRIED], None),
            ("sent", "sent", 0, 1, [{**TRIED, "outcome": "sent"}], None),
        ):
            text = json.dumps(to_json(page("slack:U024BE7LH", "ntfy:jo", key=key)), separators=(",", ":"))
            values = (key, text, state, method, attempts, json.dumps(log), holder, timedelta(seconds=1), None)
            connection.execute(INSERT, values)
    return place


def test_each_page_that_was_under_way_is_sent_with_its_key_after_the_change(server: embedded.Server) -> None:
    given: list[PageDelivery] = []

    def take(delivery: PageDelivery, _: Any) -> Outcome:
        given.append(delivery)
        return Sent("taken")

    with open_store(before(server, "0008")) as store:
        channels = {Channel.SLACK: take, Channel.NTFY: take}
        sender = Sender(store, ("staging",), channels, ChannelContext(stack_with(), store.now), "test")
        while sender.run_once():
            pass
        assert {(each.page.key, str(each.method), each.may_have_arrived) for each in given} == {
            ("waits", "slack:U024BE7LH", False),
            ("held", "slack:U024BE7LH", True),
            ("fell over", "ntfy:jo", False),
        }
        with store.reading() as session:
            assert {row.key: row.state for row in session.query(OutboxRow)} == dict.fromkeys(
                ("waits", "held", "fell over", "sent"), SENT
            )
