"""Options that many commands share."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from omc.cli.completion import environment_names
from omc.cli.lazy import PlainGroup


class RecordCommand(click.Command):
    """A command that works on the record and on AWS from here: with a server in OMC_SERVER it says so and does nothing,
    since what it would write down is in another record than that server's."""

    def invoke(self, ctx: click.Context) -> Any:
        from omc.api_client.http import refuse_server

        refuse_server(ctx.command_path)
        return super().invoke(ctx)


class RecordGroup(PlainGroup):
    """A group of such commands."""

    command_class = RecordCommand


class Number(click.FloatRange):
    """A number within a range. Python's ``nan`` is in every range, since it is neither below nor above anything."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]  # click says float of what it parses
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Period(click.ParamType[timedelta]):
    """``45m``, ``24h``, ``7d``. ``allowed`` says in a mistake what may be given, ``most`` bounds it, ``units`` are the
    letters that it may end with."""

    def __init__(
        self,
        most: timedelta = timedelta(days=14),
        allowed: str = "minutes, hours or days up to 14d: 45m, 24h, 7d",
        *,
        units: str = "mhd",
        name: str = "period",
    ) -> None:
        self.most, self.allowed, self.units, self.name = most, allowed, units, name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(rf"([0-9]{{1,5}})([{self.units}])", str(value))
        period = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
        if not timedelta(0) < period <= self.most:
            self.fail(f"{value!r} is not a {self.name}; allowed are {self.allowed}.", param, ctx)
        return period


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A time with its offset, as ISO 8601 has it."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{value!r} is not a time with its offset, such as 2026-11-30T18:00+11:00.", param, ctx)
        return moment


class Ago(Moment):
    """A time in the past: a ``Period`` before now (``45m``, ``24h``, ``7d``), or a ``Moment``."""

    direction = -1

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, str) and re.fullmatch(r"[0-9]+[a-z]", value):
            period = Period(timedelta(days=3650), "minutes, hours or days: 45m, 24h, 7d").convert(value, param, ctx)
            return datetime.now(UTC) + self.direction * period
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{value!r} is no length of time (45m, 24h, 7d) and no time with its offset (2026-11-30T18:00+11:00).",
                param,
                ctx,
            )


class FromNow(Ago):
    """A time to come: a ``Period`` from now, or a ``Moment``."""

    direction = 1


ENVIRONMENT_VARIABLE = "OMC_ENV"
"""Names the environment where ``--env`` doesn't."""
INCIDENT_NUMBER = click.IntRange(1, 2**31 - 1)
"""As far as the record's column counts."""

environment_option = click.option(
    "--env",
    metavar="ENV",
    envvar=ENVIRONMENT_VARIABLE,
    shell_complete=environment_names,
    help="local, staging, production: an environment of omc.toml.  [needed, unless OMC_ENV or omc.toml names one]",
)
