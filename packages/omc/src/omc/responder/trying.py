"""Sending a test the way that alarms go, and watching it: each hop with its time, or with what stops it there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from omc.aws.gateway import Access, Gateway
from omc.config import Environment
from omc.errors import OmcError, Refused
from omc.model.people import ContactMethod
from omc.responder import trial
from omc.responder.intake.trials import body_of
from omc.responder.queue import QUEUE, queue_address
from omc.store.opened import Store
from omc.store.outbox import WAITING, OutboxRow

OPERATIONS: Final = frozenset({("sns", "Publish")})
"""What is sent beside reads. A test that is published twice has one effect."""
RECEIVED_WITHIN: Final = 60.0
"""Seconds for which a responder is waited for: a long poll and what it has in hand take less."""
HANDED_OVER_WITHIN: Final = 90.0
"""Seconds for which a channel is waited for: all of a person's methods have been tried by then."""
POLL_INTERVAL: Final = 0.25
SUBJECT: Final = "omc test: nothing is wrong"


@dataclass(frozen=True, slots=True)
class AlarmPath:
    """Which way a test goes, before it does."""

    topic: str
    """The topic's ARN."""
    direct: tuple[tuple[str, int], ...]
    """Who beside the queue gets what is published there: protocols, and how many of each."""
    recipient: str
    methods: tuple[ContactMethod, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages the queue has."""

    visible: int
    """That nobody has taken."""
    in_hand: int
    dead: int | None
    """In the dead-letter queue; None where that isn't known."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a test, as far as it went."""

    path: AlarmPath
    id: str
    published_at: datetime
    publish_seconds: float
    refused: str = ""
    """Why SNS didn't take it."""
    received: tuple[datetime, trial.Received] | None = None
    waiting: Waiting | str | None = None
    """Where no responder has received it: what the queue has, or why that isn't known."""
    page: OutboxRow | None = None


def gateway_for_trial(environment: Environment, access: Access) -> Gateway:
    """A gateway that reads, and may publish."""
    return Gateway(environment, access, allowed=OPERATIONS)


def find_path(gateway: Gateway, severity: int, recipient: str, methods: Sequence[ContactMethod]) -> AlarmPath:
    """The topic of a severity, and who subscribes to it. Raises ``Refused``."""
    sns, name = gateway.client("sns"), f"{gateway.environment.prefix}-sev-{severity}"
    topics = [each["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for each in page["Topics"]]
    topic = next((each for each in topics if each.rpartition(":")[2] == name), None)
    if topic is None:
        raise Refused(f"There is no topic {name}: apply the environment's Terraform, which makes it.")
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    protocols = [each.get("Protocol", "") for page in pages for each in page["Subscriptions"]]
    direct = tuple((each, protocols.count(each)) for each in sorted(set(protocols) - {"sqs"}))
    return AlarmPath(topic, direct, recipient, tuple(methods))


def run(gateway: Gateway, store: Store, path: AlarmPath, actor: str, *, within: float = RECEIVED_WITHIN) -> Ran:
    """Send a test and follow it, as far as it goes."""
    environment, id_ = gateway.environment.name, secrets.token_hex(8)
    with store.transaction(actor) as transaction:
        trial.ask(transaction, environment, id_, trial.Requested(path.topic, path.recipient, path.methods))
    published_at, began = store.now(), time.monotonic()
    body = body_of(environment, id_)
    try:
        gateway.client("sns").publish(TopicArn=path.topic, Subject=SUBJECT, Message=body)
    except OmcError as error:
        return Ran(path, id_, published_at, time.monotonic() - began, refused=error.message)
    took = time.monotonic() - began

    def look_for_message() -> tuple[datetime, trial.Received] | None:
        with store.reading() as session:
            return trial.received(session, environment, id_)

    received = _wait(within, look_for_message)
    if received is None:
        return Ran(path, id_, published_at, took, waiting=_read_queue(gateway))

    def look_for_page() -> OutboxRow | None:
        with store.reading() as session:
            row = session.get(OutboxRow, trial.key_of(environment, id_))
        return row if row is not None and row.state != WAITING else None

    page = None
    if path.methods and (page := _wait(HANDED_OVER_WITHIN, look_for_page)) is None:
        with store.reading() as session:
            page = session.get(OutboxRow, trial.key_of(environment, id_))
    return Ran(path, id_, published_at, took, received=received, page=page)


def _wait(seconds: float, look: Callable[[], Any]) -> Any:
    until = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < until:
        time.sleep(POLL_INTERVAL)
    return found


def _read_queue(gateway: Gateway) -> Waiting | str:
    name = QUEUE.format(prefix=gateway.environment.prefix)
    try:
        queue = _counts(gateway, queue_address(gateway, name))
    except OmcError as error:
        return error.message
    try:
        dead: int | None = sum(_counts(gateway, queue_address(gateway, f"{name}-dead-letter")))
    except OmcError:
        dead = None
    return Waiting(*queue, dead)


def _counts(gateway: Gateway, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = gateway.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])
