"""A few of the stories in the gate: cheap ones, a kind each. All of them: ``make rehearse-outside``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearsal.outside.runner import play, users
from rehearsal.outside.story import Verdict, every_story
from rehearsal.outside.world import World
from support.stack import Stack

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

CHOSEN = ("alarm-actions-off", "service-at-zero", "table-locked", "database-group-closed-and-pools-renewed")


@pytest.fixture
def world(healthy: Stack) -> Iterator[World]:
    world = World(healthy)
    with users(world):
        yield world


@pytest.mark.parametrize("name", CHOSEN)
def test_the_check_says_what_was_broken_from_outside_and_when_it_is_over(world: World, name: str) -> None:
    [story] = [story for stories in every_story().values() for story in stories if story.name == name]
    result = play(world, story, print)
    assert result.verdict is Verdict.RIGHT, (result.headline, result.lacks)


def test_the_first_line_on_the_screen_is_the_headline(healthy: Stack) -> None:
    headline = healthy.check("--output", "json").json["headline"]
    screen = healthy.check().stdout
    assert " ".join(screen.split()).startswith(" ".join(headline.split())[:40])
