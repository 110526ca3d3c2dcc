"""``omc open``: the consoles of AWS that show what a command speaks of."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.options import environment_option
from omc.config import Environment, environment_of, load
from omc.errors import OmcError, WrongUse, did_you_mean
from omc.output import echo, line
from omc.sessions.consoles import KINDS, console_url, match

_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@click.command(name="open")
@environment_option
@click.option("--print", "only_print", is_flag=True, help="Only print the address.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", default="")
@click.pass_context
def open_(context: click.Context, /, kind: str, name: str, env: str | None, *, only_print: bool) -> None:
    """Open AWS's console at a dashboard, a service's logs, an alarm or a trace, and print the address.

    Only printed where the output isn't a terminal, or where there is no desktop, as over SSH.

    NAME needn't have the environment's prefix; without one it is the list. A service's name stands for its log group.

    \b
    omc open dashboard infrastructure --env staging
    omc open logs backend --env production --print
    omc open alarm backend-cpu-high --env production
    omc open trace 1-5f84c7a1-0123456789abcdef01234567 --env production
    """
    environment = environment_of(load(context.obj), env)
    if environment.is_local:
        raise WrongUse(
            "A local cloud has no console. What it knows is read by commands: omc check morning, omc logs tail, "
            "omc alerts list."
        )
    url = console_url(kind, _known(environment, kind, name) if name else "", environment.region)
    echo(line(url))
    if not only_print and sys.stdout.isatty() and has_desktop(sys.platform, os.environ):
        click.launch(url)


def has_desktop(platform: str, variables: Mapping[str, str]) -> bool:
    """Whether a browser can show itself to the person at this terminal: not over SSH, nor in a container, where what
    opens addresses would write its trouble between the prompt's lines, or begin a browser of text there."""
    return platform in ("darwin", "win32", "cygwin") or any(variables.get(name) for name in _DESKTOP)


def _known(environment: Environment, kind: str, name: str) -> str:
    """The whole name of what is there. Where AWS can't be request, the name as it was given, with a word."""
    if kind == "trace":
        return name
    try:
        there = LISTS[kind](Gateway(environment, access_to(environment)), environment)
    except OmcError as error:
        echo(line(f"omc: Whether {name} is there isn't known: {error.message}"), err=True)
        return name
    if kind == "logs":
        name = next((each.log_group for each in environment.services if each.name == name), name)
    found = match(name, there, environment.prefix)
    if found is None:
        short = [each.removeprefix(f"{environment.prefix}-") for each in there]
        listed = ", ".join(sorted(short)[:20]) or "none"
        raise WrongUse(
            f"There is no {kind} {name} in {environment.name}; there is {listed}.{did_you_mean(name, short)}"
        )
    return found


def _dashboards(aws: Gateway, environment: Environment) -> list[str]:
    pages: Any = aws.client("cloudwatch").get_paginator("list_dashboards")
    found = pages.paginate(DashboardNamePrefix=environment.prefix)
    return [each["DashboardName"] for page in found for each in page["DashboardEntries"]]


def _log_groups(aws: Gateway, _: Environment) -> list[str]:
    pages: Any = aws.client("logs").get_paginator("describe_log_groups").paginate()
    return [each["logGroupName"] for page in pages for each in page["logGroups"]]


def _alarms(aws: Gateway, environment: Environment) -> list[str]:
    pages: Any = aws.client("cloudwatch").get_paginator("describe_alarms")
    found = pages.paginate(AlarmNamePrefix=environment.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return [each["AlarmName"] for page in found for kind in ("MetricAlarms", "CompositeAlarms") for each in page[kind]]


LISTS: Mapping[str, Callable[[Gateway, Environment], list[str]]] = {
    "dashboard": _dashboards,
    "logs": _log_groups,
    "alarm": _alarms,
}

globals()["open"] = open_  # the name by which the table of commands finds it
