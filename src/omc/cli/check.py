"""``omc check``: ask the environment how it is. Reads only; decides nothing itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from omc.cli.options import environment_option
from omc.output import echo, line, redraw, shell_word

if TYPE_CHECKING:
    from omc.aws.gateway import Gateway
    from omc.cli.report import Known
    from omc.reports import Report
    from omc.stack import Environment

WATCH_SECONDS = 30
LONGEST_SINCE = timedelta(days=14)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Period(click.ParamType[timedelta]):
    """``45m``, ``24h``, ``7d``."""

    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,5})([mhd])", str(value))
        period = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
        if not timedelta(0) < period <= LONGEST_SINCE:
            self.fail(
                f"{value!r} is not a period; allowed are minutes, hours or days up to 14d: 45m, 24h, 7d.", param, ctx
            )
        return period


@click.group()
def check() -> None:
    """Ask the environment how it is. Reads only: safe at any time, in any account.

    \b
    omc check morning --env staging
    """


@check.command()
@environment_option
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option(
    "--watch",
    type=click.IntRange(1, 3600),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Check again and again (every {WATCH_SECONDS} s), and mark what changed. Ctrl-C ends it.",
)
@click.option("--since", type=Period(), default="24h", show_default=True, help="How far back to look: 45m, 24h, 7d.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only this service; may be given again.")
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "unknown"]),
    default="unknown",
    show_default=True,
    help="From which level on the exit code isn't 0. With fail, what could not be read is shown and exits 0.",
)
@click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
@click.pass_context
def morning(
    context: click.Context,
    env: str | None,
    output: str,
    watch: int | None,
    since: timedelta,
    services: tuple[str, ...],
    fail_on: str,
    explain: bool,
) -> None:
    """The runbook's morning checks, in one go.

    Services and their deployments, failed tasks and why, every target, alarms, 5xx answers, errors in the logs, and
    whether data and metrics are fresh. Each finding comes with its evidence and the procedure that answers it.

    \b
    Exit codes: 0 ok (or warnings only), 1 something fails, 2 wrong use, 3 something could not be read (0 with
    --fail-on fail).

    \b
    omc check morning --env staging
    omc check morning --env production --since 7d --output markdown
    omc check morning --env local --watch 5
    omc check morning --env staging --service backend --explain
    omc check morning --env staging --fail-on fail
    """
    from omc.aws.gateway import Gateway, access_to
    from omc.checks.finding import Level
    from omc.reports import morning as examined
    from omc.stack import environment_of, load

    environment = environment_of(load(context.obj), env)
    if services:
        environment = only(environment, services)
    gateway = Gateway(environment, access_to(environment))
    if watch is not None:
        _watch(gateway, watch, since, output, is_part=bool(services))
    report = replace(examined(gateway, since, is_part=bool(services)), fail_on=Level(fail_on))
    echo(shown(report, output, explain=explain))
    context.exit(report.exit_code)


def only(environment: Environment, names: Sequence[str]) -> Environment:
    """The environment with only these of its services."""
    from omc.errors import WrongUse
    from omc.stack.section import meant

    there = {service.name: service for service in environment.services}
    for name in names:
        if name not in there:
            raise WrongUse(
                f'{environment.name} has no service "{name}"; it has {", ".join(there)}.{meant(name, list(there))}'
            )
    return replace(environment, services=tuple(there[name] for name in dict.fromkeys(names)))


def shown(report: Report, output: str, *, explain: bool, before: Known | None = None) -> str:
    """A report in one of the three forms; with ``explain``, the aws commands that ask the same."""
    from omc.cli.report import as_json, as_markdown, as_table
    from omc.cli.table import has_colour, width_of

    commands = _commands(report) if explain else None
    if output == "json":
        return as_json(report, commands)
    if output == "markdown":
        return as_markdown(report, commands)
    text = as_table(report, width=width_of(), colour=has_colour(), before=before)
    return text if commands is None else "\n".join([text, "", "The same by hand:", "", *map(line, commands)])


def _commands(report: Report) -> list[str]:
    from omc.aws.command_lines import command_lines

    lines = command_lines(report.calls, report.environment.region)
    if report.environment.is_local:
        lines.insert(0, 'eval "$(omc local env)"')
    elif report.environment.profile:
        lines.insert(0, f"export AWS_PROFILE={shell_word(report.environment.profile)}")
    return lines


def _watch(gateway: Gateway, seconds: int, since: timedelta, output: str, *, is_part: bool) -> None:
    """Again and again until Ctrl-C. A terminal is redrawn; elsewhere each report is printed below the one before."""
    import time

    from omc.cli.report import as_json, by_subject
    from omc.reports import morning as examined

    before: Known | None = None
    while True:
        report = examined(gateway, since, is_part=is_part)
        if output == "json":
            echo(as_json(report, indent=None))
        else:
            text = shown(report, output, explain=False, before=before)
            if sys.stdout.isatty():
                redraw(f"{text}\n\nAgain every {seconds} s; Ctrl-C ends it.")
            else:
                echo(text + "\n")
        sys.stdout.flush()
        before = by_subject(report)
        time.sleep(seconds)
