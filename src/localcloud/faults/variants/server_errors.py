"""An application that fails on a share of its requests, from some time after its start."""

import json
import os
import random
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from starlette.routing import Router


def fail(after: float, percent: float) -> None:
    """Probes are spared: what is broken is the work, not the process."""
    route, broken_from = Router.__call__, time.monotonic() + after

    async def call(self: Router, scope: Any, receive: Any, send: Any) -> None:
        hit = time.monotonic() >= broken_from and random.uniform(0, 100) < percent  # noqa: S311 - no secret
        if hit and scope["type"] == "http" and "/health" not in scope["path"]:
            raise RuntimeError("the order book is empty: no bid for this quote")
        await route(self, scope, receive, send)

    Router.__call__ = call  # type: ignore[method-assign]


def start_application() -> None:
    """``python -m MODULE …`` or ``python FILE …``, in this process."""
    sys.argv = sys.argv[2:]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(sys.argv[0])  # noqa: PTH120 - started in each task: nothing more is imported
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    values = json.loads(Path(__file__).with_suffix(".json").read_text())
    fail(values["after"], values["percent"])
    start_application()
