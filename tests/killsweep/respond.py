"""The kill sweep of Respond: two responders on one store, and at each commit and each send that they make, before it
and after it, one is killed, or its connection ends, or the database restarts, or a channel fails. Nothing may be lost,
and nothing comes twice but with the same key.

    python tests/killsweep/respond.py [--only kill] [--day doors] [--runs N] [--every N]

A run is a small day: alarms come in any order and some twice, people are paged, the clock goes on and the next in the
chain is paged, the alarms end, and so do the incidents. There are two kinds of day: on one alarms come by the queue,
and people have Slack, PagerDuty, ntfy and webhooks; on the other they come over HTTP (Alertmanager, somebody who signs,
SNS by HTTPS), and people have e-mail and SMS. In each run something happens at the first few points that
nothing has happened at before, and the sweep is over when a run meets no such point: so a commit or a send that omc
learns is swept without being named anywhere. With ``--every N`` it kills at about each Nth point, wherever in the day
that is: what a quarter of an hour has room for, and always the same ones. The last line is JSON. Exit code 1 with
anything lost, or doubled with another key. Ended by Ctrl-C or SIGTERM it says what it has found
so far, and exits with 130.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import select

from killsweep.doors import Senders, alertmanager_group, free_port, mail_wire
from killsweep.outside import SMS, Outside, Queue, outside_wire
from killsweep.responder_process import CHAIN, ENVIRONMENT, Clock, Nursery, stack_at
from killsweep.wire import CUT, ERROR, KILL, RESTART, SILENCE, Gate, Instance, Plan, Point, database_wire
from omc.access.model import Role
from omc.access.records import create_token
from omc.model.matchers import parse_all
from omc.model.silences import Created
from omc.notify.text import code_of
from omc.responder.gathering import SUMMARY
from omc.responder.records import create_silence, rebuild
from omc.responder.rules import rules_of
from omc.store import audit, embedded
from omc.store.database import open_store
from omc.store.deadlines import Deadline
from omc.store.incidents import incidents_of
from omc.store.opened import Store
from omc.store.outbox import GATHERED, WAITING, OutboxRow, summarised
from support.engine_world import execute, place_in
from support.notify_world import SECRETS
from support.sns_messages import certificate

WITHIN: Final = 180.0
"""Seconds for one step of a run: many times what it needs."""
AFTER_DEATH: Final = timedelta(seconds=61)
"""The clock goes on by this after a death, so that the dead one's leases and messages are anybody's."""
IDLE, SLOWER = 0.25, 1.6
"""Seconds without an end after which the clock goes on: to what is due next, or by ``STEP`` where somebody may have
something in hand; then each time after so many times as long, or a slow machine would never get to its end in time."""
STEP: Final = timedelta(seconds=20)
LOOK_UPS: Final = ("POST /api/conversations.list", "POST /api/conversations.history")
"""Where a message that may be in Slack is looked for. It is posted once more where that fails too: better twice than
never."""
QUIET: Final = timedelta(minutes=16)
SILENCED: Final = "alb-elb-5xx"
INCIDENTS: Final = (
    ("backend-at-max",),
    ("frontend-at-max",),
    ("rds-connections-high", "rds-storage-low"),
    ("redis-memory-high",),
)
"""By their alarms. More than one person gets pages for, so that there is a summary; two alarms of one group, so that an
incident is joined; and one of another severity."""
ALARMS: Final = (SILENCED, *(name for group in INCIDENTS for name in group))
BY_ALERTMANAGER, SIGNED = ("queue-age", "threads-busy"), ("certificate-ends",)
BY_SNS: Final = (SILENCED, *INCIDENTS[2], *INCIDENTS[3])


@dataclass(frozen=True, slots=True)
class Day:
    """What comes in, by which ways, and whom it reaches how."""

    name: str
    incidents: tuple[tuple[str, ...], ...]
    has_doors: bool
    """Whether alerts come over HTTP, and people are reached by mail and SMS."""


QUEUE_DAY = Day("queue", INCIDENTS, has_doors=False)
DOORS_DAY = Day("doors", (BY_ALERTMANAGER, SIGNED, *INCIDENTS[2:]), has_doors=True)
DAYS: Final = {each.name: each for each in (QUEUE_DAY, DOORS_DAY)}


# ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────


def alarm(name: str, at: str, state: str) -> dict[str, Any]:
    full = f"ohmycoins-staging-{name}"
    return {
        "AlarmName": full,
        "AlarmArn": f"arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:{full}",
        "NewStateValue": state,
        "StateChangeTime": at,
        "NewStateReason": "Threshold Crossed",
        "AlarmTags": [{"Key": "Project", "Value": "ohmycoins"}],
        "Trigger": {},
    }


def retirement(at: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "7b7f9f6c-1",
        "detail-type": "AWS Health Event",
        "source": "aws.health",
        "account": "123456789012",
        "time": at,
        "region": "ap-southeast-2",
        "resources": ["ohmycoins-staging|backend"],
        "detail": {
            "eventArn": "arn:aws:health:ap-southeast-2::event/ECS/AWS_ECS_TASK_PATCHING_RETIREMENT/x1",
            "service": "ECS",
            "eventTypeCode": "AWS_ECS_TASK_PATCHING_RETIREMENT",
            "eventTypeCategory": "scheduledChange",
            "startTime": "Mon, 7 Dec 2026 00:00:00 GMT",
            "eventDescription": [{"language": "en_US", "latestDescription": "Tasks will be retired."}],
            "affectedEntities": [{"entityValue": "ohmycoins-staging|backend"}],
        },
    }


def certificate_of_sns() -> str:
    """Valid for many years around the day for which ``support.sns_messages`` makes its own."""
    return certificate(days=10_000).decode()


# ── One run ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Told:
    """What a run came to."""

    keys: Counter[str] = field(default_factory=Counter)
    """Of the pages that were handed over, with the incident's number replaced by its alerts."""
    problems: list[str] = field(default_factory=list)
    seen: list[Point] = field(default_factory=list)
    happened: list[tuple[Point, str]] = field(default_factory=list)
    deliveries: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Ground:
    """What all runs share: a PostgreSQL, and the process that forks responders."""

    server: embedded.Server
    nursery: Nursery
    folder: Path
    day: Day = QUEUE_DAY
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def restart_database(self) -> None:
        """As by a crash of its machine: nothing is written down in peace."""
        pid = int((self.server.data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 3)  # SIGQUIT: an immediate shutdown
        while embedded._living(self.server.data) is not None:
            embedded._reap(pid)
            time.sleep(0.002)
        self.server.revive()

    def run(self, plan: Plan, seed: int = 1) -> Told:
        name = f"run{next(self._numbers)}"
        execute(self.server, f"CREATE DATABASE {name} TEMPLATE template_omc STRATEGY file_copy")
        folder = self.folder / name
        folder.mkdir()
        try:
            with open_store(place_in(self.server, name)) as store:
                run = Run(self, name, folder, store, Gate(plan, self.restart_database), seed)
                try:
                    run.play()
                except AssertionError as error:
                    run.told.problems.append(f"{error}\n{run.log_tail()}")
                return run.told
        finally:
            execute(self.server, f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(folder)


@dataclass(slots=True)
class Run:
    """Two responders, a queue, channels and a clock, for one small day."""

    ground: Ground
    database: str
    folder: Path
    store: Store
    gate: Gate
    seed: int
    told: Told = field(default_factory=Told)
    clock: Clock = field(init=False)
    outside: Outside = field(init=False)
    senders: Senders | None = None
    doors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each instance: the port that it listens at, its mail server's, and SNS's certificate."""
    instances: list[Instance] = field(default_factory=list)
    began: datetime = field(init=False)
    """When the alerts began to fire."""
    addresses: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of each instance: its database's URL and that of all else."""

    def __post_init__(self) -> None:
        self.clock = Clock(self.folder / "clock", self.store.now)
        self.store.now = self.clock
        self.outside = Outside(Queue(self.clock, random.Random(self.seed)))

    def play(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._end_all)
            names = ("a", "b")
            ports = {name: free_port() for name in names} if self.ground.day.has_doors else {}
            for name in names:
                instance = Instance(name)
                path = self.ground.server.data / ".s.PGSQL.5432"
                wire = stack.enter_context(database_wire(instance, self.gate, path))
                http = stack.enter_context(outside_wire(self.outside, instance, self.gate))
                url = f"postgresql://omc@127.0.0.1:{wire.port}/{self.database}?sslmode=disable&gssencmode=disable"
                self.addresses[name] = (url, http)
                if ports:
                    smtp = stack.enter_context(mail_wire(self.outside, instance, self.gate))
                    self.doors[name] = {"listen": ports[name], "smtp": smtp, "certificate": certificate_of_sns()}
                self._write_state(name, http)
                self.instances.append(instance)
            if ports:
                _, token = create_token(self.store, "alertmanager", Role.RESPONDER, "ann")
                chance = random.Random(self.seed)
                self.senders = Senders(self.clock, token, chance, self.gate, ports, self.instances)
                stack.enter_context(self.senders.at_work())
            self._silence()
            for instance in self.instances:
                self._start(instance)
            try:
                self._day()
            finally:
                self.gate.stand_down()
            self._judge()

    def _begin(self) -> None:
        began = self.clock()
        at = began.isoformat(timespec="milliseconds")
        others = (retirement(at), "what nobody can read")
        if self.senders is None:
            # One is told twice.
            self.outside.queue.put(*(alarm(name, at, "ALARM") for name in (*ALARMS, ALARMS[1])), *others)
            return
        self.senders.put("alertmanager", alertmanager_group(BY_ALERTMANAGER, began))
        self.senders.put("signed", alertmanager_group(SIGNED, began))
        self.senders.put("sns", *(alarm(name, at, "ALARM") for name in (*BY_SNS, BY_SNS[1])), *others)
        self.began = began

    def _end(self) -> None:
        ended = self.clock()
        at = ended.isoformat(timespec="milliseconds")
        if self.senders is None:
            self.outside.queue.put(*(alarm(name, at, "OK") for name in ALARMS))
            return
        self.senders.put("alertmanager", alertmanager_group(BY_ALERTMANAGER, self.began, ended))
        self.senders.put("signed", alertmanager_group(SIGNED, self.began, ended))
        self.senders.put("sns", *(alarm(name, at, "OK") for name in BY_SNS))

    def _is_all_taken(self) -> bool:
        return self.outside.queue.is_empty() and (self.senders is None or self.senders.is_empty())

    def _day(self) -> None:
        self._begin()
        self._settled("the alarms are taken in and the first is paged")
        for rung in CHAIN[1:]:
            self.clock.forward(rung.after - CHAIN[rung.step - 1].after)
            self._settled(f"{rung.role} is paged")
        self._end()
        self._settled("the ends are taken in")
        self.clock.forward(QUIET)
        self._settled("all incidents are over", self._are_all_over)

    def _settled(self, what: str, also: Callable[[], bool] = lambda: True) -> None:
        """Wait until nothing is left to do; whoever died is replaced meanwhile."""
        began = time.monotonic()
        deadline, wait, idle = began + WITHIN, IDLE, began + IDLE
        # What leads to more is looked at first: a message to its effects, the end of an incident to its notices.
        while not (self._is_all_taken() and also() and not self._is_work_left()):
            for each in self.instances:
                if not each.lives():
                    self.clock.forward(AFTER_DEATH)
                    self._start(each)
            if time.monotonic() > idle:
                following = self._until_next()
                self.clock.forward(following or STEP)
                wait = IDLE if following else wait * SLOWER
                idle = time.monotonic() + wait
            assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}; {self._left()}"
            time.sleep(0.04)

    def _is_work_left(self) -> bool:
        now = self.clock()
        try:
            with self.store.reading() as session:
                due = session.scalars(select(Deadline).where(Deadline.due_at <= now).limit(1)).first()
                left = select(OutboxRow).where(OutboxRow.state.in_((WAITING, GATHERED))).limit(1)
                page = session.scalars(left).first()
        except embedded.StoreUnreachable:  # it is being restarted
            return True
        return due is not None or page is not None

    def _until_next(self) -> timedelta | None:
        """How long nothing can happen; None where somebody has, or may have, something in hand."""
        now = self.clock()
        try:
            with self.store.reading() as session:
                waiting = list(session.scalars(select(OutboxRow).where(OutboxRow.state == WAITING)))
                due = [each.due_at for each in session.scalars(select(Deadline)) if each.kind == SUMMARY]
        except embedded.StoreUnreachable:
            return None
        if not self._is_all_taken() or any(row.holder for row in waiting):
            return None
        at = min([*due, *(row.due_at for row in waiting)], default=now)
        return at - now + timedelta(seconds=0.1) if at > now else None

    def _left(self) -> str:
        with self.store.reading() as session:
            due = [f"{each.kind} {each.subject}" for each in session.scalars(select(Deadline))]
            pages = [
                f"{row.key}: {row.log}"
                for row in session.scalars(select(OutboxRow))
                if row.state in (WAITING, GATHERED)
            ]
        posts = [] if self.senders is None else list(self.senders.waiting)
        return f"messages: {list(self.outside.queue.messages)}, posts: {posts}, deadlines: {due}, pages: {pages}"

    def _are_all_over(self) -> bool:
        try:
            return not any(each.is_open for each in incidents_of(self.store, ENVIRONMENT))
        except embedded.StoreUnreachable:  # as above
            return False

    def _silence(self) -> None:
        stack = stack_at("http://127.0.0.1:9", self.folder / "a")
        rules = rules_of(stack, stack.environments[ENVIRONMENT])
        until = self.clock() + timedelta(days=1)
        create_silence(self.store, rules, Created(parse_all([f"name={SILENCED}"]), "known", "jo", until), "jo")

    # -- what came of it

    def _judge(self) -> None:
        told, problems = self.told, self.told.problems
        told.seen, told.happened = self.gate.seen, self.gate.happened
        came = self.outside.queue if self.senders is None else self.senders
        told.deliveries, told.repeated = came.deliveries, came.repeated
        groups = {
            each.number: tuple(sorted({a.name for a in each.alerts.values()}))
            for each in incidents_of(self.store, ENVIRONMENT)
        }
        if sorted(groups.values()) != sorted(map(_sorted, self.ground.day.incidents)):
            problems.append(f"the incidents are {groups}")
        self._name_messages()
        with self.store.reading() as session:
            named = {each.key: [row.key for row in summarised(session, each.key)] for each in self.outside.handed}
        contents, by_page = dict[str, str](), dict[str, set[str]]()
        for each in self.outside.handed:
            if contents.setdefault(each.key, each.content) != each.content:
                problems.append(f"the page {each.key} came twice with different words")
            for key in named[each.key] or [each.key]:
                told.keys[_without_numbers(key, groups)] += 1
                by_page.setdefault(key, set()).add(each.key)
        problems += [f"{key} came by {sorted(pages)}" for key, pages in by_page.items() if len(pages) > 1]
        told.keys = Counter({key: times for key, times in told.keys.items() if not key.startswith("resolve:")})
        triggers = {
            each.key for each in self.outside.handed if each.channel == "pagerduty" and not _is_notice(each.key)
        }
        ends = {each.key.removeprefix("resolve:") for each in self.outside.handed if each.key.startswith("resolve:")}
        problems += [f"PagerDuty's alert {key} was never resolved" for key in sorted(triggers - ends)]
        slack = Counter(each.key for each in self.outside.handed if each.channel == "slack")
        if not any(point.label in LOOK_UPS for point, _ in told.happened):
            problems += [f"{key} is {times} times in Slack" for key, times in slack.items() if times > 1]
        problems += [f"written outside of a transaction: {text[:80]}" for text in self.gate.stray]
        _, wrong = rebuild(self.store, ENVIRONMENT)
        problems += [f"the row of {name} isn't what its events say" for name in wrong]
        with self.store.reading() as session:
            problems += audit.verify(session).problems[:3]

    def _name_messages(self) -> None:
        """An SMS has a code in place of its page's key."""
        with self.store.reading() as session:
            by_code = {f"{SMS}{code_of(key)}": key for key in session.scalars(select(OutboxRow.key))}
        for each in self.outside.handed:
            each.key = by_code.get(each.key, each.key)

    # -- processes

    def _write_state(self, name: str, address: str) -> None:
        state = self.folder / name
        state.mkdir()
        cloud = {
            "endpoint": address,
            "region": "ap-southeast-2",
            "account": "123456789012",
            "access_key_id": "a",
            "secret_access_key": "b",
            "port_shift": 0,
        }
        (state / "cloud.json").write_text(json.dumps(cloud))

    def _start(self, instance: Instance) -> None:
        url, address = self.addresses[instance.name]
        instance.pid = self.ground.nursery.start(
            url=url,
            address=address,
            state=str(self.folder / instance.name),
            clock=str(self.folder / "clock"),
            log=str(self.folder / f"{instance.name}.log"),
            **self.doors.get(instance.name, {}),
        )

    def _end_all(self) -> None:
        for each in self.instances:
            if each.pid:
                each.kill()

    def log_tail(self) -> str:
        return "\n".join(
            file.read_text(errors="replace")[-1500:] for file in sorted(self.folder.glob("*.log")) if file.exists()
        )


def _without_numbers(key: str, groups: Mapping[int, tuple[str, ...]]) -> str:
    """A page's key with its incident's alerts in place of the number, which depends on what came first."""
    parts = key.split(":")
    at = parts.index(ENVIRONMENT) + 1 if ENVIRONMENT in parts else len(parts)
    if at < len(parts) and parts[at].isdigit():
        parts[at] = "+".join(groups.get(int(parts[at]), (parts[at],)))
    return ":".join(parts)


def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _is_notice(key: str) -> bool:
    return key.startswith(("notice:", "resolve:"))


# ── The sweep ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Result:
    """What a sweep has found."""

    expected: set[str] = field(default_factory=set)
    runs: int = 0
    points: int = 0
    """At which something happened."""
    kinds: Counter[str] = field(default_factory=Counter)
    """What happened, and how often."""
    pages: int = 0
    """That were to be handed over, in all runs together."""
    lost: list[str] = field(default_factory=list)
    other_key: list[str] = field(default_factory=list)
    """Pages that nobody was to get: the same with another key."""
    wrong: list[str] = field(default_factory=list)
    complete: bool = False
    """Whether nothing was left to be tried."""
    same_key: int = 0
    """Pages that came more than once, each time with the same key and the same words."""
    deliveries: int = 0
    repeated: int = 0
    labels: set[str] = field(default_factory=set)

    def add(self, told: Told) -> None:
        self.runs += 1
        what = "; ".join(f"{action} {point}" for point, action in told.happened) or "undisturbed"
        for _, action in told.happened:
            self.kinds[action] += 1
            self.points += 1
        self.labels.update(point.label for point in told.seen)
        self.pages += len(self.expected)
        self.lost += [f"{what}: {key}" for key in sorted(self.expected - set(told.keys))]
        self.other_key += [f"{what}: {key}" for key in sorted(set(told.keys) - self.expected)]
        self.wrong += [f"{what}: {each}" for each in told.problems]
        self.same_key += sum(1 for times in told.keys.values() if times > 1)
        self.deliveries += told.deliveries
        self.repeated += told.repeated

    @property
    def is_well(self) -> bool:
        return not (self.lost or self.other_key or self.wrong)

    def table(self) -> str:
        """A line each of what happened, and one of what came of it."""
        rows = [f"| {kind} | {self.kinds[kind]} |" for kind in sorted(self.kinds)]
        return "\n".join(
            [
                "| what happened | points |",
                "|---|---|",
                *rows,
                "",
                f"{self.runs} runs, {len(self.labels)} kinds of commits and sends, {self.points} points; "
                f"{self.pages} pages to hand over: {len(self.lost)} lost, {len(self.other_key)} with another key, "
                f"{self.same_key} twice with the same key; {self.deliveries} deliveries of alarms, "
                f"{self.repeated} of them repeated; {len(self.wrong)} otherwise wrong",
            ]
        )


@dataclass(slots=True)
class Greedy:
    """A plan: something happens at the first points of a run at which it hasn't yet."""

    action: str
    is_meant: Callable[[Point], bool]
    each_time: bool = True
    """At each occurrence in a run; else once for each kind of point."""
    most: int = 1
    """In one run."""
    done: set[tuple[str, int, str]] = field(default_factory=set)
    now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        self.now = 0

    def __call__(self, point: Point) -> str:
        key = (point.label, point.number if self.each_time else 0, point.side)
        with self._lock:
            if self.now >= self.most or key in self.done or not self.is_meant(point):
                return ""
            self.done.add(key)
            self.now += 1
        return self.action


def is_commit(point: Point) -> bool:
    return point.label.startswith("commit")


def is_send(point: Point) -> bool:
    return not is_commit(point)


def is_before_send(point: Point) -> bool:
    return is_send(point) and point.side == "before"


def is_channel(point: Point) -> bool:
    return point.label.startswith(("POST", "SMTP", "SNS Publish")) and point.side == "before"


def is_door(point: Point) -> bool:
    """Of what only the day of doors has: a post that comes in, a mail, an SMS."""
    return point.label.startswith(("HTTP", "SMTP", "SNS"))


def in_every(number: int) -> Callable[[Point], bool]:
    """About one of so many points, spread over the day and the same in each sweep."""
    return lambda point: zlib.crc32(str(point).encode()) % number == 0


def whole(every: int = 1) -> list[Greedy]:
    """All that ``make kill-sweep-respond`` does; kills at about each so many points."""
    return [
        Greedy(KILL, in_every(every), most=5),
        Greedy(RESTART, is_commit, each_time=False, most=3),
        Greedy(CUT, lambda _: True, each_time=False, most=3),
        Greedy(ERROR, is_before_send, each_time=False, most=3),
        Greedy(SILENCE, is_channel, each_time=False, most=3),
    ]


@contextmanager
def ground_ready(folder: Path) -> Iterator[Ground]:
    """PostgreSQL with omc's schema, and the nursery."""
    server = embedded.Server(folder / "pg")
    server.enter()
    try:
        execute(server, "CREATE DATABASE template_omc")
        with open_store(place_in(server, "template_omc")):
            pass
        nursery = Nursery(SECRETS)
        try:
            yield Ground(server, nursery, folder)
        finally:
            nursery.end()
    finally:
        server.leave()


def sweep(
    ground: Ground,
    plans: Sequence[Greedy],
    most_runs: int = 10_000,
    note: Callable[[str], None] = print,
    result: Result | None = None,
) -> Result:
    """First undisturbed, which says what is expected; then until a run meets nothing new."""
    result = Result() if result is None else result
    first = ground.run(lambda _: "")  # nothing happens
    result.expected = set(first.keys)
    result.add(first)
    for plan in plans:
        for _ in range(most_runs):
            plan.begin()
            began = time.monotonic()
            told = ground.run(plan, seed=result.runs)
            if not told.happened and not told.problems:
                break
            result.add(told)
            what = "; ".join(f"{action} {point}" for point, action in told.happened)
            note(f"{time.monotonic() - began:.1f} s: {what} {'; '.join(told.problems)}")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    plans = whole()
    names = [plan.action for plan in plans]
    parser.add_argument("--day", choices=list(DAYS), help="of this kind alone")
    parser.add_argument("--only", action="append", choices=names, help="sweep this, and whatever else is named")
    parser.add_argument("--runs", type=int, default=10_000, help="runs of each kind, at most")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="kill at about each Nth point")
    provided = parser.parse_args()
    if provided.every < 1:
        parser.error(f"--every is {provided.every}; it is 1 (at each point) or more.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, results = time.monotonic(), dict[str, Result]()
    with tempfile.TemporaryDirectory(prefix="omc-") as folder, ground_ready(Path(folder)) as ground:
        wanted = {plan.action for plan in plans if provided.only is None or plan.action in provided.only}
        with suppress(KeyboardInterrupt):  # whoever ends it is told what was found so far
            for day in DAYS.values():
                if provided.day in (None, day.name):
                    ground.day, result = day, results.setdefault(day.name, Result())
                    chosen = [plan for plan in whole(provided.every) if plan.action in wanted]
                    sweep(ground, chosen, provided.runs, lambda text: print(text, file=sys.stderr, flush=True), result)
                    result.complete = True
    found = list(results.values())
    for result in found:
        for each in (*result.lost, *result.other_key, *result.wrong):
            print(each)
    for name, result in results.items():
        print(f"The day of the {name}:\n\n{result.table()}\n")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    is_complete = all(result.complete for result in found) and len(found) == (1 if provided.day else len(DAYS))
    print(
        json.dumps(
            {
                "runs": sum(result.runs for result in found),
                "points": sum(result.points for result in found),
                "pages": sum(result.pages for result in found),
                "complete": is_complete,
                "lost": sum(len(result.lost) for result in found),
                "other_key": sum(len(result.other_key) for result in found),
                "same_key": sum(result.same_key for result in found),
                "wrong": sum(len(result.wrong) for result in found),
                "seconds": round(time.monotonic() - began),
                "cpu_seconds": round(sum(each.ru_utime + each.ru_stime for each in used)),
            }
        )
    )
    if not all(result.is_well for result in found):
        return 1
    return 0 if is_complete else 130


if __name__ == "__main__":
    sys.exit(main())
