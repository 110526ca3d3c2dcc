"""A secret that is put into every input, and what is searched for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import psycopg

CANARY = "c4n4ry"
FORMS = (
    f"password={CANARY}",
    json.dumps({"api_key": CANARY}),
    f"https://user:{CANARY}@host/ and https://hooks.slack.com/services/T0/B0/{CANARY}",
    f"Authorization: Bearer {CANARY}",
)


def dump(connection: psycopg.Connection) -> str:
    """All tables of a database, as text."""
    tables = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    ).fetchall()
    return repr([connection.execute(f'SELECT * FROM "{name}"'.encode()).fetchall() for (name,) in tables])


@contextmanager
def listing_processes() -> Iterator[set[str]]:
    """The command lines of all processes that are there for a tenth of a second of the block: a look without a pause
    takes the machine from those who are looked at."""
    listed: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for process in psutil.pids():
                try:
                    listed.add(Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield listed
    finally:
        over.set()
        watcher.join()
