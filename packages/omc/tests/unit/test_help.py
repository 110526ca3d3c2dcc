"""The help of omc and its groups: whole sentences, headings that hold every command; and what a shell completes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from omc.cli.main import COMMANDS, HEADINGS, root
from support.commands import clean_env, run

ROOT = Path(__file__).parents[4]


def groups(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    yield path, group
    for name in group.list_commands(click.Context(group)):
        below = group.get_command(click.Context(group), name)
        if isinstance(below, click.Group):
            yield from groups(below, (*path, name))


@pytest.mark.parametrize(
    ("path", "group"), list(groups(root)), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_sentence_of_a_list_is_cut(path: tuple[str, ...], group: click.Group, width: int) -> None:
    context = click.Context(group, info_name=" ".join(("omc", *path)), terminal_width=width)
    text = group.get_help(context)
    assert [line for line in text.splitlines() if line.endswith("...") and "Usage" not in line] == []
    for name in group.list_commands(context):
        assert f"\n  {name}" in text


def test_each_command_is_under_one_heading() -> None:
    placed = [name for names in HEADINGS.values() for name in names]
    assert sorted(placed) == sorted({*COMMANDS, *root.commands})


def completed(words: str, **env: str) -> list[str]:
    """What bash would offer for the last word of a line."""
    asked = {"_OMC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = run([sys.executable, "-m", "omc"], clean_env() | asked | env, 60, cwd=ROOT)
    assert "Traceback" not in done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("omc scale --env staging b", ["backend"]),
        ("omc restart --env staging backend f", ["frontend"]),
        ("omc rollback --env staging a", []),
        ("omc deploy --env staging --image b", ["backend"]),
        ("omc check morning --env staging,p", ["staging,production"]),
        ("omc roll", ["rollback"]),
    ],
)
def test_a_shell_completes_what_omc_toml_has(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


@pytest.mark.parametrize("words", ["omc runs show --env staging ", "omc rollback --env staging backend --to "])
def test_a_record_that_cant_be_read_completes_to_nothing(words: str) -> None:
    assert completed(words, OMC_STORE_URL="postgresql://nobody@127.0.0.1:1/none") == []


def test_the_environment_may_come_from_the_shell() -> None:
    command = [sys.executable, "-m", "omc", "stack", "show", "--offline"]
    env = {name: value for name, value in clean_env().items() if name != "OMC_ENV"}
    both = run(command, env, 60, cwd=ROOT).stdout
    one = run(command, env | {"OMC_ENV": "production"}, 60, cwd=ROOT).stdout
    assert "\nstaging\n" in both
    assert "\nstaging\n" not in one
    assert "\nproduction\n" in one
    missing = run(
        [sys.executable, "-m", "omc", "runs", "list", "--env", "nowhere"], env | {"OMC_ENV": "staging"}, 60, cwd=ROOT
    )
    assert missing.returncode == 2, "what is typed goes before what the shell has"
