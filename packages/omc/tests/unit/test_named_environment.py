"""A command that a message ends with can be pasted: it has the environment that was given."""

from __future__ import annotations

import pytest

from omc.cli.main import _with_environment


@pytest.mark.parametrize(
    ("message", "words", "shown"),
    [
        ("Nothing there. See: omc oncall schedule primary", ("--env", "staging"), " --env staging"),
        ("Nothing there. Record one: omc check weekly --record", ("x", "--env=staging"), " --env staging"),
        ("See: omc incident list --env local", ("--env", "staging"), ""),
        ("All of them: omc runbook list", ("--env", "staging"), ""),
        ("All of them: omc nothing such", ("--env", "staging"), ""),
        ("Nothing there. See: omc token list", (), ""),
        ("Nothing there. See: omc token list", ("--", "--env", "staging"), ""),
        ("The task is away.", ("--env", "staging"), ""),
    ],
)
def test_it_is_added_where_the_command_takes_one(message: str, words: tuple[str, ...], shown: str) -> None:
    assert _with_environment(message, words) == message + shown


def test_a_sentence_that_follows_the_command_stays_behind_it() -> None:
    message = "To open it: Allow it; then: omc restart api. agent: It doesn't run."
    assert _with_environment(message, ("--env", "prod")) == (
        "To open it: Allow it; then: omc restart api --env prod. agent: It doesn't run."
    )


def test_the_full_stop_stays_at_the_end() -> None:
    assert _with_environment("Get one: omc token create.", ("--env", "local")) == (
        "Get one: omc token create --env local."
    )
