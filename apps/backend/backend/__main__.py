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

from backend import logs
from backend.settings import Settings, SettingsError, from_environment

GRACE = 20
"""Seconds for requests under way. With closing the pool it stays below ECS's stopTimeout of 30 s."""
KEEP_ALIVE = 75
"""Longer than the load balancer's idle time-out of 60 s: else it sends requests into closed connections."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM; the exit code."""
    config = uvicorn.Config(
        "backend.application:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
    )
    listener = config.bind_socket()
    # Connections inherit it. Without, an answer's body waits 40 ms for the client to acknowledge its headers: asyncio
    # sets it itself only for listeners that it made.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.workers == 1:
        return serve_alone(config, listener)
    return serve_forked(config, listener, settings.workers)


def serve_alone(config: uvicorn.Config, listener: socket.socket) -> int:
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0 if server.started else 1


def serve_forked(config: uvicorn.Config, listener: socket.socket, workers: int) -> int:
    """Workers as forks of a process that has imported everything: uvicorn's own each start from nothing, which takes
    them many seconds on a busy machine. A worker that ends by itself ends the task; ECS starts another.
    """
    import backend.application  # noqa: F401 - before the forks, for all of them

    both = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, both)  # none may come while only some of the workers are there
    children: set[int] = set()
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
            code = 1
            try:
                code = serve_alone(config, listener)
            finally:
                sys.stdout.flush()
                os._exit(code)
        children.add(child)
    listener.close()

    def end_all(*_: object) -> None:
        for each in children:
            os.kill(each, signal.SIGTERM)

    for number in both:
        signal.signal(number, end_all)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    code = 0
    while children:
        ended, status = os.wait()
        children.discard(ended)
        if failed := os.waitstatus_to_exitcode(status):
            logging.getLogger("backend").error("a worker ended with %d; the task ends with it", failed)
            code = 1
            end_all()
    return code


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
        from backend import migrate

        if failed := migrate.main():
            return failed
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
