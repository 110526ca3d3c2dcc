"""The queue of alarms: long polls, and deletes a message only after what it led to is committed.

A message may come twice, late and out of order, and does after every crash: whoever takes it makes sure that it takes
effect once. Nothing that came is given up here. What can't be taken comes again, and moves to the dead-letter queue by
the queue's own redrive policy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from omc.aws.gateway import Access, Gateway
from omc.config import Environment
from omc.errors import OmcError
from omc.output.text import counted, verb
from omc.store.embedded import StoreUnreachable

OPERATIONS: Final = frozenset(
    {
        ("sqs", "ReceiveMessage"),
        ("sqs", "DeleteMessageBatch"),
        ("sqs", "ChangeMessageVisibilityBatch"),
    }
)
"""What may be sent to a queue beside reads. Each may be repeated without harm."""
QUEUE: Final = "{prefix}-alerts"
"""The queue that the Terraform module ``monitoring`` makes."""
BATCH: Final = 10
"""Messages of one call (SQS's limit)."""
WAIT: Final = 15
"""Seconds of a long poll; five less than the gateway waits for an answer."""
VISIBILITY: Final = 60
"""Seconds for which a message that was received is kept from others; lengthened for as long as it is worked on."""
MAX_RECEIVES: Final = 10
"""Of a message that can't be taken. From then on it is left to the redrive policy, which has the same number."""
DELETE_TRIES: Final = 5
MAX_DELAY: Final = 30.0
"""Seconds between tries, at most; they double from one."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it was received this time."""

    id: str
    """SQS's own. A redrive from a dead-letter queue changes it."""
    body: str = field(repr=False)
    receipt: str = field(repr=False)
    """Of this time; an older one deletes nothing."""
    sent: datetime
    """When it was put into the queue."""
    receives: int
    """How often it was received, this time included; also by people who look at the queue in the console."""


def _now() -> datetime:
    return datetime.now(UTC)


Take = Callable[[Sequence[Delivery]], None]
"""Takes messages in, in one transaction. When it returns all of them are committed; when it raises none is."""


def gateway_to_queue(environment: Environment, access: Access) -> Gateway:
    """A gateway that reads, and does with queues what it takes to empty one."""
    return Gateway(environment, access, allowed=OPERATIONS)


def queue_address(gateway: Gateway, name: str) -> str:
    """The URL of a queue. Raises ``NotFound``."""
    return str(gateway.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


@dataclass(slots=True)
class QueueReader:
    """Reads one queue until it is told to stop. Several may read the same one, in one process or in many."""

    gateway: Gateway
    url: str
    take: Take
    report: Callable[[str], None]
    stopping: threading.Event = field(default_factory=threading.Event)
    wait: int = WAIT
    visibility: int = VISIBILITY
    now: Callable[[], datetime] = field(default=_now)
    taken: int = 0
    """Messages that were taken and committed, deleted or not."""
    failed: int = 0
    """Tries that failed, of messages by themselves."""
    last_poll: float = field(default_factory=time.monotonic)
    """When the queue last answered, by the monotonic clock."""
    _in_hand: dict[str, Delivery] = field(default_factory=dict)
    """By receipt: those that are kept from others."""
    _hand: threading.Lock = field(default_factory=threading.Lock)

    def run_forever(self) -> None:
        """Read until ``stopping`` is set. A queue that can't be reached is waited for."""
        delay = 1.0
        while not self.stopping.is_set():
            try:
                self.run_once()
                delay = 1.0
            except OmcError as error:
                self.report(f"The queue can't be read: {error.message}")
                self.stopping.wait(delay)
                delay = min(2 * delay, MAX_DELAY)

    def is_late(self, seconds: float) -> bool:
        """Whether the queue hasn't been read for longer than this: it doesn't answer, or what came can't be taken."""
        return time.monotonic() - self.last_poll > seconds

    @property
    def oldest_in_hand(self) -> datetime | None:
        """When the oldest message was sent that was received and isn't taken in yet."""
        return min((each.sent for each in list(self._in_hand.values())), default=None)

    def run_once(self) -> int:
        """One long poll, and what it brought; how many messages that was. Raises ``OmcError`` where the queue can't be
        reached."""
        received = self._receive()
        if not received:
            return 0
        # What was received before may be what ended the process then: alone, it ends only itself.
        fresh = [one for one in received if one.receives == 1]
        groups = [fresh, *([one] for one in received if one.receives > 1)]
        with self._holding(received):
            for group in filter(None, groups):
                self._take_group(group)
        return len(received)

    def _receive(self) -> list[Delivery]:
        answer = self.gateway.client("sqs").receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=self.wait,
            VisibilityTimeout=self.visibility,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        self.last_poll = time.monotonic()
        return sorted((self._delivery(one) for one in answer.get("Messages", [])), key=lambda one: one.sent)

    def _delivery(self, message: Any) -> Delivery:
        attributes = message.get("Attributes", {})
        sent = attributes.get("SentTimestamp")
        return Delivery(
            id=str(message["MessageId"]),
            body=str(message.get("Body", "")),
            receipt=str(message["ReceiptHandle"]),
            sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else self.now(),
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
        )

    def _take_group(self, group: list[Delivery]) -> None:
        """Take all of them, each by itself where that fails; while the store is away, wait with them in hand."""
        delay = 1.0
        while True:
            try:
                self.take(group)
            except StoreUnreachable as error:
                self.report(f"{error.message} {counted(len(group), 'message')} wait for it.")
                if self.stopping.wait(delay):
                    self._give_back(group, 0)
                    return
                delay = min(2 * delay, MAX_DELAY)
            except Exception as error:  # noqa: BLE001 - one message that nobody can take must not stop the others
                if len(group) == 1:
                    self._leave(group[0], error)
                else:
                    for one in group:
                        self._take_group([one])
                return
            else:
                self.taken += len(group)
                self._delete(group)
                return

    def _leave(self, delivery: Delivery, error: Exception) -> None:
        """Soon again, then later, at last not before its time is up: then the redrive policy has it."""
        self.failed += 1
        is_last = delivery.receives >= MAX_RECEIVES
        then = "It is left to the dead-letter queue." if is_last else "It will come again."
        what = error.message if isinstance(error, OmcError) else f"{type(error).__name__}: {error}"
        self.report(f"Message {delivery.id} can't be taken ({delivery.receives} times now): {what} {then}")
        self._give_back([delivery], self.visibility if is_last else min(2 ** (delivery.receives - 1), self.visibility))

    def _delete(self, deliveries: Sequence[Delivery]) -> None:
        """One that stays after all comes again, and has no effect."""
        self._let_go(deliveries)
        left, delay, cause = list(deliveries), 0.5, ""
        for _ in range(DELETE_TRIES):
            try:
                answer = self.gateway.client("sqs").delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[{"Id": str(at), "ReceiptHandle": one.receipt} for at, one in enumerate(left)],
                )
            except OmcError as error:
                cause = error.message
            else:
                # A fault of the sender's is a receipt that is no longer good: another try can't mend that.
                failures = answer.get("Failed", [])
                cause = ", ".join(sorted({str(one.get("Code", "unknown")) for one in failures}))
                for one in failures:
                    if one.get("SenderFault"):
                        self.report(f"Message {left[int(one['Id'])].id} can't be deleted: {one.get('Code')}.")
                left = [left[int(one["Id"])] for one in failures if not one.get("SenderFault")]
            if not left:
                return
            self.stopping.wait(delay)
            delay *= 2
        self.report(
            f"{counted(len(left), 'message')} that {verb(len(left), 'was', 'were')} taken can't be deleted "
            f"and will come again: {cause}"
        )

    def _give_back(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        """Let others have them after so many seconds."""
        self._let_go(deliveries)
        self._keep_from_others(deliveries, seconds)

    def _let_go(self, deliveries: Sequence[Delivery]) -> None:
        """Waits for a lengthening that is under way, which would undo what comes next."""
        with self._hand:
            for one in deliveries:
                self._in_hand.pop(one.receipt, None)

    def _keep_from_others(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        """Where this fails, others have them when the time is up that they have: then they are taken twice, once of
        which has no effect."""
        entries = [
            {"Id": str(at), "ReceiptHandle": one.receipt, "VisibilityTimeout": seconds}
            for at, one in enumerate(deliveries)
        ]
        try:
            self.gateway.client("sqs").change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        except OmcError as error:
            self.report(
                f"How long {counted(len(entries), 'message')} are kept from others can't be changed: {error.message}"
            )

    @contextmanager
    def _holding(self, deliveries: Sequence[Delivery]) -> Iterator[None]:
        """Keep them from others for as long as this takes (SQS's limit: 12 hours from when they were received)."""
        done = threading.Event()

        def lengthen() -> None:
            while not done.wait(self.visibility / 3):
                with self._hand:
                    if held := list(self._in_hand.values()):
                        self._keep_from_others(held, self.visibility)

        self._in_hand = {one.receipt: one for one in deliveries}
        thread = threading.Thread(target=lengthen, name="queue-holding", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
