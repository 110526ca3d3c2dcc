"""One real PostgreSQL for all of these tests, and a database of its own for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from omc.config import load
from omc.store import embedded
from omc.store.database import open_store
from omc.store.location import StoreLocation
from omc.store.opened import Store
from support import fake_world
from support.engine_world import World, Zygote, execute, made_world, place_in
from support.github import github_api

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Server]:
    """The embedded PostgreSQL, with an empty database in omc's newest schema as a template."""
    running = embedded.Server(tmp_path_factory.mktemp("pg"))
    running.enter()
    try:
        execute(running, "CREATE DATABASE template_omc")
        with open_store(place_in(running, "template_omc")):
            pass
        yield running
    finally:
        running.leave()


@pytest.fixture
def place(server: embedded.Server) -> StoreLocation:
    name = f"test{next(_NUMBERS)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template_omc STRATEGY file_copy")
    return place_in(server, name)


@pytest.fixture
def store(place: StoreLocation) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    process = Zygote()
    try:
        yield process
    finally:
        process.end()


@pytest.fixture(scope="session")
def github() -> Iterator[str]:
    with github_api() as api:
        yield api


@pytest.fixture
def world(
    tmp_path: Path, place: StoreLocation, zygote: Zygote, github: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    made = made_world(tmp_path, place, zygote, github)
    monkeypatch.setenv("OMC_LOCAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FAKE_WORLD", str(tmp_path))
    made.stack = load(made.stack.file)
    fake_world.install()
    try:
        yield made
    finally:
        fake_world.uninstall()
        for command in made.started:
            command.send(signal.SIGKILL)
            command.done()


@pytest.fixture(scope="module")
def store_of_module(server: embedded.Server) -> Iterator[Store]:
    """One store for all tests of a file, which mind what the others leave there."""
    name = f"test{next(_NUMBERS)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE template_omc STRATEGY file_copy")
    with open_store(place_in(server, name)) as opened:
        yield opened
