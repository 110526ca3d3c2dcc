"""One real PostgreSQL for all of these tests, and a database of its own for each."""

from __future__ import annotations

import json
import re
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
from support.engine_world import TESTS, World, Zygote, execute, place_in
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
    (tmp_path / "state").mkdir()
    cloud = {
        "endpoint": "http://127.0.0.1:9",
        "region": "ap-southeast-2",
        "account": "123456789012",
        "access_key_id": "a",
        "secret_access_key": "b",
        "port_shift": 0,
    }
    (tmp_path / "state" / "cloud.json").write_text(json.dumps(cloud))
    monkeypatch.setenv("OMC_LOCAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FAKE_WORLD", str(tmp_path))
    file = tmp_path / "omc.toml"
    text = (TESTS.parent / "omc.toml").read_text()
    text = text.replace("[approvals.production]\n", "[approvals.production]\ngithub_review = false\n")
    nothing_outside = r'\g<0>\naudit_bucket = ""\nrecord_log_group = ""'  # there is no AWS in this world
    text = re.sub(r"(?m)^\[environments\.\w+\].*$", nothing_outside, text)
    file.write_text(f'{text}\n[approvals.staging]\ngithub_review = false\n\n[github]\napi = "{github}"\n')
    made = World(tmp_path, place, load(file), zygote, github)
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
