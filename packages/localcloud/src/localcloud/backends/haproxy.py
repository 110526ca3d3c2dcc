"""A real HAProxy: its process, its runtime interface and its reload without a gap.

What its configuration says is the business of those who use it: TLS before caches, and whole load balancers.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.backends import sockets, tools
from localcloud.core.processes import Process, Supervisor, wait

ADMIN = "admin.sock"
RETIRE_SECONDS = 30
"""How long a replaced HAProxy may go on with requests that it has begun."""

GLOBAL = f"""\
global
  maxconn 4096
  nbthread 1
  stats socket unix@{ADMIN} mode 600 level admin expose-fd listeners
  hard-stop-after {RETIRE_SECONDS}s
  server-state-base .
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.ssl.default-dh-param 2048
"""


class HaproxyError(Exception):
    """HAProxy could not be started, or refused a command; the message has its own words."""


@dataclass(slots=True)
class Haproxy:
    """One HAProxy in a folder of its own; sockets and certificates are named relative to it."""

    name: str
    folder: Path
    process: Process | None = None
    _retired: list[Process] = field(default_factory=list)

    def apply(
        self, supervisor: Supervisor, configuration: str, timeout: float = 60.0, inherited: Sequence[int] = ()
    ) -> None:
        """Start with this configuration, or change to it: the new process takes over the listening sockets.

        ``inherited`` are file descriptors that the configuration names (``log fd@7``).

        Raises ``HaproxyError`` where the configuration is wrong; a running process then goes on as it was.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh, log = self.folder / "haproxy.cfg", self.folder / "haproxy.log"
        fresh.write_text(configuration)
        argv: list[str | Path] = [tools.haproxy(), "-db", "-f", "haproxy.cfg"]
        previous = self.process if self.running() else None
        if previous:
            argv += ["-x", ADMIN, "-sf", str(previous.pid)]
        else:
            (self.folder / ADMIN).unlink(missing_ok=True)
        length = log.stat().st_size if log.exists() else 0
        process = supervisor.spawn(
            f"haproxy {self.name}",
            argv,
            env=tools.environment(self.folder),
            cwd=self.folder,
            output=log,
            inherited=inherited,
        )
        deadline = time.monotonic() + timeout
        while not self._answers(process.pid):
            if process.poll() is not None:
                messages = log.read_text(errors="replace")[length:].strip().splitlines()
                message = " / ".join(line for line in messages if "ALERT" in line)[-500:]
                raise HaproxyError(f"HAProxy for {self.name} did not start: {message}")
            if time.monotonic() > deadline:
                supervisor.end(process, grace=1.0)
                raise HaproxyError(f"HAProxy for {self.name} gave no answer in {timeout:.0f} s")
            wait([process], 0.01)
        if previous:
            self._retired.append(previous)
        self._retired = [each for each in self._retired if each.poll() is None]
        self.process = process

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def processes(self) -> list[Process]:
        """All of its processes, those included that only finish what they have begun."""
        return [*self._retired, *([self.process] if self.process else [])]

    def command(self, text: str, timeout: float = 5.0) -> str:
        """One command of the runtime interface, or several with semicolons between; ``OSError`` where it's gone."""
        with sockets.connect(self.folder / ADMIN, timeout) as connection:
            connection.sendall(text.encode() + b"\n")
            chunks = []
            while chunk := connection.recv(1 << 16):
                chunks.append(chunk)
        return b"".join(chunks).decode(errors="replace").strip()

    def statistics(self) -> list[dict[str, str]]:
        """``show stat``: a line for each frontend, backend and server."""
        text = self.command("show stat").removeprefix("# ")
        return list(csv.DictReader(text.splitlines()))

    def _answers(self, pid: int) -> bool:
        """Whether the process behind the socket is this one; during a reload the old one still answers at first."""
        try:
            return f"Pid: {pid}\n" in self.command("show info", timeout=1.0)
        except OSError:
            return False


def quoted(text: str) -> str:
    """A word of HAProxy's configuration in which nothing has a meaning of its own."""
    if any(ord(character) < 32 for character in text):
        raise HaproxyError(f"{text!r} holds a control character, which HAProxy's configuration can't")
    return "'" + text.replace("'", "'\\''") + "'"


@dataclass(frozen=True, slots=True)
class TlsListener:
    """A TLS listener (plain where ``certificate`` is empty) that passes bytes on to one of several Unix sockets."""

    name: str
    address: str
    port: int
    certificate: Path | None
    sockets: Sequence[Path]
    """Relative to HAProxy's folder or absolute; spread evenly where there is more than one."""


def tls_configuration(listeners: Sequence[TlsListener]) -> str:
    """The configuration of an HAProxy that gives TLS to servers without it."""
    parts = [
        GLOBAL,
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1d\n  timeout server 1d\n  timeout tunnel 1d",
    ]
    for listener in listeners:
        tls = f" ssl crt {quoted(str(listener.certificate))}" if listener.certificate else ""
        lines = [f"listen {listener.name}", f"  bind {listener.address}:{listener.port}{tls}", "  balance leastconn"]
        lines += [f"  server s{index} unix@{path}" for index, path in enumerate(listener.sockets)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
