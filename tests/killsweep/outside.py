"""What a responder talks to beside its database: a queue as SQS is, and channels, all behind the gate.

The queue is SQS's JSON protocol and its awkward side: messages come in any order, few at a time, now and then a second
time after they were deleted, and again when whoever received one said nothing. ``moto`` has no such side.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from killsweep.wire import CUT, ERROR, KILL, SILENCE, Gate, Instance
from support.http_server import serving
from support.receivers import Request, Response, Slack, ntfy, pagerduty

MAX_AT_ONCE = 3
"""Messages of one answer, so that several instances have some."""
SILENT_FOR = 2.0
"""Seconds without an answer, before the connection ends."""


@dataclass(slots=True)
class Message:
    id: str
    body: str
    sent: datetime
    visible_at: datetime
    receives: int = 0
    receipt: str = ""
    copies: int = 0
    """How often it comes once more after it was deleted."""


@dataclass(slots=True)
class Queue:
    """A standard queue."""

    now: Callable[[], datetime]
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    repeats: float = 0.5
    """How many of the messages come once more after they were deleted."""
    most: int = MAX_AT_ONCE
    messages: dict[str, Message] = field(default_factory=dict)
    deliveries: int = 0
    repeated: int = 0
    """Deliveries of a message that was delivered before."""
    on_sent: Callable[[], None] = lambda: None
    _ids: Iterator[int] = field(default_factory=itertools.count)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, *bodies: object) -> None:
        with self._changed:
            for body in bodies:
                now, name = self.now(), f"m{next(self._ids)}"
                text = body if isinstance(body, str) else json.dumps(body)
                copies = int(self.chance.random() < self.repeats)
                self.messages[name] = Message(name, text, now, now, copies=copies)
            self._changed.notify_all()

    def is_empty(self) -> bool:
        with self._changed:
            return not self.messages

    def answer(self, action: str, given: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and body."""
        match action:
            case "GetQueueUrl":
                return 200, {"QueueUrl": f"http://queue/{given['QueueName']}"}
            case "ReceiveMessage":
                return 200, {"Messages": self._receive(given)}
            case "DeleteMessageBatch":
                return 200, self._each(given, self._delete)
            case "ChangeMessageVisibilityBatch":
                return 200, self._each(given, self._keep)
        return 400, {"__type": "AccessDeniedException", "message": f"{action} isn't allowed"}

    def _receive(self, given: Mapping[str, Any]) -> list[Any]:
        deadline = time.monotonic() + min(given.get("WaitTimeSeconds", 0), 15)
        with self._changed:
            while not (found := [each for each in self.messages.values() if each.visible_at <= self.now()]):
                if (left := deadline - time.monotonic()) <= 0:
                    return []
                self._changed.wait(min(left, 0.05))
            self.chance.shuffle(found)
            return [self._delivered(each, given) for each in found[: min(self.most, given["MaxNumberOfMessages"])]]

    def _delivered(self, message: Message, given: Mapping[str, Any]) -> Any:
        message.receives += 1
        message.receipt = f"{message.id}/{next(self._ids)}"
        message.visible_at = self.now() + _seconds(given["VisibilityTimeout"])
        self.deliveries += 1
        self.repeated += message.receives > 1
        return {
            "MessageId": message.id,
            "ReceiptHandle": message.receipt,
            "Body": message.body,
            "Attributes": {
                "SentTimestamp": str(int(message.sent.timestamp() * 1000)),
                "ApproximateReceiveCount": str(message.receives),
            },
        }

    def _each(self, given: Mapping[str, Any], act: Callable[[Message, Mapping[str, Any]], None]) -> Any:
        """Each entry whose receipt is the newest of its message; an older one has no effect, and is no mistake."""
        with self._changed:
            by_receipt = {each.receipt: each for each in self.messages.values()}
            for entry in given["Entries"]:
                if (message := by_receipt.get(entry["ReceiptHandle"])) is not None:
                    act(message, entry)
            self._changed.notify_all()
        return {"Successful": [{"Id": entry["Id"]} for entry in given["Entries"]], "Failed": []}

    def _delete(self, message: Message, _: Mapping[str, Any]) -> None:
        if message.copies:
            message.copies -= 1
            message.visible_at = self.now()
        else:
            del self.messages[message.id]

    def _keep(self, message: Message, entry: Mapping[str, Any]) -> None:
        message.visible_at = self.now() + _seconds(entry["VisibilityTimeout"])


def _seconds(number: float) -> Any:
    from datetime import timedelta

    return timedelta(seconds=number)


@dataclass(slots=True)
class Handed:
    """A page that a channel took over."""

    channel: str
    key: str
    content: str
    """All of it that must be the same when it comes again."""
    at: float
    """By the monotonic clock."""


