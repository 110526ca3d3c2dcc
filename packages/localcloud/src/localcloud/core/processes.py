"""The only code that starts and ends processes: task processes, databases, caches, load balancers.

Each process leads a session of its own, so that it and its children can be found and ended together. Its record (a
marker, the process id, the kernel's start time) is in a file of the state folder before anybody relies on it: a
later run reads that file and ends what a killed run left behind, and nothing else. What a process *is* (a task, a
database) is known to the part that started it, not here.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

MARKER = "LOCALCLOUD_PROCESS"
"""Environment variable that every started process carries and hands to its children."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_COMPACT_AFTER = 2_000  # records of ended processes kept before the file is written anew


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the kernel's process table."""

    pid: int
    parent: int
    group: int
    session: int
    zombie: bool
    cpu_ticks: int
    """User and system time of the process and of the children it has waited for."""
    started_at: int
    """Ticks after boot; with the process id it names a process for good."""


def read_entry(pid: int) -> Entry | None:
    """The kernel's line for a process id, ``None`` where there is no such process."""
    try:
        handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY)  # a Path and a file object would cost twice as much
    except OSError:
        return None
    try:
        text = os.read(handle, 4096)
    except OSError:  # it ended meanwhile
        return None
    finally:
        os.close(handle)
    # The command's name stands in brackets and may hold spaces and brackets itself.
    fields = text[text.rindex(b")") + 2 :].split()
    return Entry(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        zombie=fields[0] in (b"Z", b"X"),
        cpu_ticks=sum(map(int, fields[11:15])),
        started_at=int(fields[19]),
    )


def read_table() -> dict[int, Entry]:
    """The kernel's process table."""
    with os.scandir("/proc") as folders:
        entries = [read_entry(int(folder.name)) for folder in folders if folder.name.isdigit()]
    return {entry.pid: entry for entry in entries if entry}


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def variable_of(pid: int, name: str) -> str:
    """An environment variable that a process was started with; empty where it has none, or may not be read."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    prefix = f"{name}=".encode()
    for item in environment.split(b"\0"):
        if item.startswith(prefix):
            return item[len(prefix) :].decode(errors="replace")
    return ""


def _send(pid: int, started_at: int, number: int) -> None:
    """Signal exactly this process; nothing if it has ended, even when its id was given to another since."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        entry = read_entry(pid)
        if entry and entry.started_at == started_at:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _family(table: Mapping[int, Entry], roots: Iterable[int]) -> set[int]:
    """The living processes of these sessions and groups, and all their descendants (PostgreSQL's leave the session)."""
    leaders = set(roots)
    found = {pid for pid, entry in table.items() if {pid, entry.session, entry.group} & leaders}
    children: dict[int, list[int]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry.pid)
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return {pid for pid in found if not table[pid].zombie}


class Process:
    """One started process and its children. Made by ``Supervisor.spawn`` only."""

    def __init__(self, supervisor: Supervisor, name: str, marker: str, popen: subprocess.Popen[bytes], stop: int):
        self.name = name
        self.pid = popen.pid
        self.marker = marker
        self.stop_signal = stop
        entry = read_entry(popen.pid)  # not waited for yet, so the kernel keeps its line even if it ended at once
        self.started_at = entry.started_at if entry else 0
        self._popen = popen
        self._supervisor = supervisor
        self._swept = False
        self._cpu = 0.0

    def __repr__(self) -> str:
        return f"Process({self.name!r}, pid={self.pid})"

    def poll(self) -> int | None:
        """The exit code (128 + n for signal n, as shells and containers count), ``None`` while it runs.

        When the first process ends, its children end with it, as in a container.
        """
        code = self._popen.poll()
        if code is None:
            return None
        if not self._swept:
            self._supervisor._sweep([self])
        return 128 - code if code < 0 else code

    def members(self) -> list[Entry]:
        """The process and its living descendants."""
        table = self._supervisor.table()
        return [table[pid] for pid in _family(table, [self.pid])]

    def cpu_seconds(self) -> float:
        """CPU time used so far by all its processes; never falls."""
        used = sum(entry.cpu_ticks for entry in self.members()) / _TICKS
        self._cpu = max(self._cpu, used)
        return self._cpu

    def memory_bytes(self) -> int:
        """Memory of all its processes: what each has for itself, and the largest shared part once."""
        private, shared = 0, 0
        for entry in self.members():
            try:
                pages = Path(f"/proc/{entry.pid}/statm").read_text().split()
            except OSError:
                continue
            private += (int(pages[1]) - int(pages[2])) * _PAGE
            shared = max(shared, int(pages[2]) * _PAGE)
        return private + shared

    def send_all(self, number: int) -> None:
        """Signal it and all its living descendants."""
        for entry in self.members():
            _send(entry.pid, entry.started_at, number)

    def send(self, number: int) -> None:
        """Signal the first process, as ``docker kill`` does."""
        if self._popen.poll() is None:
            _send(self.pid, self.started_at, number)


