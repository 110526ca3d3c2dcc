"""The one way in which every changing command works: plan, show, ask, approve, perform, say how it ended.

A command gives what it was asked for as its procedure's ``Asked`` and passes on what ``change_options`` collected::

    @click.command()
    @change_options
    @click.argument("service")
    @click.pass_context
    def restart(context: click.Context, service: str, **how: Any) -> None:
        context.exit(carry_out(context, "restart", Asked(service=service), **how))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from omc.cli.options import environment_option

if TYPE_CHECKING:
    from omc.engine.approvals import Given

Command = TypeVar("Command", bound=Callable[..., Any])


def change_options(command: Command) -> Command:
    """The options of every command that changes something; they arrive as ``carry_out``'s keyword arguments."""
    for option in (
        click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True),
        click.option(
            "--wait/--no-wait",
            default=True,
            help="Wait for approvals here, or end with 6 and say what to type.  [wait]",
        ),
        click.option("--confirm", metavar="ENV", help="The environment's name, where it would have to be typed."),
        click.option("--yes", is_flag=True, help="Answer the question with yes."),
        click.option("--dry-run", is_flag=True, help="Print the plan and end: nothing is changed."),
        environment_option,
    ):
        command = option(command)
    return command


def carry_out(
    context: click.Context,
    procedure: str,
    asked: Any,
    *,
    env: str | None,
    dry_run: bool = False,
    yes: bool = False,
    confirm: str | None = None,
    wait: bool = True,
    output: str = "table",
    approved: Sequence[Given] = (),
) -> int:
    """Make the plan of ``procedure`` for ``asked`` and carry it out; returns the exit code.

    ``asked`` is the procedure's ``Asked``. ``approved`` are approvals that were given elsewhere and are proven there
    (a GitHub environment's reviewers); they are recorded with their link. Errors are ``OmcError``.
    """
    raise NotImplementedError
