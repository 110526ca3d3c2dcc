"""The API on a socket, until it is told to end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from omc.errors import WrongUse
from omc.output import line
from omc.responder.api.app import make_app
from omc.responder.api.context import ApiContext

KEEP_ALIVE = 65
"""Seconds for which a connection without a request stays open: longer than a load balancer keeps one (ALB: 60)."""
GRACE = 20
"""Seconds for requests that are under way when the server ends; a container is killed some time after that."""
MAX_HEADERS = 32_768
"""Bytes of a request's line and headers."""


def serve(
    context: ApiContext, listening: socket.socket, announce: Callable[[str], None], stop: Callable[[], bool]
) -> None:
    """Answer until ``stop`` says so, and then what is under way. ``announce`` is given the address as soon as it
    answers. Signals are somebody else's: it runs in a thread."""
    settings = context.stack.server
    _log_through(context.log)
    server = _Server(
        uvicorn.Config(
            make_app(context),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,  # it would have queries in it; the guard writes a line of its own
            server_header=False,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            limit_concurrency=settings.limits.connections,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=MAX_HEADERS,
        ),
        lambda: announce(_address(listening)),
        stop,
    )
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


class _Server(uvicorn.Server):
    """Says when it answers, and looks each second whether it is to end."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None], stop: Callable[[], bool]) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop()


def bound(listen: str) -> socket.socket:
    """A socket at ``[server] listen``. ``WrongUse`` where it can't be had."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise WrongUse(f"{listen} is no address to listen at; write 0.0.0.0:8080.")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise WrongUse(f"omc can't listen on {listen}: {reason}. Set [server] listen to another address.") from error
    return made


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Lines(logging.Handler):
    """What uvicorn has to say, through the redaction."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log(line(f"{record.getMessage()}{f': {record.exc_info[1]}' if record.exc_info else ''}"))


def _log_through(log: Callable[[str], None]) -> None:
    logger = logging.getLogger("uvicorn")
    logger.handlers[:] = [_Lines(log)]
    logger.propagate = False
