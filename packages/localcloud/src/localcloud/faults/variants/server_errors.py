"""A Starlette or FastAPI application that fails on a share of its requests, from some time after its start."""

import random
import time
from typing import Any

from starlette.routing import Router


def begin(after: float, percent: float) -> None:
    """Probes are spared: what is broken is the work, not the process."""
    route, broken_from = Router.__call__, time.monotonic() + after

    async def call(self: Router, scope: Any, receive: Any, send: Any) -> None:
        hit = time.monotonic() >= broken_from and random.uniform(0, 100) < percent  # noqa: S311 - no secret
        if hit and scope["type"] == "http" and "/health" not in scope["path"]:
            raise RuntimeError("the answer can't be put together: a field is missing")
        await route(self, scope, receive, send)

    Router.__call__ = call  # type: ignore[method-assign]
