"""``omc check weekly``, ``omc check accept``, ``omc check withdraw``: the weekly review and what is decided of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import FromNow, Period, environment_option
from omc.cli.show import show
from omc.config import environment_of, load
from omc.engine.actors import actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.output import echo, line
from omc.reports.by_hand import by_hand
from omc.review import records
from omc.review.document import review_document
from omc.review.parts import PARTS
from omc.review.run import review
from omc.store.database import open_store
from omc.store.location import locate_store
from omc.times import format_time

SINCE = Period(timedelta(days=35), "hours or days up to 35d: 24h, 7d, 30d", units="hd")
FORMS = click.option(
    "--output", type=click.Choice(["table", "json", "markdown", "html"]), default="table", show_default=True
)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([part.name for part in PARTS]), metavar="[PART]...")
@environment_option
@click.option("--since", type=SINCE, default="7d", show_default=True, help="The period that is reviewed.")
@click.option("--record", is_flag=True, help="Write this review down: the next one says what is new since.")
@click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
@FORMS
@click.pass_context
def weekly(
    context: click.Context,
    parts: tuple[str, ...],
    env: str | None,
    since: timedelta,
    record: bool,
    explain: bool,
    output: str,
) -> None:
    """The runbook's weekly checks: costs, security, performance; with PART, only these.

    Each finding is new, still there or fixed since the last review that was recorded; what somebody has accepted is
    listed and doesn't count. With --output html it is one page with charts that stands alone.

    \b
    Exit codes: 0 ok (or only warnings), 1 something fails, 2 wrong use, 3 something could not be read.

    \b
    omc check weekly --env production
    omc check weekly costs --env production --since 30d
    omc check weekly --env production --record --output html > review.html
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    if record:
        refuse_fleeting_record(place, environment)
    chosen = [part for part in PARTS if not parts or part.name in parts]
    gateway = Gateway(environment, access_to(environment))
    found = review(gateway, chosen, records.memory_of(place, environment.name), since)
    commands = tuple(command for part in found.parts for command in by_hand(part.report)) if explain else None
    document = review_document(found, environment, tuple(dict.fromkeys(commands)) if commands else None)
    if output == "html":
        from omc.output import page

        echo(page.render(document))
    else:
        show(document, output)
    if record:
        with open_store(place) as store:
            records.record(store, environment.name, found, actor_or_user(environment))
        echo("This review is recorded.", err=True)
    context.exit(found.exit_code)


@click.command()
@click.argument("key", metavar="KEY")
@environment_option
@click.option("--reason", required=True, help="Why it may stay as it is.")
@click.option("--owner", help="Whom to ask about it.  [default: you]")
@click.option("--until", type=FromNow(), required=True, metavar="TIME", help="30d, or 2026-12-31T18:00+11:00.")
@click.pass_context
def accept(context: click.Context, key: str, env: str | None, reason: str, owner: str | None, until: datetime) -> None:
    """Accept a finding of the weekly review until a day: it is listed, and doesn't count. KEY stands beside the
    finding.

    \b
    omc check accept database-size:database --env production --reason "small on purpose" --until 30d
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    actor = actor_or_user(environment)
    with open_store(place) as store:
        records.accept_finding(
            store, environment.name, key, reason=reason, owner=owner or actor.name, until=until, actor=actor
        )
    echo(line(f"{key} is accepted in {environment.name} until {format_time(until, environment.time_zone)}."))


@click.command()
@click.argument("key", metavar="KEY")
@environment_option
@click.option("--reason", default="", help="Why.")
@click.pass_context
def withdraw(context: click.Context, key: str, env: str | None, reason: str) -> None:
    """End the acceptance of a finding: it counts again.

    \b
    omc check withdraw database-size:database --env production --reason "it is full"
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    with open_store(place) as store:
        records.withdraw(store, environment.name, key, reason=reason, actor=actor_or_user(environment))
    echo(line(f"{key} counts again in {environment.name}."))
