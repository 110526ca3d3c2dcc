"""Exit codes are those of docs/exit-codes.md: no command ends with another, and README's table says the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import omc.cli.main
from omc import errors
from omc.engine.run_document import EXIT_CODES, WAITS

ROOT = Path(__file__).parents[4]
SOURCES = ROOT / "packages/omc/src/omc"
ENDS = {"exit", "_exit", "SystemExit"}


def table(document: str) -> dict[int, str]:
    rows = re.findall(r"^\| ([0-9, ]+) \| (.+) \|$", (ROOT / document).read_text(), re.MULTILINE)
    return {int(code): meaning for codes, meaning in rows for code in codes.split(",")}


KNOWN = table("docs/exit-codes.md")


def numbers(node: ast.expr) -> set[int]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and type(part.value) is int}


def test_every_error_has_a_code_of_the_table() -> None:
    family = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.OmcError)]
    assert len(family) > 15
    assert {each.exit_code for each in family} <= set(KNOWN)
    assert {errors.OmcError.exit_code, errors.WrongUse.exit_code, errors.Unknown.exit_code} == {1, 2, 3}


def test_every_verdict_of_a_run_has_a_code_of_the_table() -> None:
    assert set(EXIT_CODES.values()) | {WAITS, omc.cli.main.INTERRUPTED, omc.cli.main.BUG} <= set(KNOWN)
    for verdict, code in EXIT_CODES.items():
        assert code in (0, 1, 3) or verdict in KNOWN[code]


def test_no_command_ends_with_another_number() -> None:
    met: dict[str, set[int]] = {}
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ENDS:
                    met[f"{file.relative_to(SOURCES)}:{node.lineno}"] = numbers(node.args[0])
    assert len(met) > 40
    assert {place: found - set(KNOWN) for place, found in met.items() if found - set(KNOWN)} == {}


def test_readmes_table_is_a_short_form_of_it() -> None:
    readme = table("README.md")
    assert set(readme) == set(KNOWN)
