"""Servers that speak as Slack, PagerDuty, ntfy and a webhook's receiver do, strictly: what they wouldn't take fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from support.http_server import serving

RESET = "reset"
"""In place of an answer: the connection is reset once the request has been read."""
SILENT = "silent"
"""In place of an answer: none, until the test is over."""


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Response | str


@dataclass
class Receiver:
    """What it was sent, and what it says next in place of its own answer."""

    answer: Callable[[Request], Answer]
    address: str = ""
    requests: list[Request] = field(default_factory=list)
    queued: list[Answer] = field(default_factory=list)
    """Said first, one to a request."""
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            return self.queued.pop(0) if self.queued else self.answer(request)


@contextmanager
def receiving(answer: Callable[[Request], Answer] = lambda _: Response()) -> Iterator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = receiver.reply(Request(self.path, headers, body))
            if said == RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            if said == SILENT:
                receiver.over.wait(60)
                self.close_connection = True
                return
            assert isinstance(said, Response)
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with serving(Handler) as address:
        receiver.address = address
        try:
            yield receiver
        finally:
            receiver.over.set()


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────────────────────

BOT_TOKEN, APP_TOKEN = "xoxb-123-c4n4ry-bot", "xapp-1-A1-c4n4ry-app"
FORMS = {"conversations.history", "conversations.list"}
NAME = re.compile(r"[a-z0-9_-]{1,80}")


@dataclass
class Slack:
    """One workspace: channels by id, messages in their order."""

    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    """(method, error), each said once."""
    socket_url: str = ""
    sockets_opened: int = 0

    def channel(self, name: str, *, is_archived: bool = False) -> str:
        made = f"C{len(self.channels) + 1:08d}"
        self.channels[made] = {"id": made, "name": name, "is_archived": is_archived, "topic": "", "members": []}
        return made

    def answer(self, request: Request) -> Response:
        method = request.path.removeprefix("/api/")
        for number, (of, error) in enumerate(self.errors):
            if of == method:
                del self.errors[number]
                return _slack_error(error)
        token = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if request.headers.get("authorization") != f"Bearer {token}":
            return _slack_error("invalid_auth")
        is_form = request.headers["content-type"].startswith("application/x-www-form-urlencoded")
        if (method in FORMS) != is_form:
            return _slack_error("invalid_form_data" if method in FORMS else "invalid_post_type")
        arguments: dict[str, Any] = (
            {name: values[0] for name, values in parse_qs(request.body.decode()).items()} if is_form else request.json
        )
        handler = getattr(self, method.replace(".", "_").lower(), None)
        return handler(arguments) if handler else _slack_error("unknown_method")

    def apps_connections_open(self, _: Any) -> Response:
        self.sockets_opened += 1
        return Response(body={"ok": True, "url": self.socket_url})

    def conversations_open(self, given: Any) -> Response:
        if given["users"].startswith("U0GONE"):
            return _slack_error("user_disabled")
        return Response(body={"ok": True, "channel": {"id": f"D{given['users'][1:]}"}})

    def chat_postmessage(self, given: Any) -> Response:
        place = self._find(given["channel"])
        if place is None:
            return _slack_error("channel_not_found")
        if (problem := _blocks_problem(given.get("blocks", []))) is not None:
            return _slack_error(problem)
        if not given.get("text"):
            return _slack_error("no_text")
        ts = f"1700000000.{len(self.messages) + 1:06d}"
        self.messages.append({**given, "channel": place, "ts": ts})
        return Response(body={"ok": True, "channel": place, "ts": ts})

    def chat_update(self, given: Any) -> Response:
        for message in self.messages:
            if (message["channel"], message["ts"]) == (given["channel"], given["ts"]):
                message.update(given)
                return Response(body={"ok": True, "channel": given["channel"], "ts": given["ts"]})
        return _slack_error("message_not_found")

    def conversations_history(self, given: Any) -> Response:
        found = [each for each in reversed(self.messages) if each["channel"] == given["channel"]]
        if given.get("include_all_metadata") != "true":
            found = [{name: value for name, value in each.items() if name != "metadata"} for each in found]
        return Response(body={"ok": True, "messages": found[: int(given.get("limit", 100))]})

    def conversations_list(self, given: Any) -> Response:
        shown = [each for each in self.channels.values() if not each["is_archived"]]
        start = int(given.get("cursor", 0))
        more = str(start + 2) if start + 2 < len(shown) else ""  # small pages, so that they are followed
        return Response(
            body={"ok": True, "channels": shown[start : start + 2], "response_metadata": {"next_cursor": more}}
        )

    def conversations_create(self, given: Any) -> Response:
        name = given["name"]
        if not NAME.fullmatch(name):
            return _slack_error("invalid_name_specials")
        if any(each["name"] == name for each in self.channels.values()):
            return _slack_error("name_taken")
        return Response(body={"ok": True, "channel": self.channels[self.channel(name)]})

    def conversations_settopic(self, given: Any) -> Response:
        if len(given["topic"]) > 250:
            return _slack_error("too_long")
        self.channels[given["channel"]]["topic"] = given["topic"]
        return Response(body={"ok": True})

    def conversations_invite(self, given: Any) -> Response:
        members, users = self.channels[given["channel"]]["members"], given["users"].split(",")
        if any(each in members for each in users) and not given.get("force"):
            return _slack_error("already_in_channel")
        members += [each for each in users if each not in members]
        return Response(body={"ok": True})

    def _find(self, place: str) -> str | None:
        if place.startswith("D") or place in self.channels:
            return place
        named = [each for each in self.channels.values() if each["name"] == place.removeprefix("#")]
        return named[0]["id"] if place.startswith("#") and named and not named[0]["is_archived"] else None


def _slack_error(error: str) -> Response:
    if error == "ratelimited":
        return Response(429, {"ok": False, "error": error}, {"Retry-After": "30"})
    return Response(body={"ok": False, "error": error})


def _blocks_problem(blocks: list[Any]) -> str | None:
    """What Slack would refuse: too many, an empty or a too long text, a button's value beyond its limit."""
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        if block["type"] == "header" and not 0 < len(block["text"]["text"]) <= 150:
            return "invalid_blocks"
        if block["type"] == "actions":
            if not 0 < len(block["elements"]) <= 25:
                return "invalid_blocks"
            for each in block["elements"]:
                if len(each["text"]["text"]) > 75 or len(each["value"]) > 2000 or len(each["action_id"]) > 255:
                    return "invalid_blocks"
    return "msg_blocks_too_long" if len(json.dumps(blocks)) > 13_200 else None


