"""``python -m frontend``: serve the page until SIGTERM, then finish the requests under way and exit with 0.

The load balancer sends ``/api/*`` to the backend; here are the page, its files, health, and one JSON line a request.
"""

import json
import logging
import os
import re
import signal
import sys
import time
import uuid
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "cache-control": "no-cache",  # revalidated by ETag: a deployment is seen at the next load
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class JsonFormatter(logging.Formatter):
    """The backend's lines, so that one query reads both services."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


async def log_request(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Takes X-Request-Id or makes one, returns it, and logs the request; health probes aren't worth a line."""
    began = time.perf_counter()
    given = request.headers.get("x-request-id", "")
    identifier = given if re.fullmatch(r"[A-Za-z0-9._:=-]{1,128}", given) else uuid.uuid4().hex
    response = await call_next(request)
    response.headers.update({"x-request-id": identifier, **HEADERS})
    method, path, status = request.method, request.url.path, response.status_code
    if not path.startswith("/health"):
        fields = {"request_id": identifier, "method": method, "path": path, "status": status}
        fields["duration_ms"] = round((time.perf_counter() - began) * 1000, 1)
        logging.getLogger("http").info("%s %s %d", method, path, status, extra={"fields": fields})
    return response


async def health(request: Request) -> Response:  # noqa: ARG001
    """Live and ready are one: there is nothing here to wait for."""
    return JSONResponse({"status": "alive"})


app = Starlette(
    routes=[
        *(Route(path, health) for path in ("/health", "/health/live", "/health/ready")),
        Mount("/", StaticFiles(directory=STATIC, html=True)),
    ],
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=log_request)],
)


def main() -> None:
    # Also what uvicorn raises again after its own graceful stop: an orderly end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="INFO", handlers=[handler])
    uvicorn.run(
        app,
        host=os.environ.get("HOST", "0.0.0.0"),  # noqa: S104 - a container's own network namespace
        port=int(os.environ.get("PORT", "80")),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,  # below ECS's stopTimeout of 30 s
        timeout_keep_alive=75,  # longer than the load balancer's idle time-out of 60 s
    )


if __name__ == "__main__":
    main()
