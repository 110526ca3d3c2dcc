"""What comes to a responder over HTTP, and a mail server: the other ways in and out of a day, behind the gate as well.

Whoever posts does it as its kind does: again until it is answered with 2xx, to whichever responder answers, a signed
post with the same id and a new signature, and now and then once more after that.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import httpx

from killsweep.outside import SILENT_FOR, Outside
from killsweep.wire import CUT, ERROR, KILL, SILENCE, Gate, Instance
from omc.notify.channels.webhook import sign as sign_webhook
from support.mail import Mailbox, mail_server
from support.payloads import TOPIC, enveloped
from support.sns_messages import sign as sign_message

Kind = Literal["alertmanager", "signed", "sns"]
PATHS: Mapping[Kind, str] = {
    "alertmanager": "/v1/environments/local/notifications",
    "signed": "/v1/environments/local/notifications",
    "sns": "/v1/sns",
}
INTAKE_SECRET = "what-the-sweep-signs-with"
GONE = "gone@example.com"
"""A mailbox that isn't there."""
PAUSE = 0.05
TIMEOUT = 10.0
"""Seconds for an answer: more than a responder needs whose database is restarted."""


@dataclass(slots=True)
class Post:
    """One request of a sender's, until it is answered."""

    id: str
    kind: Kind
    body: bytes
    copies: int
    """How often it comes once more after it was answered."""
    attempts: int = 0


@dataclass(slots=True)
class Senders:
    """Alertmanager, somebody who signs, and SNS: each post until it was taken."""

    now: Callable[[], datetime]
    token: str
    """What Alertmanager brings."""
    chance: random.Random
    gate: Gate
    ports: Mapping[str, int]
    """Where each instance listens."""
    instances: Sequence[Instance]
    waiting: dict[str, Post] = field(default_factory=dict)
    deliveries: int = 0
    repeated: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _in_hand: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def put(self, kind: Kind, *contents: object) -> None:
        for content in contents:
            number = next(self._ids)
            text = content if isinstance(content, str) else json.dumps(content)
            body = self._by_sns(text, number) if kind == "sns" else text.encode()
            with self._lock:
                self.waiting[f"{kind} {number}"] = Post(
                    f"msg_{number}", kind, body, copies=int(self.chance.random() < 0.5)
                )

    def is_empty(self) -> bool:
        with self._lock:
            return not self.waiting

    @contextmanager
    def at_work(self, threads: int = 2) -> Iterator[None]:
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            self._over.set()
            for worker in workers:
                worker.join()

    def _by_sns(self, text: str, number: int) -> bytes:
        at = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return sign_message(enveloped(text, MessageId=f"5f0c2a2e-6d1b-5b7e-9a55-{number:012x}", Timestamp=at))

    def _work(self) -> None:
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as http:
            while not self._over.is_set():
                name = self._take()
                if name is None:
                    time.sleep(PAUSE)
                    continue
                try:
                    self._attempt(http, name)
                finally:
                    with self._lock:
                        self._in_hand.discard(name)

    def _take(self) -> str | None:
        with self._lock:
            free = [name for name in self.waiting if name not in self._in_hand]
            if not free:
                return None
            name = self.chance.choice(free)
            self._in_hand.add(name)
            return name

    def _attempt(self, http: httpx.Client, name: str) -> None:
        """One post to one of the instances that live; the gate is before it and before its answer."""
        post = self.waiting[name]
        living = [each for each in self.instances if each.lives()]
        if not living or not _listens(self.ports[(instance := self.chance.choice(living)).name]):
            time.sleep(PAUSE)
            return
        label = f"HTTP {post.kind}"
        if self.gate.at(instance, label, "before"):
            return
        try:
            answer = http.post(
                f"http://127.0.0.1:{self.ports[instance.name]}{PATHS[post.kind]}",
                content=post.body,
                headers=self._headers(post),
            )
        except httpx.HTTPError:  # it has died
            time.sleep(PAUSE)
            return
        post.attempts += 1
        with self._lock:
            self.deliveries += 1
            self.repeated += post.attempts > 1
        if self.gate.at(instance, label, "after"):
            return  # the answer is lost
        if not answer.is_success:
            assert answer.status_code >= 500, f"{post.kind} was answered {answer.status_code}: {answer.text[:200]}"
            time.sleep(PAUSE)
            return
        with self._lock:
            if post.copies:
                post.copies -= 1
            else:
                del self.waiting[name]

    def _headers(self, post: Post) -> dict[str, str]:
        if post.kind == "alertmanager":
            return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if post.kind == "sns":
            return {"Content-Type": "text/plain; charset=UTF-8"}
        at = str(int(self.now().timestamp()))
        signature = sign_webhook(INTAKE_SECRET, post.id, at, post.body)
        return {"webhook-id": post.id, "webhook-timestamp": at, "webhook-signature": signature}


def alertmanager_group(names: Sequence[str], began: datetime, ended: datetime | None = None) -> dict[str, Any]:
    """A group of Alertmanager's, all of one service's and of severity 2."""
    alerts = [
        {
            "status": "firing" if ended is None else "resolved",
            "labels": {"alertname": name, "severity": "page", "service": f"of-{names[0]}"},
            "annotations": {"summary": f"{name} is too high"},
            "startsAt": began.isoformat(),
            "endsAt": "0001-01-01T00:00:00Z" if ended is None else ended.isoformat(),
            "fingerprint": f"{name}-f",
        }
        for name in names
    ]
    return {"version": "4", "groupKey": f"{{}}/{names[0]}", "truncatedAlerts": 0, "status": "firing", "alerts": alerts}


def _listens(port: int) -> bool:
    """One that begins takes a second until it does, and what nobody heard is no point."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """One that nobody listens at just now: a responder that is started anew has the same again."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


@dataclass
class GatedMailbox(Mailbox):
    """A mail server's answers, with the gate before a message is taken and before that is said."""

    outside: Outside = field(default_factory=lambda: _missing("outside"))
    instance: Instance = field(default_factory=lambda: _missing("instance"))
    gate: Gate = field(default_factory=lambda: _missing("gate"))

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address == GONE:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        action = await asyncio.to_thread(self.gate.at, self.instance, "SMTP DATA", "before")
        if action == ERROR:
            return "451 4.3.0 later"
        if action in (KILL, CUT, SILENCE):
            if action == SILENCE:
                await asyncio.sleep(SILENT_FOR)
            return _ended(server)
        await super().handle_DATA(server, _session, envelope)
        message = self.messages[-1]
        body = message.get_body(("plain",))
        said = "" if body is None else str(body.get_content())
        self.outside.note("email", str(message["Idempotency-Key"]), f"{message['Subject']}\n{said}")
        if await asyncio.to_thread(self.gate.at, self.instance, "SMTP DATA", "after"):
            return _ended(server)
        return "250 OK"


def _missing(name: str) -> Any:
    raise TypeError(name)


def _ended(server: Any) -> str:
    """The connection is gone; what is answered reaches nobody."""
    server.transport.abort()
    return "421 4.4.2 gone"


@contextmanager
def mail_wire(outside: Outside, instance: Instance, gate: Gate) -> Iterator[int]:
    """The port of a mail server for one instance."""
    mailbox = GatedMailbox(outside=outside, instance=instance, gate=gate)
    with mail_server(None, mailbox=mailbox) as (_, port):
        yield port


SNS_TOPIC = TOPIC
