"""A canary in every input of a person: in no output, no row of the database and no list of processes is it found."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psycopg
import pytest

from support.engine_world import World

CANARY = "c4n4ry"
FORMS = (
    f"password={CANARY}",
    json.dumps({"api_key": CANARY}),
    f"https://user:{CANARY}@host/ and https://hooks.slack.com/services/T0/B0/{CANARY}",
    f"Authorization: Bearer {CANARY}",
)
HOSTILE = "\x1b]52;c;eA==\x07\nomc: approved by mallory\u202e"


def dump(world: World) -> str:
    """All of the database's tables, as text."""
    with psycopg.connect(world.place.url or "") as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        rows = [connection.execute(f'SELECT * FROM "{name}"'.encode()).fetchall() for (name,) in tables]
    return repr(rows)


def test_a_canary_in_every_input_is_found_nowhere(world: World) -> None:
    seen = []
    for text in FORMS:
        said = f"{text} {HOSTILE}"
        seen.append(world.omc("incident", "open", "--env", "local", "--severity", "1", said))
        seen.append(world.omc("incident", "note", "1", said, "--env", "local"))
        seen.append(world.set(f"one={text}"))
        seen.append(world.set(f"one={text}", more=("--output", "json")))
        seen.append(world.omc("fake", "--env", "local", f"one={text}", "--dry-run", "--output", "markdown"))
        waiting = world.omc("fake", "--env", "production", "two=2", "--yes", "--confirm", "production", "--no-wait")
        seen.append(waiting)
        run = world.last_run()
        seen.append(world.omc("approve", run, "--break-glass", said, "--incident", "1", "--yes", who="bob"))
        seen.append(world.omc("runs", "cancel", run))
    seen.append(world.omc("incident", "resolve", "1", f"{FORMS[0]} {HOSTILE}", "--env", "local"))
    for output in ("table", "json", "markdown"):
        seen += [
            world.omc("incident", "list", "--env", "local", "--all", "--output", output),
            world.omc("incident", "show", "1", "--env", "local", "--output", output),
            world.omc("runs", "list", "--output", output),
            world.omc("runs", "show", world.last_run(), "--output", output),
            world.omc("audit", "show", "--output", output),
            world.omc("stack", "show", *(() if output == "markdown" else ("--output", output))),
        ]
    proof = world.proof()
    for done in [*seen, proof]:
        printed = done.out + done.err
        assert CANARY not in printed, printed
        assert not any(line.startswith("omc: approved") for line in printed.splitlines())
        for raw in ("\x1b", "\x07", "\u202e"):
            assert raw not in printed
    assert proof.code == 0
    assert CANARY not in dump(world)


def test_a_step_that_would_be_given_a_secret_is_refused_before_anything_is_written(world: World) -> None:
    done = world.set("one=1", more=("--secret", CANARY))
    assert done.code == 1
    assert "Secrets Manager" in done.err
    assert CANARY not in done.out + done.err + dump(world)
    assert world.effects() == []


@pytest.mark.parametrize("password", [f"{CANARY}/x", f"{CANARY}@x", f"{CANARY}#%x", f"{CANARY} x"])
def test_a_stores_password_is_in_no_error_and_in_no_list_of_processes(world: World, password: str) -> None:
    listed: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    listed.append(file.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for place in (
            f"postgresql://omc:{password}@127.0.0.1:9/omc",
            f"mysql://omc:{password}@x/y",
            f"omc:{password}@x",
        ):
            for command in (("runs", "list"), ("stack", "show"), ("audit", "verify")):
                done = world.omc(*command, OMC_STORE_URL=place)
                assert CANARY not in done.out + done.err
                assert "bug" not in done.err
    finally:
        over.set()
        watcher.join()
    assert listed
    assert not [words for words in listed if CANARY in words]


def test_what_is_printed_in_a_job_of_githubs_is_no_command_to_its_runner(world: World) -> None:
    said = "\n::error::forged\n  ::add-mask::x\n##[set-output name=a]b"
    world.omc("incident", "open", "--env", "local", "--severity", "2", said)
    for output in ("table", "json", "markdown"):
        done = world.omc("incident", "list", "--env", "local", "--output", output, GITHUB_ACTIONS="true")
        lines = (done.out + done.err).splitlines()
        assert "forged" in done.out
        assert not any(line.strip().startswith("::") or "##[" in line for line in lines)
