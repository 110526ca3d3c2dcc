"""A group of commands that imports a command's module only when that command is wanted: not to list its name, neither
in the help nor for the shell's completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from omc.errors import did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyCommand(NamedTuple):
    """Where a command is, and what the list of commands says of it."""

    module: str
    """In it the command is called as in the table."""
    help: str
    """The first sentence of the command's help; a test compares them."""


SENTENCE = 1000
"""Characters that a command's first sentence may have in a list of commands: it is wrapped there, never cut."""


class PlainGroup(click.Group):
    """A group whose list of commands has whole sentences; under headings, where it is given some."""

    group_class = type
    headings: Mapping[str, Sequence[str]]

    def __init__(self, *args: Any, headings: Mapping[str, Sequence[str]] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.headings = headings or {}

    def listed(self, ctx: click.Context) -> dict[str, click.Command]:
        """The commands of the list, by their names."""
        return {name: self.commands[name] for name in self.list_commands(ctx)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {name: command for name, command in self.listed(ctx).items() if not command.hidden}
        placed = {name for names in self.headings.values() for name in names}
        rest = [name for name in known if name not in placed]
        chapters = {**self.headings, "Further" if self.headings else "Commands": rest}
        for heading, names in chapters.items():
            rows = [(name, known[name].get_short_help_str(SENTENCE)) for name in names if name in known]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=FIRST_COLUMN)


FIRST_COLUMN = 13
"""Characters of a command's name that its sentence stands beside; longer ones have a line of their own."""


class LazyGroup(PlainGroup):
    """``lazy``: a command's name to where it is."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.lazy[cmd_name].module), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            ctx.fail(f'There is no command "{args[0]}".{did_you_mean(args[0], self.list_commands(ctx))}')
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=command.get_short_help_str(SENTENCE))
            for name, command in self.listed(ctx).items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def listed(self, ctx: click.Context) -> dict[str, click.Command]:
        """What is known of each command without its module."""
        known = {name: click.Command(name, help=lazy.help) for name, lazy in self.lazy.items()}
        return {name: known.get(name) or self.commands[name] for name in self.list_commands(ctx)}
