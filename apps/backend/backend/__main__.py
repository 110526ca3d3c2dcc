"""``python -m backend``: serve until SIGTERM, then finish the requests under way and exit with 0.

With MIGRATE_ON_START=true the schema is brought up first. That is for a first start and for rehearsals; a deployment
runs ``python -m backend.migrate`` as a task of its own before the new revision takes traffic.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

from backend import logs
from backend.settings import Settings, SettingsError, from_environment

GRACE = 20
"""Seconds for requests under way. With closing the pool it stays below ECS's stopTimeout of 30 s."""
KEEP_ALIVE = 75
"""Longer than the load balancer's idle time-out of 60 s: else it sends requests into closed connections."""

WORKER_START = 30
"""Seconds until a worker that doesn't answer is replaced. The default of 5 kills those that start on a busy machine."""


def serve(settings: Settings) -> None:
    config = uvicorn.Config(
        "backend.application:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_worker_healthcheck=WORKER_START,
    )
    listener = config.bind_socket()
    # Connections inherit it. Without, an answer's body waits 40 ms for the client to acknowledge its headers: asyncio
    # sets it itself only for listeners that it made, and workers share this one.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()


def main() -> int:
    # Also what uvicorn raises again after its own graceful stop: an orderly end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logs.configure("INFO")
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        logging.getLogger("backend").error("%s", error)
        return 2
    if settings.migrate_on_start:
        from backend import migrate  # each worker imports this module again, and needs none of it

        if failed := migrate.main():
            return failed
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
