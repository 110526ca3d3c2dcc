"""``omc releases``: housekeeping for releases."""

from __future__ import annotations

from typing import Any

import click

from omc.cli.change import carry_out, change_options, nothing_to_do
from omc.cli.lazy import PlainGroup
from omc.errors import NothingToDo
from omc.model.requests import PruneRequest


@click.group(cls=PlainGroup)
def releases() -> None:
    """Housekeeping for releases. The list itself: omc deployments.

    \b
    omc releases prune --env staging --keep 10 --dry-run
    """


@releases.command()
@click.option("--keep", type=click.IntRange(1, 1000), default=10, show_default=True, help="Verified releases to keep.")
@change_options
@click.pass_context
def prune(context: click.Context, /, keep: int, **how: Any) -> None:
    """Deregister task definition revisions that nobody would roll back to.

    It keeps those that run, are being deployed or are used by a task, the newest verified releases, the last good one,
    and the newest that Terraform made. Nothing else in omc deregisters a revision. Exit code 0 with nothing to prune.

    \b
    omc releases prune --env staging --keep 5
    """
    try:
        code = carry_out(context, "prune", PruneRequest(keep=keep), **how)
    except NothingToDo as nothing:
        code = nothing_to_do(nothing, how["output"])
    context.exit(code)
