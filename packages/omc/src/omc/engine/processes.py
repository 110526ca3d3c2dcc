"""Which process this is, written so that any other process can tell whether it still lives."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from functools import cache
from pathlib import Path

from omc import procfs


def this_process() -> str:
    """``host:pid:start:machine``: never the same for two processes, of whatever machine and boot."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{_machine()}"


def is_known_dead(process: str) -> bool:
    """Whether a process is known to have ended. Of another machine's nothing is known."""
    parts = process.rsplit(":", 3)
    if len(parts) != 4 or parts[3] != _machine() or not parts[1].isdigit() or not parts[2].isdigit():
        return False
    return parts[2] != "0" and _started(int(parts[1])) != int(parts[2])


def shown(process: str) -> str:
    """For people: ``process 4711 on mars``."""
    parts = process.rsplit(":", 3)
    return f"process {parts[1]} on {parts[0]}" if len(parts) == 4 else process


def _started(pid: int) -> int:
    """When it started, in the kernel's ticks; 0 where there is no such process, or it can't be told."""
    try:
        fields = procfs.stat(pid)
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


@cache
def _machine() -> str:
    """This boot of this machine, and in it the namespace in which process ids mean something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, namespace = str(os.getpid()), str(time.time_ns())  # nothing of it is ever taken for this machine's
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]
