"""``omc serve``: alarms in, pages out, and everything that time brings, until it is told to stop.

Each task runs in a thread of its own. Nothing is kept in memory that another instance would need: several may run on
one store, and any of them may die at any moment. A task that fails is tried again; what has not had a turn for too long
stops the heartbeat, which CloudWatch then rings for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment, Stack
from omc.engine.processes import this_process
from omc.errors import OmcError
from omc.facts.alarms import read_alarms
from omc.incidents.events import AUTOMATIC, Captured
from omc.notify.channels.registry import CHANNELS, ChannelContext
from omc.notify.delivery import Sender
from omc.notify.http import client
from omc.notify.secrets import secret
from omc.notify.slack_api import SlackApi
from omc.notify.slack_socket import Listener, SocketModeOff
from omc.output.text import line
from omc.responder import capture, gathering, life, pulse, reconcile, records, reminders
from omc.responder.context import context_from
from omc.responder.duty import Duty
from omc.responder.intaking import Intaking, TagReader
from omc.responder.life import OnCallContext
from omc.responder.policy import Policy, Resolve
from omc.responder.queue import QueueReader, gateway_to_queue, queue_address
from omc.responder.rules import Rules, rules_of
from omc.responder.situations import from_state
from omc.responder.slack_actions import SlackActions
from omc.store import alerts as alert_table
from omc.store import inbox
from omc.store.embedded import StoreUnreachable
from omc.store.opened import Store

if TYPE_CHECKING:
    from omc.model.pages import Page
    from omc.notify.model import Undelivered
    from omc.store.opened import Transaction

LOOK_INTERVAL: Final = 1.0
"""Seconds between looks for deadlines that are due."""
RECONCILE_INTERVAL: Final = 60.0
FORGET_INTERVAL: Final = 3_600.0
MAX_DELAY: Final = 30.0
"""Seconds until a task that failed is tried again, at most; they double from one."""
STALE_AFTER: Final = 90.0
"""Seconds without a turn after which a task counts as dead: a long poll and a reading of AWS take less."""
STOP_WITHIN: Final = 3.0
"""Seconds that a batch in hand has to be taken in when all is to stop; else it comes again."""
QUEUE: Final = "{prefix}-alerts"
"""The queue that the Terraform module ``monitoring`` makes."""

Report = Callable[[str], None]


@dataclass(slots=True)
class Task:
    """Something that is done again and again."""

    name: str
    once: Callable[[], bool]
    """One turn; whether there may be more to do at once."""
    interval: float
    """Seconds between turns that found nothing."""
    is_vital: bool = True
    """Whether alarms go unheard, or pages unsent, without it: then no heartbeat is sent when it is dead."""
    woken: threading.Event = field(default_factory=threading.Event)
    """Set by whoever knows that there is something to do: then the next turn comes at once."""
    last_turn: float = field(default_factory=time.monotonic)
    """When a turn ended well, by the monotonic clock."""

    def is_stale(self, now: float) -> bool:
        return now - self.last_turn > max(STALE_AFTER, 3 * self.interval)


@dataclass(slots=True)
class Responder:
    """One instance, for the environments whose record is in its store."""

    stack: Stack
    environments: tuple[Environment, ...]
    store: Store
    report: Report
    stopping: threading.Event = field(default_factory=threading.Event)
    resolve: Resolve | None = None
    """Who is on call; None: whom the rotas say."""
    policy: Policy | None = None
    """After how long; None: what omc.toml says."""
    tasks: list[Task] = field(default_factory=list)
    _duty: Duty | None = None
    _woken: threading.Event = field(default_factory=threading.Event)
    _sender: Sender | None = None
    _readers: dict[str, QueueReader] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.environments)

    @property
    def duty(self) -> Duty:
        """The rotas, asked by all tasks alike."""
        if self._duty is None:
            self._duty = Duty(self.stack, self.store)
        return self._duty

    def run_forever(self) -> None:
        """Work until ``stopping`` is set; what has begun is brought to its end."""
        sender = self._make_sender()
        self.tasks = self._tasks()
        threads = [threading.Thread(target=self._repeat, args=[each], name=each.name) for each in self.tasks]
        threads.append(threading.Thread(target=sender.run_forever, name="sender"))
        threads += [
            threading.Thread(target=self._read_queue, args=[each], name=f"queue {each.name}", daemon=True)
            for each in self.environments
        ]
        if secret("OMC_SLACK_APP_TOKEN"):
            threads.append(threading.Thread(target=self._listen_to_slack, name="slack"))
        for thread in threads:
            thread.start()
        self.stopping.wait()
        until = time.monotonic() + STOP_WITHIN
        for thread in threads:
            # A long poll can't be cut short, and what it would bring is anybody's who asks next.
            thread.join(max(0.1, until - time.monotonic()) if thread.daemon else None)

    def wake(self) -> None:
        """There is something to look at, or to send: don't wait for the next look."""
        self._woken.set()
        if self._sender is not None:
            self._sender.wake()

    def stale(self) -> list[str]:
        """The tasks that should have had a turn by now."""
        now = time.monotonic()
        return [each.name for each in self.tasks if each.is_vital and each.is_stale(now)]

    def unread(self) -> Mapping[str, float]:
        """Seconds since each environment's queue last answered, of those that were found."""
        now = time.monotonic()
        return {name: now - reader.last_poll for name, reader in list(self._readers.items())}

    def oldest_in_hand(self) -> Mapping[str, float]:
        """By environment the age in seconds of the oldest message that was received and isn't taken in yet; else 0."""
        now = self.store.now()
        sent = {name: reader.oldest_in_hand for name, reader in list(self._readers.items())}
        return {name: (now - at).total_seconds() if at else 0.0 for name, at in sent.items()}

    def context_of(self, environment: str) -> OnCallContext:
        """What a look at an environment's incidents needs."""
        duty = self.duty
        return context_from(
            self.stack, environment, self.store, self.resolve or duty.resolve, self.policy or duty.policy()
        )

    def rules_of(self, environment: str) -> Rules:
        return rules_of(self.stack, self._environment(environment))

    # ── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _tasks(self) -> list[Task]:
        tasks = [
            Task("deadlines", self._look, LOOK_INTERVAL, woken=self._woken),
            Task("capture", lambda: capture.capture(self.store, self.names, self._evidence), LOOK_INTERVAL, False),
            Task(
                "reminders",
                lambda: reminders.remind(self.store, self.names, lambda name: self.context_of(name).policy),
                30.0,
                is_vital=False,
            ),
            Task("shifts", self._tell_of_shifts, 30.0, is_vital=False),
            Task("pulse", self._beat, pulse.INTERVAL, is_vital=False),
            Task("auditor", self._audit, pulse.INTERVAL, is_vital=False),
            Task("inbox", self._forget, FORGET_INTERVAL, is_vital=False),
        ]
        for environment in self.environments:
            reconciler = Reconciler(environment, self.store, self.rules_of(environment.name), self.wake)
            tasks.append(Task(f"reconcile {environment.name}", reconciler.once, RECONCILE_INTERVAL))
        return tasks

    def _repeat(self, task: Task) -> None:
        delay = 1.0
        while not self.stopping.is_set():
            try:
                is_busy = task.once()
            except StoreUnreachable as error:
                self.report(f"{task.name}: {error.message}")
                with suppress(StoreUnreachable):
                    self.store.revive()
            except OmcError as error:
                self.report(f"{task.name}: {error.message}")
            except Exception as error:  # noqa: BLE001 - a mistake in one task must not end the others
                self.report(f"{task.name}: a mistake in omc: {type(error).__name__}: {line(str(error))}")
            else:
                task.last_turn, delay = time.monotonic(), 1.0
                if not is_busy:
                    self._pause(task)
                continue
            self.stopping.wait(delay)
            delay = min(2 * delay, MAX_DELAY)

    def _pause(self, task: Task) -> None:
        """Until the interval is over, something woke this task, or all is to stop."""
        until = time.monotonic() + task.interval
        while not self.stopping.is_set() and (left := until - time.monotonic()) > 0:
            if task.woken.wait(min(left, 0.5)):
                task.woken.clear()
                return

    def _look(self) -> bool:
        """Deadlines of alerts, of silences and of incidents."""
        looked = sum(records.look_at_due(self.store, self.rules_of(name)) for name in self.names)
        found = life.look(self.store, self.names, self.context_of)
        summarised = gathering.summarise_due(self.store, self.names)
        if (looked or found or summarised) and self._sender is not None:
            self._sender.wake()
        return bool(looked or found or summarised)

    def _evidence(self, name: str) -> Sequence[Captured]:
        return capture.read_evidence(self._environment(name), self.store)

    def _tell_of_shifts(self) -> bool:
        # A rota belongs to no environment: one is enough.
        if self.duty.tell(self.names[0]) and self._sender is not None:
            self._sender.wake()
        return False

    def _beat(self) -> bool:
        if dead := self.stale():
            self.report(f"No heartbeat is sent: {', '.join(dead)} had no turn for {STALE_AFTER:.0f} s.")
            return False
        for environment in self.environments:
            reader = self._readers.get(environment.name)
            if reader is not None and reader.is_late(STALE_AFTER):
                self.report(f"No heartbeat is sent for {environment.name}: its queue was not read for too long.")
                continue
            pulse.beat(pulse.gateway_for_pulse(environment, access_to(environment)))
        return False

    def _audit(self) -> bool:
        found = pulse.audit(self.store, self.names)
        if not found.is_clean:
            self.report(found.sentence)
        elif not self.stale() and (trouble := pulse.ping()):
            self.report(trouble)
        return False

    def _forget(self) -> bool:
        with self.store.transaction(AUTOMATIC) as transaction:
            inbox.forget(transaction)
        return False

    # ── Ways in and out ──────────────────────────────────────────────────────────────────────────────────────────

    def _make_sender(self) -> Sender:
        self._sender = Sender(
            self.store,
            self.names,
            CHANNELS,
            ChannelContext(self.stack, self.store.now),
            this_process(),
            tell=self._undelivered,
            report=self.report,
            stopping=self.stopping,
        )
        return self._sender

    def _undelivered(self, transaction: Transaction, page: Page, undelivered: Undelivered) -> None:
        life.note_undelivered(transaction, page, undelivered.sentence)
        self._woken.set()

    def _read_queue(self, environment: Environment) -> None:
        """Find the queue, then read it; both for as long as it takes."""
        access, delay = access_to(environment), 1.0
        while not self.stopping.is_set():
            try:
                gateway = gateway_to_queue(environment, access)
                url = queue_address(gateway, QUEUE.format(prefix=environment.prefix))
                break
            except OmcError as error:
                self.report(f"The queue of {environment.name} can't be found: {error.message}")
                self.stopping.wait(delay)
                delay = min(2 * delay, MAX_DELAY)
        else:
            return
        tags = TagReader(Gateway(environment, access), self.report)
        intaking = Intaking(self.store, self.rules_of(environment.name), tags.complete, self.report, self.wake)
        reader = QueueReader(gateway, url, intaking.deliveries, self.report, self.stopping)
        self._readers[environment.name] = reader
        reader.run_forever()

    def _listen_to_slack(self) -> None:
        settings = self.stack.notify.slack
        actions = SlackActions(self.stack, self.names, self.store, self.context_of, self.wake)
        api = SlackApi(client(), settings.api, secret("OMC_SLACK_APP_TOKEN") or "")
        listener = Listener(api, actions.handle, report=self.report, stopping=self.stopping)
        try:
            listener.run_forever()
        except SocketModeOff as error:
            self.report(error.message)

    def _environment(self, name: str) -> Environment:
        return next(each for each in self.environments if each.name == name)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Asks CloudWatch once in a while what nobody has told us."""

    environment: Environment
    store: Store
    rules: Rules
    wake: Callable[[], None]

    def once(self) -> bool:
        """Take in what was missed; there is never more to do at once."""
        gateway = Gateway(self.environment, access_to(self.environment))
        alarms = read_alarms(gateway)
        with self.store.reading() as session:
            known = reconcile.by_key(map(from_state, alert_table.states(session, self.environment.name)))
        found = reconcile.missed(alarms, self.environment, known, self.store.now())
        if found:
            records.take(self.store, self.rules, found)
            self.wake()
        return False
