"""JSON logs, one object a line, and the middleware that writes one line for each request.

The frontend has the same file, letter for letter (a test compares them): two images, one way of logging, and no
package between them to release.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

request_id: ContextVar[str] = ContextVar("request_id", default="")
log = logging.getLogger("http")
_ACCEPTED = re.compile(r"[A-Za-z0-9._:=-]{1,128}")


class JsonFormatter(logging.Formatter):
    """One line for each record, whatever its message holds: line breaks are escaped by JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get():
            line["request_id"] = request_id.get()
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str) -> None:
    """All loggers of the process to standard output, which the container's log driver reads."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True  # RequestLog writes that line, with the request id


class RequestLog:
    """Takes X-Request-Id or makes one, returns it, and logs the request with its status and duration.

    An error that nobody handled becomes a 500 and a line at ERROR with the exception in it. Health probes that
    succeed are logged at DEBUG: several a second, and they say nothing.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        identifier = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(identifier)
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", identifier.encode()))
            await send(message)

        def line(level: int, text: str, exc_info: bool = False) -> None:
            fields = {"method": scope["method"], "path": scope["path"], "status": status}
            fields["duration_ms"] = round((time.perf_counter() - began) * 1000, 1)
            log.log(level, text, exc_info=exc_info, extra={"fields": fields})

        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            started = status != 0
            status = status or 500
            line(logging.ERROR, f"unhandled error: {type(error).__name__}: {error}", exc_info=True)
            if started:  # too late for another answer: close the connection, so that the client sees a broken one
                raise
            await _answer_500(send_with_id, identifier)
        else:
            line(_level(scope["path"], status), f"{scope['method']} {scope['path']} {status}")
        finally:
            request_id.reset(token)


def _level(path: str, status: int) -> int:
    if status >= 500:
        return logging.WARNING
    return logging.DEBUG if path.startswith("/health") else logging.INFO


async def _answer_500(send: Send, identifier: str) -> None:
    body = json.dumps({"detail": "internal error", "request_id": identifier}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
