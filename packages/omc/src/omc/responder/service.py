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
from functools import partial
from typing import TYPE_CHECKING, Final

from omc import github_api
from omc.aws.gateway import Gateway, access_to
from omc.config import Environment, Stack
from omc.engine.processes import this_process
from omc.errors import OmcError, Unknown
from omc.facts.alarm_mutes import read_alarm_mutes
from omc.facts.alarms import read_alarms
from omc.incidents.events import AUTOMATIC, Captured
from omc.maintenance.records import note_undelivered
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext
from omc.notify.delivery import Sender
from omc.notify.http import client
from omc.notify.model import Delivered
from omc.notify.secrets import secret
from omc.notify.slack_api import SlackApi
from omc.notify.slack_socket import Listener, SocketModeOff
from omc.output.text import line
from omc.responder import capture, gathering, life, pulse, reconcile, records, reminders
from omc.responder.action_issues import reconcile_all
from omc.responder.context import context_from
from omc.responder.duty import Duty
from omc.responder.intaking import AlarmReader, Intaking, TagReader
from omc.responder.issues import issues_of
from omc.responder.life import OnCallContext
from omc.responder.maintenances import Overruns
from omc.responder.model import Notification
from omc.responder.policy import Policy, Resolve
from omc.responder.queue import QUEUE, QueueReader, gateway_to_queue, queue_address
from omc.responder.rules import Rules, rules_of
from omc.responder.situations import from_state
from omc.responder.slack_actions import SlackActions
from omc.responder.status.sending import Postman
from omc.responder.status.telling import tell_subscribers
from omc.store import alerts as alert_table
from omc.store import inbox
from omc.store.embedded import StoreUnreachable
from omc.store.opened import Store
from omc.store.subscribers import forget_unconfirmed, lane_of

if TYPE_CHECKING:
    from omc.model.pages import Page
    from omc.notify.model import Undelivered
    from omc.store.opened import Transaction

LOOK_INTERVAL: Final = 1.0
"""Seconds between looks for deadlines that are due."""
RECONCILE_INTERVAL: Final = 60.0
OVERRUN_INTERVAL: Final = 5.0
MUTES_KEPT: Final = 600.0
"""Seconds for which CloudWatch's mute rules count as they were read, where they can't be read any more. Later they hold
nothing: rather a page too many than one that nobody gets."""
FORGET_INTERVAL: Final = 3_600.0
ISSUES_INTERVAL: Final = 3_600.0
MAX_DELAY: Final = 30.0
"""Seconds until a task that failed is tried again, at most; they double from one."""
STALE_AFTER: Final = 90.0
"""Seconds without a turn after which a task counts as dead: a long poll and a reading of AWS take less."""
CUSTOMERS_THREADS: Final = 2
"""That send to customers."""
STOP_WITHIN: Final = 3.0
"""Seconds that a batch in hand has to be taken in when all is to stop; else it comes again."""

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
    _pulses: dict[str, Gateway] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.environments)

    @property
    def duty(self) -> Duty:
        """The rotas, asked by all tasks alike."""
        if self._duty is None:
            self._duty = Duty(self.stack, self.store, began=self.store.now())
        return self._duty

    def run_forever(self) -> None:
        """Work until ``stopping`` is set; what has begun is brought to its end."""
        sender = self._make_sender()
        self.tasks = self._tasks()
        threads = [threading.Thread(target=self._repeat, args=[each], name=each.name) for each in self.tasks]
        threads.append(threading.Thread(target=sender.run_forever, name="sender"))
        if self.stack.status.subscriptions:
            customers = self._make_customers_sender()
            threads.append(threading.Thread(target=lambda: customers.run_forever(CUSTOMERS_THREADS), name="customers"))
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

    def is_watching(self, environment: str) -> bool:
        """Whether an environment's alarms are read just now, and pages sent."""
        return not self.stale() and self.unread().get(environment, STALE_AFTER) < STALE_AFTER

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
            Task(
                "maintenances",
                Overruns(self.store, self.stack, self.names, self.rules_of, self.wake).once,
                OVERRUN_INTERVAL,
                is_vital=False,
            ),
            Task("shifts", self._tell_of_shifts, 30.0, is_vital=False),
            Task("pulse", self._beat, pulse.INTERVAL, is_vital=False),
            Task("auditor", self._audit, pulse.INTERVAL, is_vital=False),
            Task("inbox", self._forget, FORGET_INTERVAL, is_vital=False),
        ]
        if self.stack.status.subscriptions:
            tell = partial(tell_subscribers, self.store, self.names)
            tasks.append(Task("subscribers", tell, LOOK_INTERVAL, is_vital=False))
        if self.stack.github.repository is not None and github_api.token():
            tasks.append(Task("issues", self._look_at_issues, ISSUES_INTERVAL, is_vital=False))
        for environment in self.environments:
            rules = self.rules_of(environment.name)
            reconciler = Reconciler(environment, self.store, rules, self.wake, self.report)
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
            self._beat_for(environment)
        return False

    def _beat_for(self, environment: Environment) -> None:
        """By a gateway that is kept for as long as it works."""
        name = environment.name
        if name not in self._pulses:
            self._pulses[name] = pulse.gateway_for_pulse(environment, access_to(environment))
        try:
            pulse.beat(self._pulses[name])
        except OmcError:
            del self._pulses[name]  # a local cloud that was started anew is elsewhere
            raise

    def _audit(self) -> bool:
        found = pulse.audit(self.store, self.names)
        if not found.is_clean:
            self.report(found.sentence)
        elif not self.stale() and (trouble := pulse.ping()):
            self.report(trouble)
        return False

    def _look_at_issues(self) -> bool:
        try:
            return reconcile_all(self.store, self.names, issues_of(self.stack.github))
        except StoreUnreachable:
            raise
        except Unknown as error:  # GitHub is asked again in an hour, and not at once
            self.report(f"Whether action items are done isn't known: {error.message}")
            return False

    def _forget(self) -> bool:
        with self.store.transaction(AUTOMATIC) as transaction:
            inbox.forget(transaction)
            forget_unconfirmed(transaction)
        return False

    # ── Ways in and out ──────────────────────────────────────────────────────────────────────────────────────────

    def _make_sender(self) -> Sender:
        self._sender = Sender(
            self.store,
            self.names,
            CHANNELS,
            ChannelContext(self.stack, self.store.now, store=self.store),
            this_process(),
            tell=self._note,
            report=self.report,
            stopping=self.stopping,
        )
        return self._sender

    def _note(self, transaction: Transaction, page: Page, outcome: Undelivered | Delivered) -> None:
        if isinstance(outcome, Delivered):
            life.note_channel(transaction, page, outcome)
            return
        life.note_undelivered(transaction, page, outcome.sentence)
        note_undelivered(transaction, page, outcome.sentence)
        self._woken.set()

    def _make_customers_sender(self) -> Sender:
        """For those who subscribed to the status: however many they are and however slow, no page waits for them."""
        postman = Postman(self.stack, self.store, self.report)
        return Sender(
            self.store,
            [lane_of(name) for name in self.names],
            {Channel.SUBSCRIBER: postman.send},
            ChannelContext(self.stack, self.store.now),
            f"{this_process()}/customers",
            tell=postman.undelivered,
            report=self.report,
            stopping=self.stopping,
        )

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
        rules, reads = self.rules_of(environment.name), Gateway(environment, access)
        tags, alarms = TagReader(reads, self.report), AlarmReader(reads, rules, self.store.now, self.report)

        def complete(notification: Notification) -> Notification:
            return alarms.complete(tags.complete(notification))

        intaking = Intaking(self.store, rules, complete, self.report, self.wake)
        reader = QueueReader(gateway, url, intaking.deliveries, self.report, self.stopping)
        self._readers[environment.name] = reader
        reader.run_forever()

    def _listen_to_slack(self) -> None:
        settings = self.stack.notify.slack
        actions = SlackActions(self.stack, self.names, self.store, self.context_of, self.wake)
        api = SlackApi(client(), settings.api, secret("OMC_SLACK_APP_TOKEN") or "")
        listener = Listener(api, actions.handle, settings.team, self.report, self.stopping)
        try:
            listener.run_forever()
        except SocketModeOff as error:
            self.report(error.message)

    def _environment(self, name: str) -> Environment:
        return next(each for each in self.environments if each.name == name)


