"""A Starlette or FastAPI application some of whose answers take long: an export, a report."""

import asyncio
import random
from typing import Any

from starlette.routing import Router


def begin(seconds: float, percent: float) -> None:
    """Probes are spared: it is well, and busy."""
    route = Router.__call__

    async def call(self: Router, scope: Any, receive: Any, send: Any) -> None:
        hit = random.uniform(0, 100) < percent  # noqa: S311 - no secret
        if hit and scope["type"] == "http" and "/health" not in scope["path"]:
            await asyncio.sleep(seconds)
        await route(self, scope, receive, send)

    Router.__call__ = call  # type: ignore[method-assign]