@dataclass(slots=True)
class Outside:
    """The queue and the channels of one run."""

    queue: Queue
    handed: list[Handed] = field(default_factory=list)
    slack: Slack = field(default_factory=Slack)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name in ("alerts", "incidents"):
            self.slack.channel(name)

    @property
    def keys(self) -> Counter[str]:
        """How often each page was handed over."""
        with self._lock:
            return Counter(each.key for each in self.handed)

    def answer(self, request: Request) -> tuple[int, Any]:
        target = request.headers.get("x-amz-target", "")
        if target:
            return self.queue.answer(target.partition(".")[2], request.json)
        if request.path.startswith("/api/"):
            with self._lock:
                answer = self.slack.answer(request)
            if request.path == "/api/chat.postMessage" and answer.body.get("ok"):
                self.note("slack", request.json["metadata"]["event_payload"]["key"], request.json["text"])
        elif request.path == "/v2/enqueue":
            answer, given = pagerduty(request), request.json
            self.note("pagerduty", request.headers["idempotency-key"], json.dumps(given, sort_keys=True))
        elif request.path == "/pages":
            answer, data = Response(200, {}), request.json["data"]
            self.note("webhook", data["key"], json.dumps(data, sort_keys=True))
        elif form := form_of(request):
            return self._sms(form)
        elif request.path == "/" and request.headers.get("idempotency-key"):
            answer = ntfy(request)
            self.note("ntfy", request.headers["idempotency-key"], request.body.decode())
        else:
            answer = Response(400, {"__type": "AccessDenied", "message": "nothing else is here"})
        return answer.status, answer.body

    def _sms(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        """SNS: a number may have opted out. What was sent is known by the code at its end."""
        action = form["Action"]
        if action == "CheckIfPhoneNumberIsOptedOut":
            found = f"<isOptedOut>{str(form['phoneNumber'] == OPTED_OUT).lower()}</isOptedOut>"
        elif action == "Publish":
            code = form["Message"].rpartition(" ")[2]
            if form["PhoneNumber"] != OPTED_OUT:  # SNS takes that over too, and sends it to nobody
                self.note("sms", f"{SMS}{code}", form["Message"])
            found = f"<MessageId>{code}</MessageId>"
        else:
            return 403, xml("<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>")
        return 200, xml(f"<{action}Response><{action}Result>{found}</{action}Result></{action}Response>")

    def note(self, channel: str, key: str, content: str) -> None:
        with self._lock:
            self.handed.append(Handed(channel, key, content, time.monotonic()))


SMS = "sms "
"""Before the code of an SMS, which stands for the key of its page."""
OPTED_OUT = "+61400000009"
SERVER_ERROR = "<ErrorResponse><Error><Code>InternalError</Code></Error></ErrorResponse>"


def xml(text: str) -> bytes:
    return text.encode()


def form_of(request: Request) -> dict[str, str]:
    """What a request of AWS's query protocol asks; empty for any other."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    found = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return found if "Action" in found else {}


def label_of(request: Request) -> str:
    """What kind of send it is."""
    if form := form_of(request):
        return f"SNS {form['Action']}"
    target = request.headers.get("x-amz-target", "")
    return f"SQS {target.partition('.')[2]}" if target else f"POST {request.path}"


def _failed(label: str) -> Any:
    return xml(SERVER_ERROR) if label.startswith("SNS") else {"error": "internal_error"}


def _type_of(label: str) -> str:
    if label.startswith("SNS"):
        return "text/xml"
    return "application/x-amz-json-1.0" if label.startswith("SQS") else "application/json"


@contextmanager
def outside_wire(outside: Outside, instance: Instance, gate: Gate) -> Iterator[str]:
    """The address of all of it for one instance, with the gate on the way there and on the way back."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if len(body) < int(self.headers.get("Content-Length", 0)):  # it was killed in the middle of it
                self._end()
                return
            request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            label = label_of(request)
            is_poll = label == "SQS ReceiveMessage"  # how many of them bring nothing is nobody's concern
            action = "" if is_poll else gate.at(instance, label, "before")
            if action in (KILL, CUT):
                self._end()
                return
            if action == SILENCE:
                time.sleep(SILENT_FOR)
                self._end()
                return
            status, content = (500, _failed(label)) if action == ERROR else outside.answer(request)
            if not action and not (is_poll and not content.get("Messages")) and gate.at(instance, label, "after"):
                self._end()
                return
            if is_poll and not instance.lives():
                self._end()
                return
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", _type_of(label))
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                self.close_connection = True

        def _end(self) -> None:
            """As by a reset: nothing more comes, and not even an end."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def handle(self) -> None:
            with suppress(ConnectionError):  # of one that was killed
                super().handle()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        yield address
