"""``omc logs``: what the logs say, of any service and any time. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import Ago, Period, environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, Stack, environment_of, load
from omc.errors import WrongUse, did_you_mean
from omc.logs import documents
from omc.logs.costs import cost_of, ensure_wanted
from omc.logs.insights import ask, extent_of
from omc.logs.model import Span
from omc.logs.queries import SavedQuery, groups_over, query_named, saved_queries
from omc.logs.reading import read_errors
from omc.progress import Progress

SERVICE = click.option(
    "--service", "services", multiple=True, metavar="NAME", help="Only this service; may be repeated."
)
YES = click.option("-y", "--yes", is_flag=True, help="Don't ask before a large query.")
WAIT = click.option(
    "--wait",
    "patience",
    type=Period(units="mh", name="time to wait", allowed="minutes or hours: 5m, 1h"),
    default="5m",
    show_default=True,
    help="How long a query may take; what there is by then is shown. AWS ends each after an hour.",
)


def since_option(default: str = "24h") -> Callable[[Any], Any]:
    return click.option(
        "--since",
        "begin",
        type=Ago(),
        default=default,
        show_default=True,
        metavar="TIME",
        help="From when on: so long ago (45m, 24h, 7d), or a time with its offset.",
    )


UNTIL = click.option("--until", "end", type=Ago(), metavar="TIME", help="Until when, said alike.  [default: now]")


@click.group()
def logs() -> None:
    """What the logs say: errors by shape, slow statements, who talks most, saved queries, one request's trace.

    Only the environment's own log groups are read. Ctrl-C stops a query in AWS too, since it is paid for by what it
    looks at.

    \b
    Exit codes: 0 all of it was read, 1 what was asked for by its name isn't there, 2 wrong use, 3 some of it couldn't
    be read.

    \b
    omc logs errors --env production --since 2h
    omc logs query error-rate --env staging
    """


@dataclass(frozen=True, slots=True)
class Desk:
    """What each of these commands works with."""

    stack: Stack
    environment: Environment
    span: Span
    now: datetime

    @property
    def zone(self) -> str:
        return self.stack.time_zone


def desk_of(
    file: Path | None, env: str | None, begin: datetime, end: datetime | None, services: tuple[str, ...] = ()
) -> Desk:
    """The environment, narrowed to the services that are meant, and the time."""
    stack = load(file)
    environment = only(environment_of(stack, env), services)
    now = datetime.now(UTC)
    return Desk(stack, environment, span_of(begin, end, now), now)


def span_of(begin: datetime, end: datetime | None, now: datetime) -> Span:
    """``WrongUse`` for a time that ends before it begins."""
    last = end or now
    if begin >= last:
        raise WrongUse("--since must be earlier than --until, and neither may be in the future.")
    return Span(begin.astimezone(UTC), last.astimezone(UTC))


def only(environment: Environment, names: tuple[str, ...]) -> Environment:
    """The environment with only these of its services."""
    there = {service.name: service for service in environment.services}
    for name in names:
        if name not in there:
            hint = did_you_mean(name, list(there))
            raise WrongUse(f'{environment.name} has no service "{name}"; it has {", ".join(there)}.{hint}')
    return replace(environment, services=tuple(there[name] for name in dict.fromkeys(names))) if names else environment


@logs.command()
@since_option()
@UNTIL
@SERVICE
@click.option(
    "--new", "only_new", is_flag=True, help="Only what came with the last deployment; exit code 1 if any did."
)
@environment_option
@YES
@WAIT
@OUTPUT
@click.pass_context
def errors(
    context: click.Context,
    begin: datetime,
    end: datetime | None,
    services: tuple[str, ...],
    only_new: bool,
    env: str | None,
    yes: bool,
    patience: Any,
    output: str,
) -> None:
    """Errors that the services logged, grouped by shape: how often, first and last seen, an example, and whether they
    are new since the last deployment.

    A line is an error by its own level, then by its words. Values such as numbers, ids and addresses make no other
    shape. Secrets are masked.

    \b
    omc logs errors --env production
    omc logs errors --env production --service backend --since 7d --until 2d
    omc logs errors --env staging --new --output json
    """
    desk = desk_of(context.obj, env, begin, end, services)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    groups = [service.log_group for service in desk.environment.services]
    extent = extent_of(gateway, groups, desk.span, desk.now)
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    found = read_errors(gateway, desk.environment, desk.span, patience.total_seconds(), progress.waiting)
    progress.done()
    if only_new:
        found = replace(found, shapes=tuple(shape for shape in found.shapes if shape.is_new))
    show(documents.errors_document(found, desk.environment.name, desk.zone), output)
    if found.answer.gaps or found.answer.missing:
        context.exit(3)
    context.exit(1 if only_new and found.shapes else 0)


@logs.command()
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--text", help="A query as Logs Insights takes it, in place of a saved one.")
@click.option("--list", "listed", is_flag=True, help="List the saved queries and ask AWS nothing.")
@click.option("--estimate", is_flag=True, help="Say how much it would look at and cost, and start nothing.")
@since_option("1h")
@UNTIL
@SERVICE
@environment_option
@YES
@WAIT
@OUTPUT
@click.pass_context
def query(
    context: click.Context,
    name: str | None,
    text: str | None,
    listed: bool,
    estimate: bool,
    begin: datetime,
    end: datetime | None,
    services: tuple[str, ...],
    env: str | None,
    yes: bool,
    patience: Any,
    output: str,
) -> None:
    """A Logs Insights query: a saved one by NAME, or --text over the services' log groups.

    How much it looks at is estimated first from what the log groups hold; above the bound of omc.toml you are asked.
    Insights gives 10,000 rows at most.

    \b
    omc logs query --list
    omc logs query errors --env staging
    omc logs query rejected --since 6h --estimate --env production
    omc logs query --text 'stats count(*) by bin(5m)' --service backend --env production
    """
    if listed:
        show(documents.saved_document(list(saved_queries(load(context.obj).logs).values())), output)
        return
    if (name is None) == (text is None):
        raise WrongUse("Give a saved query's name or --text, one of the two. The names: omc logs query --list")
    desk = desk_of(context.obj, env, begin, end, services)
    saved = query_named(desk.stack.logs, name) if name else SavedQuery("", "", text or "", "services")
    groups = groups_over(saved, desk.environment)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    extent = extent_of(gateway, groups, desk.span, desk.now)
    if estimate:
        price = cost_of(extent.bytes, desk.environment.region)
        show(documents.extent_document(extent.bytes, price, groups, extent.missing), output)
        return
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    answer = ask(gateway, groups, saved.text, desk.span, patience=patience.total_seconds(), report=progress.waiting)
    progress.done()
    show(documents.query_document(saved, answer, groups, desk.span, desk.zone), output)
    context.exit(3 if answer.gaps or answer.missing else 0)
