"""``omc db``: how PostgreSQL's client is started, or a small one of omc's own where there is none.

Both connect to the real host name at the loopback's address, so that the certificate is verified in full. Reading alone
is ``default_transaction_read_only``: it keeps from mistakes, and whoever wants to can switch it off, unless the user
has no right to write.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from omc.config.door_tables import DoorsTable
from omc.errors import OmcError, WrongUse
from omc.output import echo, line, terminal
from omc.output.document import Document, Row, Table

CONNECT_SECONDS: Final = 10
KEPT: Final = ("PATH", "HOME", "TERM", "LANG", "LC_ALL", "PAGER", "LESS", "EDITOR", "PSQLRC", "PSQL_PAGER", "TZ")
"""What of this process's environment psql gets: nothing that says where to connect, or as whom."""
MOST_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """What is connected to, and as whom."""

    host: str
    """The real name, which the certificate must have."""
    local_port: int
    name: str
    user: str
    password: str = field(repr=False)
    authorities: Path
    writes: bool
    doors: DoorsTable


def options_of(doors: DoorsTable, *, writes: bool) -> str:
    """What the server is told at the beginning of the session."""
    settings = {
        "default_transaction_read_only": "off" if writes else "on",
        "statement_timeout": f"{doors.statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{max(5, doors.idle_seconds // 5)}s",
        "idle_session_timeout": f"{doors.idle_seconds}s",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def variables_of(target: Target, passwords: Path) -> dict[str, str]:
    """libpq's variables. The password is in the file ``passwords``, so that it is neither in an argument nor in what
    psql's own children (``\\!``, its pager) inherit."""
    return {
        "PGHOST": target.host,
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": str(target.local_port),
        "PGDATABASE": target.name,
        "PGUSER": target.user,
        "PGPASSFILE": str(passwords),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(target.authorities),
        "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
        "PGAPPNAME": "omc db",
        "PGOPTIONS": options_of(target.doors, writes=target.writes),
    }


@contextmanager
def _password_file(target: Target) -> Iterator[Path]:
    """libpq's password file, which only this user reads; gone afterwards."""
    if "\n" in target.password:
        raise OmcError("The database's password has a line break, which psql's password file can't hold.")
    fields = (target.host, str(target.local_port), target.name, target.user, target.password)
    escaped = ":".join(each.replace("\\", r"\\").replace(":", r"\:") for each in fields)
    with tempfile.TemporaryDirectory(prefix="omc-db-") as folder:
        path = Path(folder) / "pgpass"
        path.touch(0o600)
        path.write_text(escaped + "\n")
        yield path


def arguments_of(words: Sequence[str]) -> list[str]:
    """psql's arguments: one word without a dash is SQL."""
    if len(words) == 1 and not words[0].startswith("-"):
        return ["-c", words[0]]
    return list(words)


def run_psql(target: Target, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """psql, as a child with this terminal; its exit code."""
    program = shutil.which("psql")
    if program is None:
        return run_own(target, words)
    own = {name: environment[name] for name in KEPT if name in environment}
    with _password_file(target) as passwords, _interrupts_are_the_childs():
        variables = own | variables_of(target, passwords)
        code = subprocess.run([program, *arguments_of(words)], env=variables, check=False).returncode
    return code if code >= 0 else 128 - code  # ended by a signal, as a shell tells it


@contextmanager
def _interrupts_are_the_childs() -> Iterator[None]:
    """Ctrl-C reaches psql too, which cancels the statement with it: the session goes on."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_own(target: Target, words: Sequence[str]) -> int:
    """omc's own: one statement given, or those that are typed or piped in, each up to a line that ends with ``;``."""
    import psycopg

    if len(words) > 1 or (words and words[0].startswith("-")):
        raise WrongUse("There is no psql on PATH, and omc's own client takes one statement and no options of psql's.")
    try:
        with _connected(target) as connection:
            if words:
                return execute(connection, words[0])
            code = 0
            for statement in _typed(target):
                code = execute(connection, statement)
            return code
    except psycopg.OperationalError as error:
        raise OmcError(f"The database refused the session, or ended it: {line(str(error))}") from error


def _connected(target: Target) -> Any:
    import psycopg

    return psycopg.connect(
        host=target.host,
        hostaddr="127.0.0.1",
        port=target.local_port,
        dbname=target.name,
        user=target.user,
        password=target.password,
        sslmode="verify-full",
        sslrootcert=str(target.authorities),
        connect_timeout=CONNECT_SECONDS,
        application_name="omc db",
        options=options_of(target.doors, writes=target.writes),
        autocommit=True,
    )


def _typed(target: Target) -> Any:
    """Statements as they come on standard input."""
    at_terminal = sys.stdin.isatty()
    statement = ""
    while True:
        try:
            text = input(f"{target.name}{'-' if statement else '='}> " if at_terminal else "")
        except EOFError:
            break
        if text.strip() in (r"\q", "exit", "quit") and not statement:
            return
        statement += text + "\n"
        if text.rstrip().endswith(";"):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def execute(connection: Any, statement: str) -> int:
    """Run one and show what it gives; 1 where the server refuses it."""
    import psycopg

    try:
        cursor = connection.execute(statement)
    except (psycopg.Error, UnicodeError) as error:
        if isinstance(error, psycopg.OperationalError) and connection.closed:
            raise  # else the statement alone was ended: by its time, by a lock
        echo(line(f"{type(error).__name__}: {str(error).strip()}"), err=True)
        return 1
    if cursor.description is None:
        echo(line(cursor.statusmessage or ""))
        return 0
    rows = cursor.fetchmany(MOST_ROWS + 1)
    names = tuple(column.name for column in cursor.description)
    table = Table(names, tuple(Row(tuple("" if v is None else str(v) for v in row)) for row in rows[:MOST_ROWS]))
    echo(terminal.render(Document("", (table,)), width=10_000))
    if len(rows) > MOST_ROWS:
        echo(f"Only the first {MOST_ROWS} rows are shown.", err=True)
    return 0


def environment_of_process() -> Mapping[str, str]:
    return os.environ
