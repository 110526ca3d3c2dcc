"""A real PostgreSQL server for one database instance: its files, its configuration, its processes.

What RDS calls it (instance, parameter group, snapshot) is in ``localcloud.services.rds``. The server's own
administrator is ``rdsadmin``, as on RDS: it comes in over a Unix socket that only this user's processes reach; the
master user is no superuser.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud.backends import postgres_tls, sockets, tools
from localcloud.backends.certificates import Certificate
from localcloud.core.processes import Process, Supervisor, wait

ADMINISTRATOR = "rdsadmin"
SETUP = 120
"""Seconds for a statement that makes a database or a role: copies files and waits for the disk."""
tool = tools.postgres


class PostgresError(Exception):
    """The server could not be made or started; the message ends with what it said itself."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: where its files are and where it listens."""

    name: str
    folder: Path
    """Holds ``data`` (PostgreSQL's own) and ``server.log``."""
    address: str
    port: int
    gated: bool = False
    """A gate listens at ``port`` and leads to the TLS proxy, which then listens at ``tls_port``."""

    @property
    def tls_port(self) -> int:
        """Where the TLS proxy listens."""
        if not self.gated:
            return self.port
        return self.port + 20_000 if self.port < 45_000 else self.port - 20_000

    @property
    def inner_port(self) -> int:
        """Where PostgreSQL itself listens, on the same address, behind its TLS proxy."""
        return self.port + 10_000 if self.port < 50_000 else self.port - 10_000

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def archive(self) -> Path:
        """Where the write-ahead log is kept, a compressed file a segment, for a restore to a point in time."""
        return self.folder / "archive"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A server parameter as ``postgres --describe-config`` tells it."""

    name: str
    context: str
    """``postmaster`` parameters need a restart; ``internal`` ones can't be set."""
    type: str
    default: str
    minimum: str
    maximum: str
    description: str


