"""Every ``omc …`` command that a message, a help text or a document names is one that omc has, with those options."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from omc.cli.main import root

ROOT = Path(__file__).parents[4]
SOURCES = sorted((ROOT / "packages/omc/src/omc").rglob("*.py"))
DOCUMENTS = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "omc.toml"])
OPEN = "\x00"
"""Stands for what a message fills in."""
SPAN = re.compile(r"(?<![\w./'-])omc (?P<words>[a-z-][^\n.;:(){}\[\],`\"\\|&>#]*)")
NEARLY = frozenset("checks deploys opens reads rests restarts scales verified works".split())  # noqa: SIM905
"""Words of sentences about omc that are nearly a command's name."""
AFTER_RUNS = frozenset("in out outside".split())  # noqa: SIM905
"""``omc runs in a job`` is no command."""


def texts_of(source: Path) -> Iterator[tuple[int, str]]:
    """Each text of a program, with what it fills in as ``OPEN``. Texts that stand side by side are one."""
    tree = ast.parse(source.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else OPEN for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def commands_in(text: str) -> Iterator[list[str]]:
    for found in SPAN.finditer(text):
        words = [word.rstrip(OPEN) or word for word in found["words"].split()]
        names = root.list_commands(click.Context(root))
        if words[0] in NEARLY or (words[0] == "runs" and set(words[1:2]) & AFTER_RUNS):
            continue
        intended = difflib.get_close_matches(words[0], names, cutoff=0.8)
        if intended or any(word.startswith("--") for word in words):
            yield words


def problem(words: list[str]) -> str:
    """Why omc would not take these words, of which the last ones may be the sentence's; empty where it would."""
    command: click.Command = root
    context = click.Context(root, info_name="omc")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        inner = command.get_command(context, rest[0])
        if inner is None:
            return f"omc has no {' '.join(words[: len(words) - len(rest) + 1])}"
        command, context, rest = inner, click.Context(inner, parent=context, info_name=rest[0]), rest[1:]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    known |= {option for each in root.params for option in each.opts}
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("--") and option.strip("-") and option not in known:
            return f"omc {' '.join(words[: len(words) - len(rest)])} has no {option}"
    wanted = [each for each in command.params if isinstance(each, click.Argument) and each.required]
    provided = [word for word in rest if not word.startswith("-")]
    if rest and any(OPEN in word for word in rest) and len(provided) < len(wanted):
        return f"{' '.join(words)} lacks {wanted[len(provided)].name}"
    return ""


def wrong(texts: Iterator[tuple[int, str]]) -> list[str]:
    return [
        f"{line}: omc {' '.join(words)}: {why}".replace(OPEN, "…")
        for line, text in texts
        for words in commands_in(text)
        if (why := problem(words))
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "packages/omc/src")))
def test_commands_in_messages_are_omcs(source: Path) -> None:
    assert wrong(texts_of(source)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_are_omcs(document: Path) -> None:
    assert wrong(enumerate(document.read_text().splitlines(), 1)) == []


def test_the_test_finds_what_is_wrong() -> None:
    assert problem(["deploy", "--env", "x", "--image", "y"]) == ""
    assert problem(["runs", "resume", OPEN]) == ""
    assert problem(["runs", "proceed"]) == "omc has no runs proceed"
    assert problem(["rollback", "--too", "7"]) == "omc rollback has no --too"
    assert problem(["deplyo"]) == "omc has no deplyo"
    assert sum(len(list(commands_in(text))) for source in SOURCES for _, text in texts_of(source)) > 200
