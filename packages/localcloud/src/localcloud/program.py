"""The server as a program: logging, signals, ``cloud.json``, start and orderly stop. Commands are in ``cli``."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud import assemble
from localcloud.core.addresses import AddressBlock, write_private
from localcloud.core.profiles import ProfileError
from localcloud.core.snapshot import SnapshotError
from localcloud.front.identity import Identity
from localcloud.services import outside_api

log = logging.getLogger(__name__)

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class CannotStart(Exception):
    """One sentence: why the cloud can't start, and the way out."""


def run(home: AddressBlock, cloud_file: Path, stopped_file: Path) -> None:
    """Serve until SIGTERM or SIGINT, then stop in order. Raises ``CannotStart``.

    ``cloud_file`` is there while the cloud answers; ``stopped_file`` after an orderly stop, with what wasn't saved.
    """
    logging.basicConfig(level=logging.INFO, format=LINE)
    response = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Nothing but a flag: an exception in a handler would leave processes behind.
        signal.signal(number, lambda *_: response.set())
    settings = home.settings
    cloud_file.unlink(missing_ok=True)
    stopped_file.unlink(missing_ok=True)
    try:
        cloud = assemble.assemble(settings, home.access_key_id, home.secret_access_key)
        server = assemble.start(cloud)
    except (ProfileError, SnapshotError) as problem:
        raise CannotStart(str(problem)) from problem
    except OSError as problem:
        raise CannotStart(_why(problem, settings.address, settings.port)) from problem
    write_private(
        cloud_file,
        {
            "endpoint": settings.endpoint,
            "region": settings.region,
            "profile": settings.profile,
            "account": settings.account,
            "access_key_id": home.access_key_id,
            "secret_access_key": home.secret_access_key,
            "port_shift": settings.port_shift,
            "token": cloud.part(Identity).token,
            "outside_api_url": outside_api.url(settings) if cloud.has(outside_api.OutsideApi) else "",
            "pid": os.getpid(),
            "started_at": datetime.now(UTC).isoformat(),
            "state": str(settings.state),
        },
    )
    gc.freeze()  # what start made lives as long as the cloud: the collector needn't walk it
    log.info("ready at %s", settings.endpoint)
    response.wait()
    log.info("going down")
    cloud_file.unlink(missing_ok=True)
    unsaved = assemble.stop(cloud, server)
    write_private(stopped_file, {"unsaved": unsaved})
    log.info("down")


def _why(problem: OSError, address: str, port: int) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"Port {port} on {address} is taken{_by_whom(port)}; use --port, or end that program."
    if problem.errno == errno.ENOSPC:
        return f"No room on the disk for {problem.filename or 'the state'}; make room and start again."
    if problem.errno == errno.EACCES:
        return f"This user may not listen on {address}:{port} ({problem}); use a --port above 1023."
    return f"{problem.filename or address}: {problem.strerror or problem}."


def _by_whom(port: int) -> str:
    import psutil

    connections: list[Any] = psutil.net_connections("tcp4")
    for held in connections:
        if held.status == psutil.CONN_LISTEN and held.laddr.port == port and held.pid:
            try:
                return f" by {psutil.Process(held.pid).name()} (pid {held.pid})"
            except psutil.Error:
                return f" by pid {held.pid}"
    return ""
