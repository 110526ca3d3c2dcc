"""The embedded PostgreSQL as a shared thing: started by the first, ended by the last, none the worse for kills."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError

from omc import progress
from omc.config import load
from omc.errors import OmcError, StackError
from omc.store import audit, embedded
from omc.store.clock import boot_clock
from omc.store.database import open_store
from omc.store.location import StoreLocation, locate_store
from omc.store.models import Base
from omc.store.opened import Store
from support.waiting import eventually

ROOT = Path(__file__).parents[4]
USER = """
import sys, time
from pathlib import Path
from omc.store import embedded
server = embedded.Server(Path(sys.argv[1]))
server.enter()
print("in", flush=True)
sys.stdin.readline()
server.leave()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store's folder whose path is longer than a socket's address may be."""
    made = tmp_path_factory.mktemp("x" * 100) / "store"
    yield made
    embedded.remove(made)
    assert not made.exists()


def user(folder: Path) -> subprocess.Popen[str]:
    """A process that uses the store until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=120)
    assert process.returncode == 0


def running(folder: Path) -> int | None:
    return embedded._living(folder / "data")


def test_the_last_one_to_leave_ends_it_even_after_a_kill(folder: Path) -> None:
    first, second = user(folder), user(folder)
    server = running(folder)
    assert server is not None
    assert (folder.stat().st_mode & 0o777) == 0o700
    assert not embedded.end(folder)  # it is in use
    first.kill()
    first.communicate()
    assert running(folder) == server
    third = user(folder)
    leave(third)
    assert running(folder) == server
    leave(second)
    assert running(folder) is None


def test_a_killed_server_and_a_strangers_id_in_its_lock_file_are_no_obstacle(folder: Path) -> None:
    with open_store(StoreLocation(folder=folder)) as store, store.transaction() as transaction:
        transaction.session.execute(text("CREATE TABLE IF NOT EXISTS kept (what text)"))
        transaction.session.execute(text("INSERT INTO kept VALUES ('this')"))
    killed = user(folder)
    server = running(folder)
    assert server is not None
    os.kill(server, signal.SIGKILL)
    killed.kill()
    killed.communicate()
    eventually("the server has ended", lambda: running(folder) is None)
    lock = folder / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")  # the id lives, and is somebody else's
    with open_store(StoreLocation(folder=folder)) as store, store.reading() as session:
        assert session.execute(text("SELECT what FROM kept")).scalars().all() == ["this"]
    assert running(folder) is None


def test_a_newer_schema_is_refused_in_one_sentence(place: StoreLocation) -> None:
    with open_store(place) as store, store.transaction() as transaction:
        transaction.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OmcError, match=r"newer omc .* Update omc"), open_store(place):
        pass


