"""JSON logs, one object a line, and the middleware that gives each request an id and a line."""

import json
import logging
import re
import sys
import time
import uuid
from contextvars import ContextVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.base import RequestResponseEndpoint

request_id: ContextVar[str] = ContextVar("request_id", default="")


class JsonFormatter(logging.Formatter):
    """One line for each record, whatever its message holds: line breaks are escaped by JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if request_id.get():
            line["request_id"] = request_id.get()
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure() -> None:
    """All loggers of the process to standard output, which the container's log driver reads."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="INFO", handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel("ERROR")  # a warning for each failed attempt; requests report it once


async def log_request(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Takes X-Request-Id or makes one, returns it, and logs the request with its status and duration.

    An error that nobody handled becomes a 500 and a line at ERROR with the exception in it.
    """
    given = request.headers.get("x-request-id", "")
    identifier = given if re.fullmatch(r"[A-Za-z0-9._:=-]{1,128}", given) else uuid.uuid4().hex
    request_id.set(identifier)  # until the request's own task ends
    method, path = request.method, request.url.path
    began = time.perf_counter()
    try:
        response = await call_next(request)
    except Exception as error:
        logging.getLogger("backend").exception("unhandled error: %s %s: %r", method, path, error)
        response = JSONResponse({"detail": "internal error", "request_id": identifier}, 500)
    response.headers["x-request-id"] = identifier
    if not path.startswith("/health"):  # probes come several a second and say nothing
        fields = {"method": method, "path": path, "status": response.status_code}
        fields["duration_ms"] = round((time.perf_counter() - began) * 1000, 1)
        logging.getLogger("http").info("%s %s %d", method, path, response.status_code, extra={"fields": fields})
    return response
