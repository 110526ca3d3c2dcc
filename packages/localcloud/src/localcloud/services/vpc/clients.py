"""Who is behind a connection on this machine: the kernel's socket, the process that holds it, the task that it is of.

A task's processes, and what ECS Exec and health checks run beside it, carry the task's address in their environment and
hand it to their children. Whatever else connects is somebody on this machine: an operator with psql, a test.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from pathlib import Path

from localcloud.core.network import ADDRESS_VARIABLE
from localcloud.core.processes import read_entry, variable_of

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLED = 2.0
"""Seconds after which a process without a task's address has none: a new one may not have come to its exec yet."""


class Clients:
    """Looks processes up, and remembers what it found for as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, str]] = {}
        """Start time and address by process id."""
        self._lock = threading.Lock()

    def address(self, peer: tuple[str, int], local: tuple[str, int]) -> str:
        """The VPC address of the task whose socket is bound to ``peer`` and connected to ``local``, or nothing."""
        inode = socket_inode(peer, local)
        if not inode:
            return ""
        wanted = f"socket:[{inode}]"
        with self._lock:
            known = [(pid, started, address) for pid, (started, address) in self._known.items() if address]
        for pid, started, address in known:
            if _holds(pid, wanted) and (entry := read_entry(pid)) and entry.started_at == started:
                return address
        return next((address for pid, address in self._tasks() if _holds(pid, wanted)), "")

    def _tasks(self) -> list[tuple[int, str]]:
        """Every process of a task with the task's address, the youngest first."""
        with self._lock:
            pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
            self._known = {pid: self._known[pid] for pid in pids if pid in self._known}
            return [(pid, address) for pid in sorted(pids, reverse=True) if (address := self._address_of(pid))]

    def _address_of(self, pid: int) -> str:
        known = self._known.get(pid)
        entry = read_entry(pid)
        if entry is None:
            return ""
        if known and known[0] == entry.started_at:
            return known[1]
        address = variable_of(pid, ADDRESS_VARIABLE)
        if not address and entry.parent > 1:
            # One that was started with an empty environment is still its parent's.
            address = self._address_of(entry.parent)
        age = time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS - entry.started_at
        if address or age > _SETTLED * _TICKS:
            self._known[pid] = (entry.started_at, address)
        return address


def socket_inode(local: tuple[str, int], remote: tuple[str, int]) -> int:
    """The kernel's number of the TCP socket with these two ends, seen from ``local``; 0 where there is none.

    Asked for by netlink (sock_diag(7)), which finds it at once and needs no privilege; /proc/net/tcp would be read
    through whole.
    """
    ends = struct.pack("=HH", socket.htons(local[1]), socket.htons(remote[1]))
    addresses = struct.pack("=4s12x4s12x", socket.inet_aton(local[0]), socket.inet_aton(remote[0]))
    identity = ends + addresses + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES) + identity
    header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        kernel.send(header + request)
        answer = kernel.recv(8192)
    kind = struct.unpack_from("=IH", answer)[1]
    if kind != _SOCK_DIAG_BY_FAMILY:
        return 0
    # struct inet_diag_msg: four bytes, the identity, then expires, rqueue, wqueue, uid, inode.
    return int(struct.unpack_from("=I", answer, 16 + 4 + len(identity) + 16)[0])


def _holds(pid: int, wanted: str) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as handles:
            return any(os.readlink(handle.path) == wanted for handle in handles)  # noqa: PTH115 - it is asked often
    except OSError:
        return False