def test_the_migrations_come_to_what_the_models_say(store: Store) -> None:
    audit._recorded()  # every module with a table
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_transaction_that_stood_still_too_long_says_that_the_database_is_gone(store: Store) -> None:
    """The server ends it, so that a process that is paused holds nobody up."""

    def stand_still() -> None:
        with store.transaction() as transaction:
            transaction.session.execute(text("SET idle_in_transaction_session_timeout = '50ms'"))
            time.sleep(1)  # what is tested is that time passes
            transaction.session.execute(text("SELECT 1"))

    with pytest.raises(embedded.StoreUnreachable, match="Nothing more was done"):
        stand_still()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://nobody@127.0.0.1:9/omc", "does not answer"),
        ("mysql://host/omc", "must be a PostgreSQL"),
        ("nonsense", "is not valid"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(url: str, expected: str) -> None:
    with pytest.raises(OmcError, match=expected) as error, open_store(StoreLocation(url=url)):
        pass
    assert "\n" not in error.value.message


def test_without_the_wheel_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMC_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(OmcError, match="OMC_POSTGRES_BIN"), open_store(StoreLocation(folder=tmp_path / "store")):
        pass


LIBPQ = [
    ("PGSERVICE", "elsewhere"),
    ("PGOPTIONS", "-c search_path=nowhere"),
    ("PGCHANNELBINDING", "require"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGHOST", "db.example.com"),
    ("PGPORT", "1"),
    ("PGSSLMODE", "verify-full"),
    ("PGREQUIREAUTH", "scram-sha-256"),
    ("PGREQUIREPEER", "nobody"),
    ("PGTARGETSESSIONATTRS", "standby"),
    ("PGDATABASE", "elsewhere"),
    ("PGUSER", "nobody"),
    ("PGCLIENTENCODING", "SQL_ASCII"),
    ("PGGSSENCMODE", "require"),
    ("PGSERVICEFILE", "/nonexistent"),
    ("PGCONNECT_TIMEOUT", "no number"),
]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreLocation]:
    """An embedded store that stays started."""
    place = StoreLocation(folder=tmp_path_factory.mktemp("own") / "store")
    with open_store(place):
        yield place


@pytest.mark.parametrize(("name", "value"), LIBPQ, ids=[name for name, _ in LIBPQ])
def test_the_shells_variables_for_another_database_do_not_reach_omcs_own(
    own: StoreLocation, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with open_store(own) as store, store.reading() as session:
        session.execute(text("SELECT number FROM audit_log"))
    assert os.environ[name] == value, "the shell's own for whoever is started next"


def test_they_are_meant_for_a_database_that_was_named(place: StoreLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "nowhere")
    with pytest.raises(OmcError, match="nowhere"), open_store(place):
        pass


@pytest.mark.parametrize(
    "broken", ["data", "users.lock", "server.lock", "server.log", "data/PG_VERSION", "data/global"]
)
def test_a_broken_folder_is_one_sentence(tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where a folder belongs, a folder where a file does, and something missing."""
    place = StoreLocation(folder=tmp_path / "store")
    with open_store(place):
        pass
    assert place.folder is not None
    monkeypatch.setattr(embedded, "PATIENCE", 0.5)
    path = place.folder / broken
    if path.is_dir():
        shutil.rmtree(path)
        path.touch()
    else:
        path.unlink(missing_ok=True)
        path.mkdir()
    with pytest.raises(OmcError) as error, open_store(place):
        pass
    assert "\n" not in error.value.message
    assert str(place.folder) in error.value.message


def test_what_it_waits_for_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT", 0.05)
    place = StoreLocation(folder=tmp_path / "store")
    with open_store(place):
        pass
    assert place.folder is not None
    with (place.folder / "server.lock").open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: embedded.end(place.folder or tmp_path), daemon=True)
        waiting.start()
        eventually(
            "it says what it waits for",
            lambda: f"omc waits for omc's database in {place.folder} to stop" in capfd.readouterr().err,
        )
    waiting.join(60)
    assert not waiting.is_alive()


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMC_STORE_URL", "OMC_STORE_FOLDER", "OMC_LOCAL_STATE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "omc.toml"
    text_of_file = (ROOT / "omc.toml").read_text()
    file.write_text(text_of_file)
    stack = load(file)
    local, production = stack.environments["local"], stack.environments["production"]
    assert locate_store(stack, local).folder == tmp_path / ".localcloud" / "omc"
    assert locate_store(stack, production).folder == tmp_path / ".omc"
    file.write_text(text_of_file + '\n[store]\nurl = "postgresql://omc@db/omc"\n')
    stack = load(file)
    assert locate_store(stack, production).url == "postgresql://omc@db/omc"
    assert locate_store(stack, local).folder == tmp_path / ".localcloud" / "omc"
    monkeypatch.setenv("OMC_STORE_URL", "postgresql://omc:x@other/omc")
    assert locate_store(stack, local).url == "postgresql://omc:x@other/omc"
    assert ":x@" not in str(locate_store(stack, local))
    file.write_text(text_of_file + '\n[store]\nurl = "postgresql://omc:secret@db/omc"\n')
    with pytest.raises(StackError, match="contains a password"):
        load(file)
    file.write_text(text_of_file.replace("[approvals.production]", "[approvals.prodution]"))
    with pytest.raises(StackError, match="Did you mean"):
        load(file)


def test_a_folder_that_is_closed_to_us_holds_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what needs it says why it can't be opened, and what only may need it goes on."""

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert StoreLocation(folder=tmp_path).exists


def test_a_command_without_a_record_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "omc.toml").write_text((ROOT / "omc.toml").read_text())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    for command in (["runs", "list"], ["audit", "verify"], ["incident", "list", "--env", "production"]):
        done = subprocess.run(
            [sys.executable, "-m", "omc", *command, "--output", "json"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=kept,
        )
        assert json.loads(done.stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["omc.toml"]


def test_what_expires_goes_by_the_databases_clock(place: StoreLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uptime carries a reading on for a minute, and while the database is gone; a later reading counts again."""
    up = [boot_clock()]
    monkeypatch.setattr("omc.store.clock.boot_clock", lambda: up[0])
    with open_store(place) as store:
        before = store.now()
        with store.reading() as session:
            assert abs(before - session.execute(select(func.clock_timestamp())).scalar_one()) < timedelta(minutes=5)
        up[0] += 30
        assert store.now() - before == timedelta(seconds=30)
        with store.transaction("alice") as transaction:
            assert transaction.at == store.now()
        up[0] += 3600
        assert store.now() - before < timedelta(minutes=5)  # read again: no hour has passed in the database
        monkeypatch.setattr(Engine, "connect", refuse)
        before = store.now()
        up[0] += 3600
        assert store.now() - before == timedelta(hours=1)


def refuse(_: Engine) -> None:
    raise OperationalError("SELECT", {}, Exception("gone"))
