"""What stands before every request: how often an address may ask, how much a body may hold and how long it may take,
one line in the log, the headers that browsers go by, and an answer also where something is broken.

There is no CORS header but on the public feeds (``api.status``), so no page of another origin reads an answer. There is
no token against forged requests of other pages (CSRF) either: a browser adds no bearer token by itself, and cookies are
never looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from omc.access.rates import network_of
from omc.notify.links import PATH
from omc.output import line
from omc.responder.api import problems
from omc.responder.api.context import ApiContext

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

QUIET = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by load balancers: in the log only where they don't go well."""
SNS_PATH = "/v1/sns"
SNS_BODY_BYTES = 1_048_576
"""A message has up to 256 KiB (SNS, Publish), which may take several times as many bytes as JSON."""
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
BY_TLS: tuple[tuple[bytes, bytes], ...] = ((b"strict-transport-security", b"max-age=31536000"),)


class BodyTooLarge(Exception):
    """More bytes than omc.toml allows."""


class ClientGone(Exception):
    """Nobody waits for an answer."""


class Guard:
    """The outermost of all: whatever happens within it, there is an answer and a line."""

    def __init__(self, app: App, context: ApiContext) -> None:
        self._app = app
        self._context = context
        self._limits = context.stack.server.limits
        is_tls = (context.stack.server.address or "").startswith("https://")
        self._headers = HEADERS + (BY_TLS if is_tls else ())

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._headers)
        began = time.monotonic()
        try:
            await self._answered(scope, receive, answer)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - a mistake in one request ends no server
            response, words = problems.of_mistake(error, scope)
            self._context.log(line(words))
            if not answer.has_begun:
                await response(scope, receive, answer)
        self._note(scope, answer, time.monotonic() - began)

    async def _answered(self, scope: MutableMapping[str, Any], receive: Receive, answer: _Answer) -> None:
        seconds = self._context.address_rates.take(address_of(scope))
        if seconds:
            late = problems.TooManyRequests(seconds)
            # Alertmanager, Grafana and SNS give a message up at any 4xx.
            status = 503 if scope["path"] == SNS_PATH or scope["path"].endswith("/notifications") else 429
            headers = {"Retry-After": str(late.seconds)}
            await problems.problem(status, late.message, headers, scope)(scope, receive, answer)
            return
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                body = await self._body(scope, receive)
        except BodyTooLarge:
            words = f"The body has more than {self._most(scope)} bytes."
            await problems.problem(413, words, {"Connection": "close"}, scope)(scope, receive, answer)
            return
        except TimeoutError:
            words = f"The body did not come within {self._limits.body_seconds:g} s."
            await problems.problem(408, words, {"Connection": "close"}, scope)(scope, receive, answer)
            return
        await self._in_time(scope, _replayed(body, receive), answer)

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """All of it, before anything is done: a request that never comes to its end holds no thread and no lock."""
        length, most = dict(scope["headers"]).get(b"content-length", b"0"), self._most(scope)
        if length.isdigit() and int(length) > most:
            raise BodyTooLarge
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > most:
                raise BodyTooLarge
            if not message.get("more_body", False):
                return body

    def _most(self, scope: MutableMapping[str, Any]) -> int:
        """Bytes that a body may have."""
        is_sns = scope["path"] == SNS_PATH and self._context.sns is not None
        return max(self._limits.body_bytes, SNS_BODY_BYTES) if is_sns else self._limits.body_bytes

    async def _in_time(self, scope: MutableMapping[str, Any], receive: Receive, answer: _Answer) -> None:
        """The answer, or after the time that is allowed a 503. What works on it then goes on to its end, which the
        store's own limits bring."""
        task = asyncio.ensure_future(self._app(scope, receive, answer))
        self._context.open_connections.add(task)
        task.add_done_callback(self._context.open_connections.discard)
        done, _ = await asyncio.wait({task}, timeout=self._limits.answer_seconds)
        if done:
            task.result()
            return
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # its exception is nobody's now
        if not answer.has_begun:
            words = "This took too long. What was asked for may or may not have been done: look before you ask again."
            if scope["method"] == "GET":
                words = "This took too long. Ask again later."
            late = problems.problem(503, words, {"Retry-After": str(problems.RETRY_SECONDS)}, scope)
            await late(scope, receive, answer)
            answer.is_over = True

    def _note(self, scope: MutableMapping[str, Any], answer: _Answer, seconds: float) -> None:
        """One line: neither the query nor a header, in which a secret could be by mistake."""
        path = scope["path"]
        if path in QUIET and answer.status == 200:
            return
        caller = scope.get("state", {}).get("caller", "-")
        if PATH in path:
            path = f"{path.partition(PATH)[0]}{PATH}…"  # what comes behind it proves who asks, wherever it is mounted
        words = f"{address_of(scope)} {scope['method']} {path[:200]} {answer.status} {seconds * 1000:.0f} ms {caller}"
        self._context.log(line(words))


class _Answer:
    """What is sent, with our headers, and what came of it."""

    def __init__(self, send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0
        self.has_begun = False
        self.is_over = False

    async def __call__(self, message: Message) -> None:
        if self.is_over:
            return
        if message["type"] == "http.response.start":
            self.has_begun, self.status = True, message["status"]
            own = list(message.get("headers", ()))
            chosen = {name.lower() for name, _ in own}  # what a route chose for what everybody may read stays
            message["headers"] = [*own, *(each for each in self._headers if each[0] not in chosen)]
        await self._send(message)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def address_of(scope: MutableMapping[str, Any]) -> str:
    """Whom a request counts for."""
    client = scope.get("client")
    return network_of(client[0]) if client else "unknown"
