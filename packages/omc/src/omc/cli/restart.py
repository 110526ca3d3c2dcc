"""``omc restart``: new tasks of what runs."""

from __future__ import annotations

from typing import Any

import click

from omc.cli.change import carry_out, change_options, override_option
from omc.cli.completion import service_names
from omc.model.requests import RestartRequest


@click.command()
@override_option
@change_options
@click.argument("services", nargs=-1, shell_complete=service_names)
@click.pass_context
def restart(context: click.Context, /, services: tuple[str, ...], override: str, **how: Any) -> None:
    """Replace the tasks of services with new ones of the same revision, and watch until they serve.

    Rolling: old tasks go when new ones are healthy. A task reads its secrets when it starts, so this is what makes a
    rotated secret take effect.

    \b
    omc restart --env staging backend
    omc restart --env staging all
    """
    context.exit(carry_out(context, "restart", RestartRequest(services, override.strip()), **how))
