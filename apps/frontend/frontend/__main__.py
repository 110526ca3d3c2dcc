"""``python -m frontend``: serve until SIGTERM, then finish the requests under way and exit with 0."""

from __future__ import annotations

import logging
import os
import signal
import sys

import uvicorn

from frontend import logs


def main() -> int:
    # Also what uvicorn raises again after its own graceful stop: an orderly end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    level, port = os.environ.get("LOG_LEVEL") or "INFO", os.environ.get("PORT") or "80"
    logs.configure(level if level in {"DEBUG", "INFO", "WARNING", "ERROR"} else "INFO")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        logging.getLogger("frontend").error("PORT is %r; it must be a whole number from 0 to 65535", port)
        return 2
    uvicorn.run(
        "frontend.application:create",
        factory=True,
        host=os.environ.get("HOST", "0.0.0.0"),  # noqa: S104 - a container's own network namespace
        port=int(port),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,  # below ECS's stopTimeout of 30 s
        timeout_keep_alive=75,  # longer than the load balancer's idle time-out of 60 s
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
