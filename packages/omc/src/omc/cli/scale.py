"""``omc scale``: how many tasks a service has, together with the autoscaler."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from omc.cli.change import carry_out, change_options, override_option
from omc.cli.completion import service_names
from omc.cli.options import Period
from omc.model.requests import ScaleRequest

COUNT = click.IntRange(0, 5000)
"""ECS runs no more tasks of a service."""


@click.command()
@change_options
@click.argument("service", shell_complete=service_names)
@click.argument("count", type=COUNT, required=False)
@click.option("--min", "minimum", type=COUNT, metavar="N", help="The autoscaler's minimum.  [default: the count]")
@click.option("--max", "maximum", type=COUNT, metavar="N", help="Its maximum.  [default: as it is, or the count]")
@click.option("--for", "period", type=Period(), metavar="PERIOD", help="Set the limits back after 45m, 2h, 1d.")
@override_option
@click.pass_context
def scale(
    context: click.Context,
    /,
    service: str,
    count: int | None,
    minimum: int | None,
    maximum: int | None,
    period: timedelta | None,
    override: str,
    **how: Any,
) -> None:
    """Scale a service, and wait until it is healthy.

    The autoscaler would undo a bare count, so the count becomes its minimum. Database connections, subnet addresses
    and Fargate's quota are checked first. Counts outside of omc.toml's limits may need an approval.

    \b
    omc scale --env staging backend 4
    omc scale --env staging backend 4 --for 2h     back to the present limits in two hours
    omc scale --env staging backend --min 3 --max 8
    omc scale --env staging backend 4 --dry-run    the plan alone; with --explain, the aws commands too
    """
    seconds = None if period is None else int(period.total_seconds())
    request = ScaleRequest(service, count, minimum, maximum, seconds, override)
    context.exit(carry_out(context, "scale", request, **how))
