"""``omc maintenance calendar``: what is coming, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import RecordCommand, environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, Stack, environment_of, load
from omc.errors import OmcError, WrongUse
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.maintenance.announced import coming, planned_work
from omc.maintenance.calendar import Calendar, calendar
from omc.maintenance.calendar_document import calendar_document, ical
from omc.model.planned import Planned
from omc.store.location import locate_store

LOOK_BACK = timedelta(hours=1)


@click.command(name="calendar", cls=RecordCommand)
@environment_option
@OUTPUT
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it as iCalendar there, too."
)
@click.option("--weeks", type=click.IntRange(1, 104), default=8, show_default=True, help="How far ahead.")
@click.option("--offline", is_flag=True, help="From omc.toml and omc's record alone: AWS is asked nothing.")
@click.pass_context
def show_calendar(
    context: click.Context, env: str | None, output: str, file: Path | None, weeks: int, offline: bool
) -> None:
    """The windows and freezes of omc.toml, the maintenance that AWS plans or wants done, and the window of ours for it.

    Each time in the window's own zone, where the people are, and in UTC; days on which clocks change are marked. Reads
    only.

    \b
    omc maintenance calendar --env production
    omc maintenance calendar --env production --weeks 52 --offline --file maintenance.ics
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    now = datetime.now(UTC)
    found = read(stack, environment, now, now + timedelta(weeks=weeks), offline=offline)
    if file is not None:
        try:
            file.write_bytes(ical(found, now))
        except OSError as error:
            raise WrongUse(f"{file} can't be written: {error.strerror}.") from error
    show(calendar_document(found, stack.time_zone), output)
    context.exit(3 if found.unread else 0)


def read(stack: Stack, environment: Environment, now: datetime, until: datetime, *, offline: bool) -> Calendar:
    """The calendar of a period. What can't be read is named in it."""
    unread: list[str] = []
    pending: Pending | None = None
    if not offline:
        try:
            facts = Facts(Gateway(environment, access_to(environment)), Scope(now, LOOK_BACK))
            [pending] = facts.require(Pending)
        except OmcError as error:
            unread.append(f"What AWS plans was not read: {error}")
    announced: tuple[Planned, ...] = ()
    try:
        announced = _announced(stack, environment, now)
    except OmcError as error:
        unread.append(f"What was announced to omc was not read: {error}")
    return calendar(environment, now, until, pending, announced, unread)


def _announced(stack: Stack, environment: Environment, now: datetime) -> tuple[Planned, ...]:
    from omc.store.database import open_store

    place = locate_store(stack, environment)
    if not place.exists:
        return ()
    with open_store(place) as store, store.reading() as session:
        return coming(planned_work(session, environment.name), now)
