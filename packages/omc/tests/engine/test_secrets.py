"""A canary in every input of a person: in no output, no row of the database and no list of processes is it found."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import psycopg
import pytest

from omc.config.fields import Table
from omc.config.mistakes import keys_of, taken_apart
from omc.config.tables import StackTable
from support.canary import CANARY, FORMS, dump, listing_processes
from support.engine_world import World

HOSTILE = "\x1b]52;c;eA==\x07\nomc: approved by mallory\u202e"


def dumped(world: World) -> str:
    with psycopg.connect(world.place.url or "") as connection:
        return dump(connection)


Key = tuple[Any, ...]


def keys_of_texts(kind: Any, value: Any, path: Key = ()) -> Iterator[Key]:
    """Every key of omc.toml for which the loader takes a text, or a list of them, also those that aren't set."""
    plain, _ = taken_apart(kind)
    if isinstance(plain, type) and issubclass(plain, Table):
        for name, hint in keys_of(plain).items():
            yield from keys_of_texts(hint, (value or {}).get(name), (*path, name))
    elif get_origin(plain) is dict:
        for name, item in (value or {}).items():
            yield from keys_of_texts(get_args(plain)[1], item, (*path, name))
    elif get_origin(plain) is tuple and isinstance(inner := taken_apart(get_args(plain)[0])[0], type):
        if issubclass(inner, Table):
            for number, item in enumerate(value or ()):
                yield from keys_of_texts(inner, item, (*path, number))
        else:
            yield path
    elif plain not in (int, float, bool):
        yield path


def as_toml(value: Any) -> str:
    """On one line, as TOML 1.0 has inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return value.isoformat() if hasattr(value, "isoformat") else json.dumps(value)


def with_value(table: Any, key: Key, value: Any) -> Any:
    if not key:
        return value
    if isinstance(table, list):
        return [with_value(item, key[1:], value) if at == key[0] else item for at, item in enumerate(table)]
    return {**table, key[0]: with_value(table.get(key[0], {}), key[1:], value)}


EVERYTHING = """
[people.jo]
aws = ["jo@example.com"]
github = ["jo-gh"]

[store]
folder = ".omc"

