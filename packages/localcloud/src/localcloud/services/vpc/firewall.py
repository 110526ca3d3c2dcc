"""Keeps the process with the gates: starts it when there is a gate, tells it which there are, answers what it asks."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.backends import gate as part
from localcloud.backends import sockets, tools
from localcloud.backends.gate import Gate
from localcloud.core.processes import Process, Supervisor

log = logging.getLogger(__name__)

SOCKET = "gates.sock"
OPEN_SECONDS = 15.0
"""How long opening a gate may take: the first one starts the process."""

Ask = Callable[[Gate, int, tuple[str, int]], tuple[bool, str]]
"""A gate, the connection's number and its peer, to whether it may pass and from which address it goes on."""
Report = Callable[[int, tuple[int, ...], bool], None]
"""A connection's number, its totals and whether it has ended."""


class FirewallProcess:
    """One gate process. Its methods may be called from any thread, but not under the cloud's lock: they wait."""

    def __init__(self, folder: Path, ask: Ask, report: Report, ended: Callable[[], None]) -> None:
        self._folder, self._ask, self._report, self._ended = folder, ask, report, ended
        self._gates: dict[str, Gate] = {}
        self._listening: set[str] = set()
        self._failed: dict[str, str] = {}
        self._dropped: dict[str, list[str]] = {}
        self._version = self._answered = 0
        self._told = threading.Condition()
        self._connection: socket.socket | None = None
        self._server: socket.socket | None = None
        self._process: Process | None = None
        self._starting = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / SOCKET).unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with sockets.short(self._folder) as folder:
            self._server.bind(f"{folder}/{SOCKET}")
        self._server.listen(4)
        threading.Thread(target=self._accept, args=(self._server,), name="gates", daemon=True).start()

    def stop(self, supervisor: Supervisor) -> None:
        self._stopped = True
        if self._server:
            self._server.close()
        if self._process:
            supervisor.end(self._process, grace=1.0)

    def keep(self, supervisor: Supervisor) -> None:
        """Start the process if there are gates and it isn't running."""
        with self._starting:
            if not self._gates or self._stopped or (self._process and self._process.poll() is None):
                return
            if self._process:
                log.error("the gates' process ended with %s; it is started again", self._process.poll())
            self._process = supervisor.spawn(
                "gates",
                [sys.executable, "-I", part.__file__, SOCKET],
                env=tools.environment(self._folder),
                cwd=self._folder,
                output=self._folder / "gates.log",
            )

    def gate(self, name: str) -> Gate | None:
        return self._gates.get(name)

    def shown(self) -> dict[str, str]:
        """Each gate by name: what it stands for, and where it listens."""
        return {
            each.name: f"{each.destination}:{each.port} at {each.listen[0]}:{each.listen[1]}"
            for each in list(self._gates.values())
        }

    def open(self, supervisor: Supervisor, gate: Gate, *, wait: bool = True) -> None:
        """Put a gate there, in place of one with its name. ``OSError`` where it can't listen."""
        with self._told:
            if self._gates.get(gate.name) == gate and gate.name in self._listening:
                return
            self._gates[gate.name] = gate
        self.keep(supervisor)
        deadline = time.monotonic() + OPEN_SECONDS
        with self._told:
            version = self._tell_gates()
            if not wait:
                return
            while self._answered < version and self._told.wait(max(0.0, deadline - time.monotonic())):
                pass
            if gate.name in self._listening and self._answered >= version:
                return
            reason = self._failed.get(gate.name, f"no answer in {OPEN_SECONDS:.0f} s")
            self._gates.pop(gate.name, None)
        raise OSError(f"the gate {gate.name} can't listen at {gate.listen[0]}:{gate.listen[1]}: {reason}")

    def close(self, name: str) -> None:
        """Take a gate away; connections that stand go on."""
        with self._told:
            if self._gates.pop(name, None) is not None:
                self._tell_gates()

    def gates(self) -> list[Gate]:
        return list(self._gates.values())

    def drop(self, sources: dict[str, list[str]]) -> None:
        """By gate, the real addresses whose SYNs shall be dropped; nothing is told where nothing changes."""
        with self._told:
            if sources != self._dropped:
                self._dropped = sources
                self._send({"drop": sources})

    def _tell_gates(self) -> int:
        """Tell the process which gates there shall be; its answer carries the number that is returned."""
        with self._told:
            self._version += 1
            rows = [[each.name, *each.listen, *each.forward] for each in self._gates.values()]
            self._send({"listen": rows, "version": self._version})
            return self._version

    def _send(self, message: dict[str, Any]) -> None:
        with self._told, contextlib.suppress(OSError):  # a new process is told everything anew
            if self._connection:
                self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _accept(self, server: socket.socket) -> None:
        while not self._stopped:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with self._told:
                self._connection = connection
            self._tell_gates()
            self._send({"drop": self._dropped})
            self._listen(connection)
            with self._told:
                self._connection = None
                self._listening.clear()
            self._ended()

    def _listen(self, connection: socket.socket) -> None:
        """Answer the process until it ends."""
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                try:
                    self._take(json.loads(line))
                except Exception:  # one bad question must not silence all gates
                    log.exception("a message of the gates failed: %r", line[:200])

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            gate = self._gates.get(message["gate"])
            allow, source = False, ""
            if gate:
                allow, source = self._ask(gate, message["ask"], tuple(message["peer"]))
            self._send({"verdict": message["ask"], "allow": allow, "from": source})
        elif "flows" in message:
            for number, *totals, closed in message["flows"]:
                self._report(number, tuple(totals), closed)
        else:
            with self._told:
                self._answered = message["version"]
                self._listening = set(message["listening"])
                self._failed = dict(message["failed"])
                for name, reason in self._failed.items():
                    log.error("the gate %s can't listen: %s", name, reason)
                self._told.notify_all()
