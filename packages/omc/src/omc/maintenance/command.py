"""``omc maintenance``: what is coming, and maintenance itself."""

from __future__ import annotations

import click

from omc.maintenance.command_calendar import show_calendar


@click.group()
def maintenance() -> None:
    """Maintenance: when its windows are and what AWS plans, and the run over the runbook's checklists.

    \b
    omc maintenance calendar --env production
    """


maintenance.add_command(show_calendar)
