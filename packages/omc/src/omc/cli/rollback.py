"""``omc rollback``: back to what was good in this environment."""

from __future__ import annotations

import time
from typing import Any

import click

from omc.cli.change import carry_out, change_options, override_option
from omc.cli.completion import revisions, service_names
from omc.model.requests import RollbackRequest
from omc.output import echo


@click.command()
@click.argument("service", default="all", metavar="[SERVICE|all]", shell_complete=service_names)
@click.option(
    "--to",
    default="",
    metavar="REVISION",
    shell_complete=revisions,
    help="This revision instead of the last good one: 7, or family:7.",
)
@override_option
@change_options
@click.pass_context
def rollback(context: click.Context, /, service: str, to: str, override: str, **how: Any) -> None:
    """Go back to the last release that was verified here.

    A deployment that is still in progress is stopped and rolled back by ECS; a completed one is replaced with the
    revision before it, from omc's recorded releases or else from ECS's own history. --dry-run lists what it could go
    back to, with the proof of each. At the end it says how long it took until every target was healthy on the old
    revision.

    \b
    Exit codes: 0 succeeded, 1 failed or refused, 2 wrong use, 3 unknown, 5 superseded, 6 waits for an approval.

    \b
    omc rollback --env staging --dry-run
    omc rollback --env staging
    omc rollback --env production backend
    omc rollback --env staging backend --to 7
    """
    began = time.monotonic()
    request = RollbackRequest(services=[] if service == "all" else [service], to=to, override=override.strip())
    code = carry_out(context, "rollback", request, **how)
    if not how.get("dry_run") and code == 0:
        echo(f"{time.monotonic() - began:.1f} s from the command to its end; every target is healthy.", err=True)
    context.exit(code)