class Supervisor:
    """Starts, records and ends processes. ``Supervisor(state)`` alone is enough to end a killed run's orphans."""

    name = "processes"

    def __init__(self, state: Path) -> None:
        self._path = state / "processes.jsonl"
        self._lock = threading.RLock()
        self._file: TextIO | None = None
        self._running: dict[str, Process] = {}
        self._ended = 0
        self._table: dict[int, Entry] = {}
        self._table_at = 0.0
        self._stopped = threading.Event()

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:  # noqa: ARG002
        """Nothing runs yet: orphans are ended when the file is first opened, before the first ``spawn``."""
        self._stopped.clear()
        self._opened()

    def dump(self) -> object:
        """Processes are no state."""
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        """End whatever still runs. Parts end their own before this; from now on nothing is started."""
        self._stopped.set()
        self.end_all(self.running(), grace=5.0)

    # -- starting -------------------------------------------------------------------------------------------------

    def spawn(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: int | Path,
        as_unprivileged: bool = False,
        stop_signal: int = signal.SIGTERM,
        inherited: Sequence[int] = (),
    ) -> Process:
        """Start a process in a session of its own; raises ``OSError`` where it can't be started.

        ``output`` is a file to append to or a file descriptor (a pipe's end, which stays open for the caller to
        close); ``inherited`` are others that it gets, by the same numbers. ``as_unprivileged`` gives a root user's
        process another user id, in a user namespace: PostgreSQL refuses to run as root.
        """
        if self._stopped.is_set():
            raise OSError(f"{name} was not started: the local cloud is going down")
        self._opened()
        command = [str(part) for part in argv]
        if as_unprivileged and os.geteuid() == 0:
            command = ["unshare", "-U", "--map-user=1000", "--map-group=1000", "--", *command]
        marker = secrets.token_hex(12)
        # The marker is on file before the process exists, so that even one started in the instant before a kill -9
        # is found again. Writing without fsync is enough: a lost machine has lost its processes too.
        self._record({"marker": marker, "name": name, "boot": _boot(), "signal": int(stop_signal)})
        opened = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if isinstance(output, Path) else None
        target = opened if opened is not None else output
        try:
            popen = subprocess.Popen(
                command,
                env={**env, MARKER: marker},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=target if isinstance(target, int) else None,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=inherited,
            )
        except OSError:
            self._record({"ended": marker})
            raise
        finally:
            if opened is not None:
                os.close(opened)
        process = Process(self, name, marker, popen, int(stop_signal))
        self._record({"marker": marker, "pid": process.pid, "started_at": process.started_at})
        with self._lock:
            self._running[marker] = process
        if self._stopped.is_set():  # since the look above: ``stop`` may not have seen it
            self.end(process, grace=0.5)
            raise OSError(f"{name} was ended at once: the local cloud is going down")
        return process

    def run(
        self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, output: Path, timeout: float
    ) -> int:
        """Start a short command unprivileged, wait for it, return its exit code; ended after ``timeout`` seconds."""
        process = self.spawn(name, argv, env=env, cwd=cwd, output=output, as_unprivileged=True)
        if not wait([process], timeout):
            log.warning("%s did not end within %.0f s and was stopped", name, timeout)
        self.end(process, grace=0.5)
        return process.poll() or 0

    # -- ending ---------------------------------------------------------------------------------------------------

    def end(self, process: Process, grace: float) -> int | None:
        """The stop signal to the first process, SIGKILL to all of them after ``grace`` seconds. The exit code."""
        self.end_all([process], grace)
        return process.poll()

    def end_all(self, processes: Iterable[Process], grace: float) -> None:
        """End many side by side: all get their stop signal first, and one grace period counts for all."""
        chosen = list(processes)
        for process in chosen:
            process.send(process.stop_signal)
        if wait(chosen, grace):
            return
        late = [process for process in chosen if process.poll() is None]
        with self._lock:
            self._table_at = 0.0
        table = self.table()
        for pid in _family(table, [process.pid for process in late]):
            _send(pid, table[pid].started_at, signal.SIGKILL)
        for process in late:
            process.send(signal.SIGKILL)
        if not wait(late, 10.0):
            log.error("still running after SIGKILL: %s", [process for process in late if process.poll() is None])

    def running(self) -> list[Process]:
        """The processes that were started and haven't been seen to end."""
        with self._lock:
            known = list(self._running.values())
        return still_running(known)

    def reap_orphans(self, grace: float = 1.0) -> int:
        """End what an earlier, killed run left behind, and only that. How many processes there were."""
        with self._lock:
            if self._file is not None:
                return 0  # this run owns the file: what it lists is ours and no orphan
            orphans = self._orphans()
            for entry, number in orphans:
                _send(entry.pid, entry.started_at, number)
            deadline = time.monotonic() + grace
            while any(self._lives(entry) for entry, _ in orphans) and time.monotonic() < deadline:
                time.sleep(0.02)
            # Look anew: a process may have started another while it was being asked to end.
            for entry in [*(entry for entry, _ in orphans), *(entry for entry, _ in self._orphans())]:
                _send(entry.pid, entry.started_at, signal.SIGKILL)
            deadline = time.monotonic() + 10.0
            while any(self._lives(entry) for entry, _ in orphans) and time.monotonic() < deadline:
                time.sleep(0.02)
            if orphans:
                log.warning("ended %d processes of an earlier run that was killed", len(orphans))
            self._path.unlink(missing_ok=True)
            return len(orphans)

    def table(self) -> dict[int, Entry]:
        """The kernel's process table, at most a quarter of a second old."""
        with self._lock:
            if time.monotonic() - self._table_at > 0.25:
                self._table = read_table()
                self._table_at = time.monotonic()
            return self._table

    # -- inner ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _lives(entry: Entry) -> bool:
        now = read_entry(entry.pid)
        return now is not None and now.started_at == entry.started_at and not now.zombie

    def _orphans(self) -> list[tuple[Entry, int]]:
        """Each orphan with the signal that asks it to end (its leader's own, SIGTERM for its children)."""
        records = self._read_records()
        if not records:
            return []
        table = read_table()
        leaders: dict[int, int] = {}
        for record in records.values():
            entry = table.get(record.get("pid", -1))
            if entry and entry.started_at == record.get("started_at"):
                leaders[entry.pid] = record.get("signal", signal.SIGTERM)
        found = _family(table, leaders)
        for pid, entry in table.items():
            if pid != os.getpid() and not entry.zombie and variable_of(pid, MARKER) in records:
                found |= _family(table, [pid])
        found.discard(os.getpid())
        return [(table[pid], leaders.get(pid, signal.SIGTERM)) for pid in sorted(found)]

    def _read_records(self) -> dict[str, dict[str, Any]]:
        """The processes of this boot that aren't known to have ended, by marker."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return {}
        boot = _boot()
        records: dict[str, dict[str, Any]] = {}
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # the last line of a killed run may be cut off; its marker line came before it
            if "ended" in record:
                records.pop(record["ended"], None)
            else:
                records.setdefault(record["marker"], {}).update(record)
        return {marker: record for marker, record in records.items() if record.get("boot") == boot}

    def _opened(self) -> TextIO:
        with self._lock:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self.reap_orphans()
                self._file = self._path.open("a", buffering=1)
            return self._file

    def _record(self, record: Mapping[str, Any]) -> None:
        with self._lock:
            self._opened().write(json.dumps(record) + "\n")

    def _sweep(self, ended: Sequence[Process]) -> None:
        """These first processes ended: end the children that they left, then forget them. One look serves all."""
        table = read_table()
        markers = {process.marker for process in ended}
        with self._lock:
            others = {process.pid for marker, process in self._running.items() if marker not in markers}
        # An id may be another process's by now.
        taken = {each.pid for each in ended if each.pid in table and table[each.pid].started_at != each.started_at}
        left = _family(table, [process.pid for process in ended if process.pid not in taken])
        # A child that left its session carries the marker. What is in the session of another process of ours is not
        # one of those, nor is what was there before: to read all environments would make the end of many processes
        # cost their number squared, and that of each health check's a look through the machine.
        since = min(process.started_at for process in ended)
        left |= {
            pid
            for pid, entry in table.items()
            if not entry.zombie
            and entry.started_at >= since
            and entry.session not in others
            and variable_of(pid, MARKER) in markers
        }
        left.discard(os.getpid())
        for pid in left:
            _send(pid, table[pid].started_at, signal.SIGKILL)
        with self._lock:
            for process in ended:
                process._swept = True
                self._running.pop(process.marker, None)
                self._record({"ended": process.marker})
            self._ended += len(ended)
            if self._ended >= _COMPACT_AFTER:
                self._compact()

    def _compact(self) -> None:
        records = self._read_records()
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(record) + "\n" for record in records.values()))
        if self._file is not None:
            self._file.close()
        fresh.replace(self._path)
        self._file = self._path.open("a", buffering=1)
        self._ended = 0


def still_running(processes: Iterable[Process]) -> list[Process]:
    """Those that have not ended. What the others left behind is ended, with one look at the process table for all."""
    chosen = list(processes)
    ended = [process for process in chosen if not process._swept and process._popen.poll() is not None]
    if ended:
        ended[0]._supervisor._sweep(ended)
    return [process for process in chosen if process._popen.poll() is None]


def wait(processes: Iterable[Process], timeout: float) -> bool:
    """Wait until all of them ended; ``False`` if some still run after ``timeout`` seconds."""
    left = list(processes)
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        left = still_running(left)
        if not left:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)
