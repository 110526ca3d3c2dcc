"""``docs/stories.md``: the tests that it names are there, and it counts right."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "stories.md"
TEXT = PAGE.read_text()
HEADER = "| source | what it tells | ours | result |"
RESULT = re.compile(r"holds|(?:differs on purpose|not yet): .+")
COUNTS = re.compile(
    r"(\d+) stories, of which (\d+) hold, (\d+) differ on\s+purpose, and (\d+) (?:don't|doesn't) hold yet"
)
MIN_STORIES = 60


@dataclass(frozen=True, slots=True)
class Story:
    """A row."""

    source: str
    tells: str
    ours: str
    result: str

    @property
    def kind(self) -> str:
        return self.result.partition(":")[0]

    @property
    def tests(self) -> list[str]:
        """As ``path::name``."""
        return [] if self.ours == "none" else self.ours.strip("`").split("`, `")


def stories() -> list[Story]:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and line != HEADER]
    return [Story(*row.removeprefix("| ").removesuffix(" |").split(" | ")) for row in rows]


STORIES = stories()


@cache
def functions_of(path: str) -> frozenset[str]:
    """The names of a file's tests, without importing it."""
    functions = (each for each in ast.parse((ROOT / path).read_text()).body if isinstance(each, ast.FunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.source)
def test_a_story_has_its_result_and_the_tests_that_it_names_exist(story: Story) -> None:
    assert RESULT.fullmatch(story.result)
    assert story.tests or story.kind == "not yet", "what holds or differs is told by a test"
    for named in story.tests:
        path, _, name = named.partition("::")
        assert name in functions_of(path), named


def test_the_numbers_at_the_top_are_those_of_the_tables() -> None:
    found = COUNTS.search(TEXT)
    assert found is not None
    kinds = Counter(story.kind for story in STORIES)
    expected = (len(STORIES), kinds["holds"], kinds["differs on purpose"], kinds["not yet"])
    assert tuple(map(int, found.groups())) == expected
    assert len(STORIES) >= MIN_STORIES


def test_no_story_is_told_twice() -> None:
    assert [source for source, count in Counter(story.source for story in STORIES).items() if count > 1] == []