@cache
def parameters() -> dict[str, Parameter]:
    """Every parameter that this PostgreSQL knows, asked of the binary itself."""
    answer = subprocess.run(
        [tool("postgres"), "--describe-config"], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    found = {}
    for line in answer.splitlines():
        name, context, _group, kind, default, minimum, maximum, description, *_ = [*line.split("\t"), "", ""]
        found[name] = Parameter(name, context, kind.lower(), default, minimum, maximum, description)
    return found


def has_library(name: str) -> bool:
    """Whether a library of ``shared_preload_libraries`` comes with this PostgreSQL."""
    return re.fullmatch(r"[a-z0-9_]+", name) is not None and any(
        (folder / f"{name}.so").is_file() for folder in (_library_folder(), _library_folder() / "postgresql")
    )


@cache
def _library_folder() -> Path:
    answer = subprocess.run(
        [tool("pg_config"), "--pkglibdir"], capture_output=True, text=True, timeout=120, check=False
    )
    folder = Path(answer.stdout.strip())
    return folder if answer.returncode == 0 and folder.is_dir() else tool("postgres").parent.parent / "lib"


def initialise(supervisor: Supervisor, server: Server) -> None:
    """Make the server's files (about half a second); what an earlier, unfinished attempt left is replaced."""
    shutil.rmtree(server.folder, ignore_errors=True)
    server.folder.mkdir(parents=True, mode=0o700)
    command: list[str | Path] = [
        tool("initdb"),
        "--pgdata=data",
        f"--username={ADMINISTRATOR}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    environment = tools.environment(server.folder)
    name = f"initdb {server.name}"
    code = supervisor.run(name, command, env=environment, cwd=server.folder, output=server.log, timeout=300)
    if code:
        raise PostgresError(f"PostgreSQL's files for {server.name} could not be made: {last_words(server.log)}")


ARCHIVE = "gzip -1 < %p > ../archive/%f.part && mv ../archive/%f.part ../archive/%f"
"""``archive_command``, run in the server's data folder: a segment that is there is there whole."""
FETCH = "test -f ../recovery/%f && gzip -dc < ../recovery/%f > %p"
"""``restore_command``: from a copy of the source's archive, so that the source may go on or be deleted."""


def configure(
    server: Server,
    settings: Mapping[str, str],
    certificate: Certificate,
    *,
    force_tls: bool,
    archives: bool = False,
    recovery: Mapping[str, str] | None = None,
) -> None:
    """Write the server's and its proxy's configuration whole. A running one takes them up at reload or restart.

    ``archives``: whether it keeps its write-ahead log. ``recovery``: settings of a recovery that the next start does.
    """
    own = {
        "listen_addresses": server.address,
        "port": str(server.inner_port),
        "unix_socket_directories": ".",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%t:%r:%u@%d:[%p]:",
        "log_timezone": "UTC",
        "track_io_timing": "on",
        "dynamic_shared_memory_type": "mmap",  # /dev/shm may be tiny in a container
        "cluster_name": server.name,
        "archive_mode": "on",
        "archive_command": ARCHIVE if archives else "/bin/true",
        **(recovery or {}),
    }
    server.archive.mkdir(mode=0o700, exist_ok=True)
    lines = ["# written by localcloud; changes are lost"]
    lines += [f"{name} = '{_quoted(value)}'" for name, value in {**settings, **own}.items()]
    _replace(server.data / "postgresql.conf", "\n".join(lines) + "\n")
    access = [
        f"local all {ADMINISTRATOR} trust",
        f"local replication {ADMINISTRATOR} trust",
        f"host all {ADMINISTRATOR} all reject",
        "host all all all scram-sha-256",
    ]
    _replace(server.data / "pg_hba.conf", "\n".join(access) + "\n")
    proxy = postgres_tls.Configuration(
        address=server.address,
        port=server.tls_port,
        server_port=server.inner_port,
        certificate=str(certificate.certificate),
        key=str(certificate.key),
        force_tls=force_tls,
    )
    _replace(server.folder / "tls.json", json.dumps(asdict(proxy)))


def start(supervisor: Supervisor, server: Server, timeout: float = 180.0) -> list[Process]:
    """Start the server and wait until it takes connections, after a crash with its recovery; then its TLS proxy."""
    # Whoever held these lock files is gone: the supervisor ended every process of an earlier run before this. Its id
    # may belong to a stranger by now, which PostgreSQL would take for a running server.
    for left in (server.data / "postmaster.pid", *server.data.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    process = supervisor.spawn(
        f"postgres {server.name}",
        [tool("postgres"), "-D", "."],
        env=tools.environment(server.folder),
        cwd=server.data,
        output=server.log,
        as_unprivileged=True,
        stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back, clients are sent away
    )
    proxy = supervisor.spawn(
        f"postgres TLS {server.name}",
        [sys.executable, "-P", "-m", postgres_tls.__name__, server.folder / "tls.json"],
        env=tools.environment(server.folder),
        cwd=server.folder,
        output=server.folder / "tls.log",
    )
    deadline = time.monotonic() + timeout
    while not (ready(server) and _listens(server)):
        for each, log in ((process, server.log), (proxy, server.folder / "tls.log")):
            if each.poll() is not None:
                supervisor.end_all([process, proxy], grace=2.0)
                raise PostgresError(f"{each.name} ended at once: {last_words(log)}")
        if time.monotonic() > deadline:
            supervisor.end_all([process, proxy], grace=1.0)
            raise PostgresError(f"PostgreSQL for {server.name} took no connection in {timeout:.0f} s")
        wait([process], 0.03)
    return [process, proxy]


def _listens(server: Server) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((server.address, server.tls_port)) == 0


def ready(server: Server) -> bool:
    """Whether the server takes connections."""
    try:
        with connect(server, timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


@contextmanager
def connect(
    server: Server, database: str = "postgres", timeout: float = 5, statement_timeout: int = 10
) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the administrator, which has slots in reserve when ``max_connections`` is used up. In seconds."""
    with (
        sockets.short(server.data) as folder,
        psycopg.connect(
            host=folder,
            port=server.inner_port,
            user=ADMINISTRATOR,
            dbname=database,
            connect_timeout=max(2, int(timeout)),
            autocommit=True,
            application_name="localcloud",
            options=f"-c statement_timeout={statement_timeout}s",
        ) as connection,
    ):
        yield connection


def reload(processes: Sequence[Process]) -> None:
    """Take up a new configuration without a restart: the server and its TLS proxy."""
    for process in processes:
        process.send(signal.SIGHUP)


def make_master(server: Server, user: str, password: str, database: str | None) -> None:
    """The master user with what RDS gives it, its database, and the statistics extension there."""
    with connect(server, statement_timeout=SETUP) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_superuser'").fetchone()
        if not known:
            connection.execute(
                "CREATE ROLE rds_superuser;"
                "GRANT pg_monitor, pg_signal_backend, pg_checkpoint, pg_read_all_data, pg_write_all_data,"
                " pg_use_reserved_connections TO rds_superuser WITH ADMIN OPTION"
            )
        name = sql.Identifier(user)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser").format(name))
        if database and not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), name))
    set_password(server, user, password)
    for each in ["postgres", *([database] if database else [])]:
        with connect(server, each, statement_timeout=SETUP) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def set_password(server: Server, user: str, password: str) -> None:
    with connect(server, statement_timeout=SETUP) as connection:
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
        connection.execute("SET log_statement = 'none'; SET log_min_duration_statement = -1")
        connection.execute(statement)


def copy_to(supervisor: Supervisor, server: Server, folder: Path) -> None:
    """A consistent copy of the running server's files (a base backup with its write-ahead log) in ``folder/data``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    command: list[str | Path] = [
        tool("pg_basebackup"),
        f"--pgdata={folder / 'data'}",
        "--host=/proc/self/cwd",
        f"--port={server.inner_port}",
        f"--username={ADMINISTRATOR}",
        "--checkpoint=fast",
        "--wal-method=fetch",
        "--no-sync",
        "--no-manifest",
    ]
    log = folder / "backup.log"
    environment = tools.environment(folder)
    # The socket is in the folder where this runs; by that name its address stays short.
    code = supervisor.run(f"backup {server.name}", command, env=environment, cwd=server.data, output=log, timeout=600)
    if code:
        raise PostgresError(f"the backup of {server.name} failed: {log.read_text().strip()[-300:]}")


def ship(server: Server, timeout: float = 60.0) -> None:
    """Have all that was committed so far in the archive, with a commit after it: a recovery to a moment ends at the
    first commit later than that."""
    with connect(server) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        [(name,)] = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()
    deadline = time.monotonic() + timeout
    while not (server.archive / str(name)).exists():
        if time.monotonic() > deadline:
            raise PostgresError(f"the write-ahead log of {server.name} was not archived in {timeout:.0f} s")
        time.sleep(0.05)


def prepare_recovery(base: Path, archive: Path, server: Server, until: datetime) -> dict[str, str]:
    """Make a server's files from a base backup and an archive; what its first start has to be told, so that it stops
    after the last transaction that was committed before ``until``."""
    shutil.rmtree(server.folder, ignore_errors=True)
    shutil.copytree(base, server.folder, symlinks=True)
    shutil.rmtree(server.folder / "archive", ignore_errors=True)
    shutil.copytree(archive, server.folder / "recovery")
    (server.data / "recovery.signal").touch()
    return {
        "restore_command": FETCH,
        "recovery_target_time": f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00",
        "recovery_target_inclusive": "off",
        "recovery_target_action": "promote",
        "hot_standby": "off",  # else a smaller class than the source's is refused for its smaller limits
    }


def last_words(log: Path) -> str:
    """The lines of a server's own log that tell why it ended."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "it said nothing"
    messages = [
        line for line in lines[-20:] if re.search(r"FATAL|ERROR|PANIC|LOG: .*(parameter|could not|invalid)|error", line)
    ] or lines[-3:]
    return " / ".join(line.strip() for line in messages[-3:])


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''").replace("\n", " ")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)
