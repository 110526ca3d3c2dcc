"""A responder in a process of its own, forked from one that has imported everything, so that a sweep needs little time.

python -m killsweep.responder_process   reads a line of JSON for each responder to start, and answers with its pid.

What it runs is what ``omc serve`` runs. It has no AWS but the queue, so it is told that all is well, reads no evidence,
reconciles with no CloudWatch and has no pulse; and its clock is the database's, put forward by what stands in a file.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from killsweep.doors import GONE, INTAKE_SECRET, SNS_TOPIC
from killsweep.outside import OPTED_OUT
from omc.aws.gateway import Access
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
from omc.config.server_tables import ServerLimits, ServerSettings, SnsTable
from omc.incidents.events import Captured
from omc.judgement.escalation import Rung
from omc.model.people import Channel, ContactMethod, Person
from omc.notify import delivery
from omc.notify.http import client
from omc.responder.api.beside import context_beside
from omc.responder.api.serving import bound
from omc.responder.api.serving import serve as serve_api
from omc.responder.life import OnCallContext
from omc.responder.policy import Policy
from omc.responder.queue import gateway_to_queue
from omc.responder.rules import Rules
from omc.responder.service import Responder, Task
from omc.responder.sns import sns_door
from omc.store.database import open_store
from omc.store.location import StoreLocation

TESTS = Path(__file__).parents[1]
ENVIRONMENT = "local"
PEOPLE = {
    "ann": Person("ann", "Ann", (ContactMethod(Channel.WEBHOOK, "hook"),)),
    "bob": Person("bob", "Bob", (ContactMethod(Channel.SLACK, "U0GONE001"), ContactMethod(Channel.NTFY, "bob"))),
    "cy": Person("cy", "Cy", (ContactMethod(Channel.PAGERDUTY, "jo-pages"),)),
}
BY_MAIL_AND_SMS = {
    "ann": Person("ann", "Ann", (ContactMethod(Channel.EMAIL, "ann@example.com"),)),
    "bob": Person("bob", "Bob", (ContactMethod(Channel.SMS, OPTED_OUT), ContactMethod(Channel.SMS, "+61400000001"))),
    "cy": Person("cy", "Cy", (ContactMethod(Channel.EMAIL, GONE), ContactMethod(Channel.EMAIL, "cy@example.com"))),
}
"""The people of the day on which alerts come over HTTP. Of two contacts the first is gone."""
CHAIN = tuple(
    Rung(step, role, timedelta(hours=after))
    for step, (role, after) in enumerate((("primary", 0), ("secondary", 4), ("lead", 8)))
)
"""Hours apart: what a kill costs (a lease, a message's visibility: a minute each) never brings the next one's turn."""
POLICY = Policy(
    CHAIN,
    most_pages=1,
    again=timedelta(days=9),
    mitigation=timedelta(days=9),
    persons=PEOPLE,
    channel=ContactMethod(Channel.SLACK, "#incidents"),
)
INTERVALS = {1.0: 0.4, 30.0: 1.0}
"""Seconds between looks of a task, in place of these: the clock of a sweep goes on faster than the machine's."""
ATTEMPT = 1.0
"""Seconds for one attempt of a page, in place of eight."""


def stack_at(address: str, state: Path, smtp: int = 0) -> Stack:
    """omc.toml's stack, whose people and channels are the sweep's. ``smtp``: a mail server's port, where people are
    reached by mail and SMS, and alerts come over HTTP."""
    os.environ["OMC_LOCAL_STATE"] = str(state)
    settings = NotifySettings(
        slack=SlackTable(api=f"{address}/api"),
        pagerduty={"jo-pages": PagerDutyTable(api=address)},
        ntfy=NtfyTable(server=address),
        webhook={"hook": WebhookTable(url=f"{address}/pages")},
    )
    stack = replace(load(TESTS.parent / "omc.toml"), notify=settings, persons=PEOPLE)
    if not smtp:
        return stack
    email = EmailTable(host="127.0.0.1", port=smtp, sender="omc@example.com", security="none")
    settings = NotifySettings(slack=settings.slack, email=email, sms=SmsTable(sender_id="OhMyCoins"))
    limits = ServerLimits(address_requests_per_minute=100_000)
    server = ServerSettings(sns={ENVIRONMENT: SnsTable(topics=(SNS_TOPIC,))}, limits=limits)
    return replace(stack, notify=settings, persons=BY_MAIL_AND_SMS, server=server)


class Clock:
    """A time that everybody shares and one puts forward: seconds in a file."""

    def __init__(self, file: Path, real: Callable[[], datetime]) -> None:
        if not file.exists():
            file.write_bytes(struct.pack("d", 0.0))
        self.real = real
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 8)

    def __call__(self) -> datetime:
        return self.real() + timedelta(seconds=struct.unpack("d", self._map[:])[0])

    def forward(self, by: timedelta) -> None:
        self._map[:] = struct.pack("d", struct.unpack("d", self._map[:])[0] + by.total_seconds())


