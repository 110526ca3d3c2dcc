"""Commands of omc's within what is shown have the environment that this command was given, and can be pasted."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOLD: Final = re.compile(r"(?<=: )omc [a-z].*?(?=\.?$|\. |[;,)]| \(|, or | or: )")
"""Where a sentence ends with a command, or goes on after one. What only speaks of one has no colon before it."""


def with_environment(text: str, named: str, group: click.Command, *, is_literal: bool = False) -> str:
    """The text with ``--env`` in each command that it gives and that takes one. ``group``: all of omc's.
    ``is_literal``: the text is nothing but a command."""
    if "omc " not in text or not named:
        return text
    if is_literal:
        return _completed(text, named, group) if text.startswith("omc ") else text
    return _TOLD.sub(lambda found: _completed(found[0], named, group), text)


def environment_of(words: Sequence[str]) -> str:
    """What ``--env`` was given, before ``--``; empty where it was left out."""
    ours = list(words[: words.index("--")] if "--" in words else words)
    for number, word in enumerate(ours):
        if word == "--env" and number + 1 < len(ours):
            return ours[number + 1]
        if word.startswith("--env="):
            return word.removeprefix("--env=")
    return ""


def _completed(text: str, named: str, group: click.Command) -> str:
    """A command with the environment; the text as it is where it is none, takes none, or has one."""
    head, dashes, tail = text.partition(" -- ")
    try:
        words = shlex.split(head)[1:]
    except ValueError:
        return text
    command: click.Command | None = group
    context = click.Context(group, info_name="omc")
    while isinstance(command, click.Group) and words:
        command = command.get_command(context, words.pop(0))
    if command is None or "--env" in words or not any("--env" in each.opts for each in command.params):
        return text
    try:
        _, left, _ = command.make_parser(click.Context(command)).parse_args(words)
    except click.UsageError:
        return text
    return text if left else f"{head} --env {named}{dashes}{tail}"