@contextmanager
def slack_server() -> Iterator[tuple[Slack, Receiver]]:
    slack = Slack()
    with receiving(slack.answer) as receiver:
        yield slack, receiver


# ── PagerDuty, ntfy, a webhook ───────────────────────────────────────────────────────────────────────────────────

ROUTING_KEY = "c4n4ry0123456789abcdef0123456789"


def pagerduty(request: Request) -> Response:
    """As the Events API v2 answers; the alerts that are open aren't kept: the test reads the requests."""
    event = request.json
    errors = []
    if event.get("routing_key") != ROUTING_KEY:
        errors.append(f"routing_key {event.get('routing_key')} is invalid")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        errors.append("event_action is invalid")
    if len(event.get("dedup_key", "")) > 255:
        errors.append("dedup_key is too long")
    if event.get("event_action") == "trigger":
        payload = event.get("payload", {})
        errors += [f"payload.{name} is missing" for name in ("summary", "source", "severity") if not payload.get(name)]
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            errors.append("payload.severity is invalid")
        if len(payload.get("summary", "")) > 1024:
            errors.append("payload.summary is too long")
    if request.path != "/v2/enqueue":
        return Response(404, b"")
    if errors:
        return Response(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})
    return Response(202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]})


def ntfy(request: Request) -> Response:
    message = request.json if request.path == "/" else None
    if message is None or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", message.get("topic", "")):
        return Response(400, {"code": 40009, "http": 400, "error": "invalid request: topic invalid"})
    if len(message["message"].encode()) > 4096 or "\n" in message.get("title", ""):
        return Response(413, {"code": 41303, "http": 413, "error": "it would be an attachment"})
    return Response(body={"id": "xE73Iyuabi", "event": "message", **message})


def is_signed(request: Request, secret: str) -> bool:
    """Whether the message is what the holder of the secret sent (standardwebhooks.com, "Verifying")."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    parts = (request.headers["webhook-id"].encode(), request.headers["webhook-timestamp"].encode(), request.body)
    wanted = base64.b64encode(hmac.new(key, b".".join(parts), hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in request.headers["webhook-signature"].split(" ")
