"""Every check says beforehand what it asks, how bad its answer can be and what answers it, and it is so."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from runpy import run_path
from types import FunctionType
from typing import Any

import pytest

from omc.checks.finding import Level
from omc.checks.spec import CHECKS, Check, spec_of
from omc.checks.spec_document import check_document, checks_document
from omc.output import markdown, terminal
from omc.review.parts import ALL_LISTS
from support.morning import omc
from support.release_facts import ROOT

RUNBOOK = ROOT / "docs" / "runbook"
EVERY = pytest.mark.parametrize("one", CHECKS.values(), ids=list(CHECKS))


@EVERY
def test_a_check_says_what_it_asks(one: Check) -> None:
    spec = spec_of(one)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", spec.id)
    assert spec.id == one.__name__.replace("_", "-"), "so that one is found by the other"
    assert spec.question.endswith("?")
    assert spec.question[0].isupper()
    assert "\n" not in spec.title
    assert not spec.title.endswith(".")


@EVERY
def test_what_answers_a_check_is_a_section_of_the_runbook(one: Check) -> None:
    runbook = spec_of(one).runbook
    path, _, section = runbook.document.partition("#")
    prose = re.sub(r"```.*?```", "", (ROOT / path).read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert (ROOT / path).is_relative_to(RUNBOOK)
    assert section in anchors


@EVERY
def test_its_severity_is_the_worst_level_that_its_code_gives(one: Check) -> None:
    """By a walk over what it calls there: a level that it names is one that it can say."""
    levels = set(levels_named(one))
    worst = next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.UNKNOWN)
    assert spec_of(one).severity is worst


def levels_named(function: Any, seen: set[int] | None = None) -> Iterator[Level]:
    seen = set() if seen is None else seen
    if id(function) in seen:
        return
    seen.add(id(function))
    body = ast.parse(inspect.getsource(function)).body[0]
    module = sys.modules[function.__module__]
    for statement in getattr(body, "body", []):  # its decorators say what is tested here
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Level":
                yield Level[node.attr]
            elif isinstance(node, ast.Name):
                called = getattr(module, node.id, None)
                if isinstance(called, FunctionType) and called.__module__.startswith(("omc.checks.", "omc.review.")):
                    yield from levels_named(called, seen)


def test_every_check_is_run_by_a_command_and_no_list_has_one_twice() -> None:
    for checks in ALL_LISTS.values():
        assert len(set(checks.checks)) == len(checks.checks)
    assert {one for checks in ALL_LISTS.values() for one in checks.checks} == set(CHECKS.values())


def test_the_page_is_made_of_the_specs() -> None:
    written = run_path(str(ROOT / "scripts" / "checks_page.py"))
    assert (ROOT / "docs" / "checks.md").read_text() == written["page"](), f"run: {written['COMMAND']}"


def test_a_page_that_is_old_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    script = run_path(str(ROOT / "scripts" / "checks_page.py"))
    page = tmp_path / "checks.md"
    monkeypatch.setitem(script["main"].__globals__, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["checks_page.py", "--check"])
    for old in (None, "", script["page"]().replace("?", "."), script["page"]() + "\n"):
        if old is not None:
            page.write_text(old)
        assert script["main"]() == 1
        assert capsys.readouterr().out.endswith("Run: python scripts/checks_page.py\n")
    page.write_text(script["page"]())
    assert script["main"]() == 0


def test_the_list_names_every_check_with_its_question() -> None:
    for text in (
        terminal.render(checks_document(lists=ALL_LISTS), width=200),
        markdown.render(checks_document(lists=ALL_LISTS)),
    ):
        assert all(spec_of(one).id in text and spec_of(one).question in text for one in CHECKS.values())


@EVERY
def test_a_check_is_explained_by_its_id(one: Check) -> None:
    spec = spec_of(one)
    text = terminal.render(check_document(spec.id, ALL_LISTS))
    assert spec.question in text
    assert spec.runbook.document in text


def test_the_commands_ask_nothing_and_know_a_misspelt_name() -> None:
    assert omc("check", "list").returncode == 0
    assert "users-served" in omc("check", "explain", "users-served", "--output", "json").stdout
    wrong = omc("check", "explain", "user-served")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert 'no check "user-served". Did you mean "users-served"?' in wrong.stderr
