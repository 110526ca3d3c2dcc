"""``omc migrate``: the migration alone."""

from __future__ import annotations

from typing import Any

import click

from omc.cli.change import carry_out, change_options, override_option
from omc.cli.completion import service_names
from omc.model.requests import MigrateRequest


@click.command()
@override_option
@change_options
@click.argument("services", nargs=-1, shell_complete=service_names)
@click.pass_context
def migrate(context: click.Context, /, services: tuple[str, ...], override: str, **how: Any) -> None:
    """Run the migration of services in a task of its own, without a deployment.

    A deployment includes the migration. Run it alone for a new environment, whose first tasks can't serve before it,
    and for a database that was restored. It repeats nothing that is already done.

    \b
    omc migrate --env staging
    omc migrate --env staging backend --dry-run
    """
    context.exit(carry_out(context, "migrate", MigrateRequest(services, override.strip()), **how))
