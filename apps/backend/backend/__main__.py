"""``python -m backend``: serve until SIGTERM, then finish the requests under way and exit with 0.

It never changes the schema, and its database user may not: ``python -m backend.migrate`` runs as a task of its own
before a new revision takes traffic, in a new environment too. Until then a task isn't ready.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
from multiprocessing.connection import wait

import uvicorn

from backend import api, logs
from backend.settings import Settings, SettingsError, from_environment

log = logging.getLogger("backend")


def serve(listener: socket.socket) -> None:
    config = uvicorn.Config(
        api.create,
        factory=True,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,  # with closing the pool it stays below ECS's stopTimeout of 30 s
        timeout_keep_alive=75,  # longer than the load balancer's idle time-out of 60 s
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def serve_forked(listener: socket.socket, workers: int) -> None:
    """Workers as forks of a process that has imported everything: uvicorn's own each start from nothing, which takes
    them many seconds on a busy machine. They are daemons: when this process exits, on SIGTERM or since one of them
    ended by itself, multiprocessing sends each a SIGTERM and waits for it.
    """
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=serve, args=(listener,), daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    listener.close()
    ended = wait([process.sentinel for process in processes])
    for process in processes:
        if process.sentinel in ended:
            process.join()
            log.error("a worker ended with %s; the task ends with it", process.exitcode)
    sys.exit(1)


def main() -> int:
    # Also what uvicorn raises again after its own graceful stop: an orderly end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logs.configure()
    try:
        settings = from_environment(os.environ, Settings)
    except SettingsError as error:
        log.error("%s", error)
        return 2
    listener = socket.create_server((settings.host, settings.port))
    # Connections inherit it. Without, an answer's body waits 40 ms for the client to acknowledge its headers: asyncio
    # sets it itself only for listeners that it made.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.web_concurrency > 1:
        serve_forked(listener, settings.web_concurrency)
    else:
        serve(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