class Swept(Responder):
    """Without what asks AWS for more than the queue."""

    def context_of(self, environment: str) -> OnCallContext:
        return OnCallContext(
            replace(POLICY, most_pages=0, persons=self.stack.persons),
            lambda rung, _: self.stack.persons[("ann", "bob", "cy")[rung.step]],
            lambda: (),
        )

    def rules_of(self, environment: str) -> Rules:
        return replace(super().rules_of(environment), services=frozenset())  # a tag may name any

    def _evidence(self, name: str) -> Sequence[Captured]:
        return [Captured("stopped tasks", (f"none in {name}",))]

    def _tasks(self) -> list[Task]:
        return [each for each in super()._tasks() if not each.name.startswith(("reconcile", "pulse"))]


class Hurried(Swept):
    """With a clock that is put forward, and a person who gets one page and a summary."""

    def context_of(self, environment: str) -> OnCallContext:
        return replace(super().context_of(environment), policy=replace(POLICY, persons=self.stack.persons))

    def _tasks(self) -> list[Task]:
        kept = super()._tasks()
        for each in kept:
            each.interval = INTERVALS.get(each.interval, each.interval)
        return kept


def answer(responder: Responder, port: int, certificate: str) -> None:
    """The API beside it, as ``omc serve`` has it; SNS's host gives our own certificate."""
    chosen = {each.name: each for each in responder.environments}
    door = sns_door(responder.stack, chosen, responder.store.now, lambda _, limit: certificate.encode()[: limit + 1])
    context = replace(context_beside(responder), sns=door)
    listening = bound(f"127.0.0.1:{port}")
    what = (context, listening, lambda _: None, responder.stopping.is_set)
    threading.Thread(target=serve_api, args=what, name="api", daemon=True).start()


def serve(
    url: str,
    address: str,
    state: str,
    clock: str,
    log: str,
    *,
    is_hurried: bool = True,
    listen: int = 0,
    smtp: int = 0,
    certificate: str = "",
) -> None:
    """As ``omc serve`` does, until it is killed or told to end. ``listen``: the port of its API, if it has one."""
    if is_hurried:
        delivery.URGENT_LIMIT = delivery.LIMIT = ATTEMPT
    stack = stack_at(address, Path(state), smtp)
    with Path(log).open("a") as notes, open_store(StoreLocation(url=url)) as store:
        store.now = Clock(Path(clock), store.now)
        chosen = stack.environments[ENVIRONMENT]

        def report(text: str) -> None:
            print(os.getpid(), text, file=notes, flush=True)

        responder = (Hurried if is_hurried else Swept)(stack, (chosen,), store, report)
        signal.signal(signal.SIGTERM, lambda *_: responder.stopping.set())
        if listen:
            answer(responder, listen, certificate)
        responder.run_forever()


class Nursery:
    """The process that forks them."""

    def __init__(self, secrets: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_", "GITHUB_"))}
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        own = {name: value for name, value in secrets.items() if name != "OMC_SLACK_APP_TOKEN"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "killsweep.responder_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | own | {"PYTHONPATH": path, "OMC_INTAKE_SECRET_LOCAL": INTAKE_SECRET},
        )

    def start(self, **what: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _warm() -> None:
    """Import what a responder imports only when it works."""
    import holidays

    del holidays
    stack = stack_at("http://127.0.0.1:9", TESTS)
    gateway_to_queue(stack.environments[ENVIRONMENT], Access("http://127.0.0.1:9", "a", "b")).client("sqs")
    client().close()


def _reap(*_: object) -> None:
    """Nobody asks how they ended; what they took counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    _warm()
    signal.signal(signal.SIGCHLD, _reap)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            given = json.loads(line)
            try:
                serve(**given)
            except BaseException:  # noqa: BLE001 - nobody else would say it
                with Path(given["log"]).open("a") as notes:
                    traceback.print_exc(file=notes)
            finally:
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
