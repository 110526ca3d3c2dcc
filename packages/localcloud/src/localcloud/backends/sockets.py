"""Unix sockets in folders whose path is longer than the 107 bytes that an address may have."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short(folder: Path) -> Iterator[str]:
    """A short name for a folder, good while the context lasts and in this process only."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def connect(path: Path, timeout: float) -> socket.socket:
    """A connection to the stream socket at this path; raises ``OSError`` where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with short(path.parent) as folder:
            connection.connect(f"{folder}/{path.name}")
    except BaseException:
        connection.close()
        raise
    return connection
