"""``omc runbook``: the runbook's sections, with today's values in their commands."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.errors import WrongUse
from omc.runbook.document import section_document, sections_document
from omc.runbook.model import section_named, sections
from omc.runbook.values import look_ups_by


@click.group(cls=PlainGroup)
def runbook() -> None:
    """The runbook: what there is in it, and a section with today's values in its commands. Changes nothing.

    \b
    omc runbook list
    omc runbook show database --env production
    """


@runbook.command(name="list")
@OUTPUT
def list_sections(output: str) -> None:
    """Every section by the name to show it by. Asks AWS nothing.

    \b
    omc runbook list
    omc runbook list --output markdown
    """
    show_document(sections_document(sections()), output)


@runbook.command()
@click.argument("name", metavar="ISSUE")
@environment_option
@click.option("--service", default="", metavar="NAME", help="Put this service into the commands.")
@click.option("--plain", is_flag=True, help="As it is written: nothing is put in, and AWS is asked nothing.")
@OUTPUT
@click.pass_context
def show(context: click.Context, name: str, env: str | None, service: str, plain: bool, output: str) -> None:
    """A section of the runbook, its commands ready to paste: with the environment's names and what they look up (load
    balancer, target groups, addresses, revision, tasks) in place.

    ISSUE is an issue as omc diagnose has it (database, redis, tasks-restarting), a heading (application-rollback), a
    chapter (alerts), or deployment#restart. Only reads are sent. What can't be looked up stays, and is listed with the
    reason; a value is as old as the page.

    \b
    omc runbook show database --env production
    omc runbook show tasks-restarting --env staging --service frontend
    omc runbook show application-rollback --env production --output markdown
    omc runbook show maintenance --plain
    """
    section = section_named(name)
    if plain:
        if env or service:
            raise WrongUse("--plain puts nothing in: leave --env and --service out, or --plain.")
        show_document(section_document(section, None, None, datetime.now(UTC)), output, page=output == "table")
        return
    environment = environment_of(load(context.obj), env)
    known = [each.name for each in environment.services]
    if service and service not in known:
        raise WrongUse(f'{environment.name} has no service "{service}"; it has {", ".join(known)}.')
    ask = look_ups_by(Gateway(environment, access_to(environment)))
    document = section_document(section, environment, ask, datetime.now(UTC), service)
    show_document(document, output, page=output == "table")
