"""The one place that prints a document, in the form that ``--output`` names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from omc.cli.options import environment_option
from omc.cli.pasted import with_environment
from omc.output.gate import echo, has_colour, width_of
from omc.output.gate import page as through_pager
from omc.output.json import to_json

if TYPE_CHECKING:
    from omc.output.document import Document

OUTPUT = click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)


def environment_and_output(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--env`` and ``--output``, by which most commands end, and the context before their own parameters."""
    return environment_option(OUTPUT(click.pass_context(command)))


def show(document: Document, output: str, *, page: bool = False) -> None:
    """Print it; with ``page``, through the pager where it doesn't fit on the terminal."""
    (through_pager if page else echo)(rendered(document, output))


def _pasteable(document: Document) -> Document:
    """With commands that have the environment that this one was given."""
    context = click.get_current_context(silent=True)
    named = context.params.get("env") if context is not None else None
    if context is None or not isinstance(named, str):
        return document
    from omc.output.document import with_texts

    group = context.find_root().command
    return with_texts(document, lambda text, is_literal: with_environment(text, named, group, is_literal=is_literal))


def rendered(document: Document, output: str) -> str:
    """The document as it is printed here: for a terminal as wide as this one, in colour where it has it."""
    if output == "json":
        return to_json(document.data)
    document = _pasteable(document)
    if output == "markdown":
        from omc.output import markdown

        return markdown.render(document)
    from omc.output import terminal

    return terminal.render(document, width=width_of(), colour=has_colour(), wrap=sys.stdout.isatty())
