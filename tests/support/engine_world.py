"""omc as forked processes in a fake world, and a PostgreSQL with a database for each test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from omc.config import Stack, load
from omc.store import embedded
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store, utc_now
from support.commands import CommandResult
from support.github import job_of
from support.waiting import eventually

TESTS = Path(__file__).parents[1]


class Zygote:
    """A process that has imported everything, and forks a command of omc in a few milliseconds."""

    def __init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_", "GITHUB_"))}
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fake_world", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | {"PYTHONPATH": path},
        )

    def tell(self, **message: Any) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@dataclass
class Command:
    """A command of omc that runs."""

    world: World
    pid: int
    out: Path
    err: Path
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and (message := self.world.zygote.tell(poll=self.pid)) != "running":
            self.returncode = int(message)
        return self.returncode

    def done(self, timeout: float = 120) -> CommandResult:
        eventually(
            lambda: f"the command has ended: {self.out.read_text()}{self.err.read_text()}",
            lambda: self.poll() is not None,
            timeout,
            every=0.02,
        )
        return CommandResult(self.returncode or 0, self.out.read_text(), self.err.read_text())

    def send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass
class World:
    """One test's world: a folder of values, a stack file, a database."""

    folder: Path
    place: StoreLocation
    stack: Stack
    zygote: Zygote
    github: str = ""
    """The address of the API that stands for GitHub's."""
    started: list[Command] = field(default_factory=list)

    def start(self, *argv: str, who: str = "alice", **env: str) -> Command:
        number = len(self.started)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        out.touch()
        err.touch()
        provided = {
            "FAKE_WORLD": str(self.folder),
            "OMC_STACK": str(self.stack.file),
            "OMC_STORE_URL": self.place.url or "",
            "OMC_LOCAL_STATE": str(self.folder / "state"),
            **job_of(who, self.github),
        }
        pid = int(self.zygote.tell(argv=list(argv), env=provided | env, out=str(out), err=str(err)))
        command = Command(self, pid, out, err)
        self.started.append(command)
        return command

    def omc(self, *argv: str, who: str = "alice", **env: str) -> CommandResult:
        return self.start(*argv, who=who, **env).done()

    def set(self, *pairs: str, env: str = "local", more: tuple[str, ...] = (), **how: Any) -> CommandResult:
        """`omc fake one=1 …`, said yes to."""
        return self.omc("fake", "--env", env, *pairs, "--yes", "--confirm", env, *more, **how)

    def trouble(self, moment: str, *words: str) -> None:
        (self.folder / f"trouble {moment}").write_text(" ".join(words))

    def values(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "values.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def effects(self) -> list[str]:
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def is_held(self, step: str) -> bool:
        """Whether a runner watches this step, which ``hold`` keeps from its end: all that came before is written."""
        return (self.folder / f"held {step}").exists()

    def runs(self) -> list[dict[str, Any]]:
        """All of them, the newest first, read past omc."""
        with psycopg.connect(self.place.url or "", row_factory=dict_row) as connection:
            return connection.execute("SELECT *, id AS run FROM runs ORDER BY created_at DESC").fetchall()

    def last_run(self) -> str:
        return str(self.runs()[0]["run"])

    def proof(self) -> CommandResult:
        return self.omc("audit", "verify")


def made_world(folder: Path, place: StoreLocation, zygote: Zygote, github: str) -> World:
    """A world in a folder, with the repository's stack file but for what is outside of it: there is no AWS here."""
    (folder / "state").mkdir()
    cloud = {
        "endpoint": "http://127.0.0.1:9",
        "region": "ap-southeast-2",
        "account": "123456789012",
        "access_key_id": "a",
        "secret_access_key": "b",
        "port_shift": 0,
    }
    (folder / "state" / "cloud.json").write_text(json.dumps(cloud))
    file = folder / "omc.toml"
    text = (TESTS.parent / "omc.toml").read_text()
    text = text.replace("[approvals.production]\n", "[approvals.production]\ngithub_review = false\n")
    nothing_outside = r'\g<0>\naudit_bucket = ""\nrecord_log_group = ""'
    text = re.sub(r"(?m)^\[environments\.\w+\].*$", nothing_outside, text)
    file.write_text(f'{text}\n[approvals.staging]\ngithub_review = false\n\n[github]\napi = "{github}"\n')
    return World(folder, place, load(file), zygote, github)


def place_in(server: embedded.Server, database: str) -> StoreLocation:
    return StoreLocation(url=f"postgresql://{embedded.USER}@/{database}?host={server.data}")


def execute(server: embedded.Server, statement: str) -> None:
    with embedded.connect(server.data) as connection:
        connection.execute(statement.encode())


@contextmanager
def opened_at(place: StoreLocation, now: Callable[[], Any] = utc_now) -> Iterator[Store]:
    with open_store(place, now) as opened:
        yield opened
