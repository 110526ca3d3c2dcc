"""Messages of the queue on their way in: read, completed with the alarm's tags, and taken in with all that follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from omc.aws.gateway import Gateway
from omc.engine.processes import this_process
from omc.errors import OmcError
from omc.facts.alarms import read_alarm
from omc.incidents.events import AUTOMATIC
from omc.maintenance.announced import keep_planned
from omc.model.planned import Planned
from omc.responder import records, trial
from omc.responder.intake import envelope
from omc.responder.intake.reading import Context
from omc.responder.model import Ignored, Intake, Notification, Trial, Unreadable
from omc.responder.pipeline.age import with_end
from omc.responder.pipeline.enrich import TAG, with_tags
from omc.responder.pipeline.mute import SOURCE, TOPIC, with_actions_off
from omc.responder.queue import Delivery
from omc.responder.reconcile import state_now
from omc.responder.records import Once
from omc.responder.rules import Rules
from omc.responder.unreadable import keep_unreadable
from omc.store import inbox
from omc.store.opened import Store

TAGS_KEPT: Final = 600.0
"""Seconds for which an alarm's tags are taken to be as they were read."""
MAX_TAGGED: Final = 5_000
UNKNOWN_TAGS: Final = {"tags_status": "unread"}
"""The label of a notification whose alarm's tags could not be read: its severity is omc's catalogue's then."""


@dataclass(slots=True)
class TagReader:
    """The tags of alarms, read once in a while. Safe to use from many threads."""

    gateway: Gateway
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, Mapping[str, str]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, notification: Notification) -> Notification:
        """The notification with its alarm's tags, unless its message had them. AWS that doesn't answer holds no page
        up: then it is taken as it is, and says so."""
        arn = notification.labels.get("alarm_arn", "")
        if not arn or any(label.startswith(TAG) for label in notification.labels):
            return notification
        tags = self._of(arn)
        if tags is None:
            return replace(notification, labels={**notification.labels, **UNKNOWN_TAGS})
        return with_tags(notification, tags)

    def _of(self, arn: str) -> Mapping[str, str] | None:
        now = self.clock()
        with self._lock:
            at, known = self._known.get(arn, (0.0, None))
        if known is not None and now - at < TAGS_KEPT:
            return known
        try:
            answer = self.gateway.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)
        except OmcError as error:
            self.report(f"The tags of {arn} can't be read: {error.message}")
            return known
        found = {tag["Key"]: tag["Value"] for tag in answer["Tags"]}
        with self._lock:
            if len(self._known) >= MAX_TAGGED:
                self._known.clear()
            self._known[arn] = (now, found)
        return found


@dataclass(frozen=True, slots=True)
class AlarmReader:
    """What has become of an alarm that is told to fire, where its message doesn't say enough: whether it fires still,
    where the message is old; whether its actions are off, where it didn't come by one of them."""

    gateway: Gateway
    rules: Rules
    now: Callable[[], datetime]
    report: Callable[[str], None]

    def complete(self, notification: Notification) -> Notification:
        """The notification with that. AWS that doesn't answer holds no page up: then it is taken as it is."""
        if notification.source != SOURCE or notification.state != "firing":
            return notification
        now = self.now()
        is_old = now - notification.at > self.rules.old_news
        if notification.labels.get(TOPIC) and not is_old:
            return notification
        try:
            alarm = read_alarm(self.gateway, notification.name)
        except OmcError as error:
            self.report(f"What has become of {notification.name} can't be read: {error.message}")
            return notification
        arn = notification.labels.get("alarm_arn", "")
        if arn and (alarm.arn != arn if alarm is not None else not self._is_here(arn)):
            return notification  # another region's or account's: nothing here says what has become of it
        if alarm is None:
            return with_end(notification, now, "CloudWatch has no alarm of this name now")
        if state_now(alarm, self.rules.environment, now) == "ended":
            return with_end(notification, alarm.since, f"CloudWatch says that it has been {alarm.state} since")
        return with_actions_off(notification) if alarm.is_switched_off else notification

    def _is_here(self, arn: str) -> bool:
        """Whether the alarm of this ARN would be in the region and the account that are asked."""
        environment, (_, _, _, region, account, *_) = self.gateway.environment, [*arn.split(":"), "", "", "", "", ""]
        return region == environment.region and environment.account in (None, account)


@dataclass(frozen=True, slots=True)
class Intaking:
    """Takes in what comes for one environment."""

    store: Store
    rules: Rules
    complete: Callable[[Notification], Notification]
    report: Callable[[str], None]
    wake: Callable[[], None] = lambda: None
    """There may be a page to send, or a deadline to look at."""

    def deliveries(self, deliveries: Sequence[Delivery], once: Once | None = None) -> None:
        """All of a batch, committed when this returns. What it does twice has no second effect. ``once``: what proved
        who sent it; with the same again nothing is done."""
        environment = self.rules.environment
        read = [(each, envelope.read(each.body, Context(environment, each.sent))) for each in deliveries]
        others = [
            (delivery, other)
            for delivery, several in read
            for other in several
            if isinstance(other, Planned | Trial | Unreadable)
        ]
        found = [each for _, several in read for each in several]
        if others:
            with self.store.transaction(AUTOMATIC) as transaction:
                # Where changes of alerts follow, it is taken with those; what is kept here is kept once by itself.
                is_last = not any(isinstance(each, Notification) for each in found)
                if once is not None and is_last and not inbox.take(transaction, *once):
                    return
                for delivery, other in others:
                    if isinstance(other, Planned):
                        keep_planned(transaction, other)
                    elif isinstance(other, Trial):
                        self.report(trial.receive(transaction, other, delivery.sent, str(this_process())))
                    else:
                        keep_unreadable(transaction, environment, delivery.id, delivery.body, other)
                        self.report(f"Message {delivery.id} can't be read: {other.reason}")
            self.wake()
        self.take(found, once)

    def take(self, found: Sequence[Intake], once: Once | None = None) -> None:
        """Notifications, from whatever source. Anything else among them was seen to before."""
        notifications = [self.complete(each) for each in found if isinstance(each, Notification)]
        for each in found:
            if isinstance(each, Ignored):
                self.report(each.reason)
        if notifications:
            records.take(self.store, self.rules, notifications, once)
            self.wake()