[[environments.production.freeze]]
begin = 2026-12-20T00:00:00+11:00
end = 2027-01-04T00:00:00+11:00
reason = "holidays"
"""
"""What a file may hold and the stack's own doesn't."""


def test_a_canary_in_each_text_of_omc_toml_is_shown_and_kept_nowhere(world: World) -> None:
    """Taken or refused: no output of a command that reads the file has it, and neither has the record."""
    whole = world.folder / "whole.toml"
    whole.write_text(world.stack.file.read_text() + EVERYTHING)
    table = tomllib.loads(whole.read_text())
    keys = list(keys_of_texts(StackTable, table))
    assert len(keys) > 60
    taken = table

    def written(name: str, changed: Mapping[str, Any]) -> str:
        file = world.folder / name
        file.write_text("".join(f"{key} = {as_toml(item)}\n" for key, item in changed.items()))
        return str(file)

    with listing_processes() as listed:
        for number, key in enumerate(keys):
            text = FORMS[number % len(FORMS)]
            before: Any = table
            for part in key:
                before = before.get(part) if isinstance(before, dict) else before[part]
                if before is None:
                    break
            value = [text] if isinstance(before, list) or key[-1] in ("migrate", "business_hours") else text
            file = written("one.toml", with_value(table, key, value))
            output = ("--output", "json") if number % 2 else ()
            done = world.omc("stack", "show", "--offline", *output, OMC_STACK=file)
            assert CANARY not in done.stdout + done.stderr, (key, done)
            assert done.returncode in (0, 2), (key, done)
            if done.returncode == 0:
                taken = with_value(taken, key, value)
        all_at_once = written("all.toml", taken)
        assert CANARY in Path(all_at_once).read_text()
        for words in (
            ("stack", "show", "--offline"),
            ("stack", "show", "--offline", "--output", "json"),
            ("fake", "--env", "local", "a=1", "--yes"),
        ):
            done = world.omc(*words, OMC_STACK=all_at_once)
            assert done.returncode == 0, done
            assert CANARY not in done.stdout + done.stderr, done
    assert taken["on_call"]["chain"][0]["name"] != table["on_call"]["chain"][0]["name"]
    assert CANARY not in dumped(world)
    assert not [words for words in listed if CANARY in words]


def test_a_canary_in_an_override_and_in_tags_is_shown_and_kept_nowhere(world: World) -> None:
    seen = []
    for number, text in enumerate(FORMS):
        words = (f"o{number}=broken", "--override", f"{text} {HOSTILE}", "--tag", f"api-token={CANARY}")
        for output in ("table", "json", "markdown"):
            dry = world.omc("fake", "--env", "local", *words, "--tag", f"Owner={text}", "--dry-run", "--output", output)
            assert "Overridden" in dry.stdout
            seen.append(dry)
        done = world.set(*words, more=("--tag", f"Owner={text}"))
        assert done.returncode == 0
        seen += [done, world.omc("runs", "show", world.last_run()), world.omc("audit", "show", "--output", "json")]
    for done in seen:
        assert CANARY not in done.stdout + done.stderr, done
        assert "\x1b]" not in done.stdout + done.stderr
    assert CANARY not in dumped(world)


def test_a_canary_in_every_input_is_found_nowhere(world: World) -> None:
    seen = []
    for text in FORMS:
        message = f"{text} {HOSTILE}"
        seen.append(world.omc("incident", "open", "--env", "local", "--severity", "1", message))
        seen.append(world.omc("incident", "note", "1", message, "--env", "local"))
        seen.append(world.set(f"one={text}"))
        seen.append(world.set(f"one={text}", more=("--output", "json")))
        seen.append(world.omc("fake", "--env", "local", f"one={text}", "--dry-run", "--output", "markdown"))
        waiting = world.omc("fake", "--env", "production", "two=2", "--yes", "--confirm", "production", "--no-wait")
        seen.append(waiting)
        run = world.last_run()
        seen.append(world.omc("approve", run, "--break-glass", message, "--incident", "1", "--yes", who="bob"))
        seen.append(world.omc("runs", "cancel", run))
    seen.append(world.omc("incident", "resolve", "1", f"{FORMS[0]} {HOSTILE}", "--env", "local"))
    for output in ("table", "json", "markdown"):
        seen += [
            world.omc("incident", "list", "--env", "local", "--all", "--output", output),
            world.omc("incident", "show", "1", "--env", "local", "--output", output),
            world.omc("runs", "list", "--output", output),
            world.omc("runs", "show", world.last_run(), "--output", output),
            world.omc("audit", "show", "--output", output),
            world.omc("stack", "show", "--offline", *(() if output == "markdown" else ("--output", output))),
        ]
    proof = world.proof()
    for done in [*seen, proof]:
        printed = done.stdout + done.stderr
        assert CANARY not in printed, printed
        assert not any(line.startswith("omc: approved") for line in printed.splitlines())
        for raw in ("\x1b", "\x07", "\u202e"):
            assert raw not in printed
    assert proof.returncode == 0
    assert CANARY not in dumped(world)


def test_a_step_that_would_be_given_a_secret_is_refused_before_anything_is_written(world: World) -> None:
    done = world.set("one=1", more=("--secret", CANARY))
    assert done.returncode == 1
    assert "Secrets Manager" in done.stderr
    assert CANARY not in done.stdout + done.stderr + dumped(world)
    assert world.effects() == []


@pytest.mark.parametrize("password", [f"{CANARY}/x", f"{CANARY}@x", f"{CANARY}#%x", f"{CANARY} x"])
def test_a_stores_password_is_in_no_error_and_in_no_list_of_processes(world: World, password: str) -> None:
    with listing_processes() as listed:
        for place in (
            f"postgresql://omc:{password}@127.0.0.1:9/omc",
            f"mysql://omc:{password}@x/y",
            f"omc:{password}@x",
        ):
            for command in (("runs", "list"), ("stack", "show", "--offline"), ("audit", "verify")):
                done = world.omc(*command, OMC_STORE_URL=place)
                assert CANARY not in done.stdout + done.stderr
                assert "bug" not in done.stderr
    assert listed
    assert not [words for words in listed if CANARY in words]


def test_what_is_printed_in_a_job_of_githubs_is_no_command_to_its_runner(world: World) -> None:
    message = "\n::error::forged\n  ::add-mask::x\n##[set-output name=a]b"
    world.omc("incident", "open", "--env", "local", "--severity", "2", message)
    for output in ("table", "json", "markdown"):
        done = world.omc("incident", "list", "--env", "local", "--output", output, GITHUB_ACTIONS="true")
        lines = (done.stdout + done.stderr).splitlines()
        assert "forged" in done.stdout
        assert not any(line.strip().startswith("::") or "##[" in line for line in lines)
