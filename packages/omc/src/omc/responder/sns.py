"""What SNS posts, on its way in: proven, then taken in for the environment whose topic it is.

A subscription is confirmed by AWS's API with the token that the proven message brought. The address in that message is
never opened, and the only one that is fetched is that of SNS's certificate (``omc.responder.intake.signatures``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx

from omc.aws.gateway import Access, Gateway, access_to
from omc.config import Environment, Stack
from omc.errors import OmcError, Unknown, Unreachable
from omc.incidents.events import AUTOMATIC
from omc.notify.http import CONNECT_TIMEOUT, READ_TIMEOUT
from omc.responder.intake.signatures import NOTIFICATION, SUBSCRIBE, Fetch, Proven, Rejected, SnsVerifier
from omc.responder.intaking import Intaking, TagReader
from omc.responder.model import Unreadable
from omc.responder.queue import Delivery
from omc.responder.unreadable import keep_unreadable
from omc.store import inbox
from omc.store.opened import Store

SOURCE: Final = "sns"
"""Of the inbox."""
CONFIRM: Final = frozenset({("sns", "ConfirmSubscription")})
"""May be repeated: a subscription that is confirmed stays so."""


@dataclass(frozen=True, slots=True)
class SnsDoor:
    """Takes in what topics post that omc.toml names."""

    verifier: SnsVerifier
    environments: Mapping[str, Environment]
    """By topic, whose it is."""
    access: Callable[[Environment], Access] = access_to
    _tags: dict[str, TagReader] = field(default_factory=dict)
    """By environment: in a storm tags are read once, and not for each message."""

    def tags(self, environment: Environment, report: Callable[[str], None]) -> TagReader:
        """Reads the tags of an environment's alarms."""
        found = self._tags.get(environment.name)
        if found is None:
            made = TagReader(Gateway(environment, self.access(environment)), report)
            found = self._tags.setdefault(environment.name, made)
        return found

    def proven(self, body: bytes) -> Proven | Rejected:
        return self.verifier.verify(body)

    def environment_of(self, proven: Proven) -> Environment:
        return self.environments[proven.topic or ""]

    def confirm(self, proven: Proven) -> None:
        """Have the topic deliver here from now on; nobody can end that without rights in AWS, whoever sees the address
        for it. ``Unknown`` where AWS didn't do it: SNS asks again, and somebody may have given the right by then."""
        environment = self.environment_of(proven)
        gateway = Gateway(environment, self.access(environment), allowed=CONFIRM)
        try:
            gateway.client("sns").confirm_subscription(
                TopicArn=str(proven.topic), Token=str(proven.content["Token"]), AuthenticateOnUnsubscribe="true"
            )
        except OmcError as error:
            raise Unknown(f"The subscription of {proven.topic} isn't confirmed: {error.message}") from error


def sns_door(
    stack: Stack, environments: Mapping[str, Environment], now: Callable[[], datetime], fetch: Fetch | None = None
) -> SnsDoor | None:
    """The door for these environments; None where omc.toml names no topic for any."""
    topics = {
        topic: environments[name]
        for name, table in stack.server.sns.items()
        if name in environments
        for topic in table.topics
    }
    if not topics:
        return None
    return SnsDoor(SnsVerifier(frozenset(topics), fetch or fetched, now), topics)


def take(store: Store, door: SnsDoor, proven: Proven, intaking: Intaking) -> str:
    """Do what a proven message asks for, once; what that was, for the log. Raises ``OmcError`` where it should come
    again."""
    environment, topic = door.environment_of(proven), str(proven.topic)
    once = (SOURCE, proven.once)
    if proven.kind == NOTIFICATION:
        body = json.dumps(dict(proven.content))
        at = store.now()
        intaking.deliveries([Delivery(proven.once, body, "", min(proven.at or at, at), 1)], once)
        return f"A message of {topic} was taken in."
    if proven.kind == SUBSCRIBE:
        door.confirm(proven)
        with store.transaction(AUTOMATIC) as transaction:
            inbox.take(transaction, *once)
        return f"{topic} delivers here from now on: its subscription is confirmed."
    found = Unreadable(f"{topic} delivers here no more: somebody ended its subscription.")
    with store.transaction(AUTOMATIC) as transaction:
        if inbox.take(transaction, *once):
            keep_unreadable(transaction, environment.name, proven.once, found.reason, found)
    return found.reason


def fetched(address: str, limit: int) -> bytes:
    """One more byte than the limit at most; ``Unreachable`` where there is no answer that is one."""
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    read = b""
    try:
        with httpx.stream("GET", address, timeout=timeout, follow_redirects=False) as answer:
            if answer.status_code != httpx.codes.OK:
                raise Unreachable(f"SNS answered {answer.status_code} when its certificate was asked for.")
            for part in answer.iter_bytes():
                read += part
                if len(read) > limit:
                    break
    except httpx.HTTPError as error:
        raise Unreachable(f"SNS's certificate can't be had: {type(error).__name__}.") from error
    return read[: limit + 1]
