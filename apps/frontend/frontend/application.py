"""The frontend's application: a page, its files and health. The load balancer sends ``/api/*`` to the backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from frontend import logs

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "cache-control": "no-cache",  # revalidated by ETag: a deployment is seen at the next load
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


async def page(request: Request) -> Response:  # noqa: ARG001
    return FileResponse(STATIC / "index.html", headers=HEADERS)


async def health(request: Request) -> Response:  # noqa: ARG001
    """Live and ready are one: there is nothing here to wait for."""
    return JSONResponse({"status": "alive"})


async def status(request: Request) -> Response:  # noqa: ARG001
    environment, revision = os.environ.get("ENVIRONMENT", "local"), os.environ.get("REVISION", "unknown")
    return JSONResponse({"environment": environment, "revision": revision})


def create() -> Starlette:
    """uvicorn's factory."""
    routes = [
        Route("/", page),
        Route("/status", status),
        *(Route(path, health) for path in ("/health", "/health/live", "/health/ready")),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(logs.RequestLog)
    return app
