"""A Starlette or FastAPI application some of whose answers take long: those of all that ever was."""

import asyncio
from typing import Any

from starlette.routing import Router

PATH = "/history"
"""What the paths of slow answers contain."""


def begin(seconds: float) -> None:
    """All others are as quick as ever, probes as well: it is well, and busy."""
    route = Router.__call__

    async def call(self: Router, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and PATH in scope["path"]:
            await asyncio.sleep(seconds)
        await route(self, scope, receive, send)

    Router.__call__ = call  # type: ignore[method-assign]