@dataclass(slots=True)
class Reconciler:
    """Asks CloudWatch once in a while what nobody has told us, and what it mutes."""

    environment: Environment
    store: Store
    rules: Rules
    wake: Callable[[], None]
    report: Report
    gateway: Gateway | None = None
    """None: one is made at the next turn."""
    began: float = field(default_factory=time.monotonic)
    _muted: Mapping[str, str] = field(default_factory=dict)
    _muted_at: float | None = None
    """When mute rules were read last, by the monotonic clock."""
    _trouble: str = ""
    """Why they couldn't be; said once."""

    def once(self) -> bool:
        """Take in what was missed; there is never more to do at once."""
        gateway = self.gateway or Gateway(self.environment, access_to(self.environment))
        self.gateway = None
        alarms = read_alarms(gateway)
        self.gateway = gateway  # kept for as long as it works: a local cloud that was started anew is elsewhere
        muted = self._read_muted(gateway)
        with self.store.reading() as session:
            known = reconcile.by_key(map(from_state, alert_table.states(session, self.environment.name)))
        found = reconcile.missed(alarms, self.environment, known, self.store.now(), muted or {})
        if found:
            records.take(self.store, self.rules, found)
        released = reconcile.unmuted(alarms, known, muted) if muted is not None else []
        if released:
            records.look_at_unmuted(self.store, self.rules, released)
        if found or released:
            self.wake()
        return False

    def _read_muted(self, gateway: Gateway) -> Mapping[str, str] | None:
        """By an alarm's name the rule that mutes it. Where that can't be read, what was read last counts for a while,
        and then nothing as muted; None where nothing was read yet: then what is held stays so."""
        now = time.monotonic()
        try:
            self._muted, self._muted_at, self._trouble = read_alarm_mutes(gateway).rules, now, ""
        except OmcError as error:
            if error.message != self._trouble:
                minutes = f"{MUTES_KEPT / 60:.0f} min"
                self.report(f"What CloudWatch mutes can't be read; after {minutes} nothing is: {error.message}")
            self._trouble = error.message
            if now - (self._muted_at or self.began) > MUTES_KEPT:
                self._muted, self._muted_at = {}, self._muted_at or self.began
        return self._muted if self._muted_at is not None else None
