"""``omc check``: ask the environment how it is. Reads only; decides nothing itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from omc.cli.completion import environment_names
from omc.cli.lazy import LazyCommand, LazyGroup
from omc.cli.options import ENVIRONMENT_VARIABLE, Period
from omc.cli.show import OUTPUT, show
from omc.errors import WrongUse, did_you_mean
from omc.model.registry import Registry
from omc.output import echo, line, redraw
from omc.output.gate import has_colour

if TYPE_CHECKING:
    from omc.config import Environment, Stack
    from omc.reports import Report
    from omc.reports.screen import Detail, Known
    from omc.store.location import StoreLocation

WATCH_SECONDS = 30


COMMANDS: Registry[str, LazyCommand] = Registry(
    "command of check",
    {
        "weekly": LazyCommand(
            "omc.review.command", "The runbook's weekly checks: costs, security, performance; with PART, only these."
        ),
        "accept": LazyCommand(
            "omc.review.command",
            "Accept a finding of the weekly review until a day: it is listed, and doesn't count.",
        ),
        "withdraw": LazyCommand("omc.review.command", "End the acceptance of a finding: it counts again."),
    },
)


@click.group(cls=LazyGroup, lazy=COMMANDS)
def check() -> None:
    """Ask the environment how it is. Reads only: safe at any time, in any account.

    \b
    omc check morning --env staging
    omc check weekly --env production
    omc check list
    """


@check.command("list")
@OUTPUT
def list_checks(output: str) -> None:
    """Every check: what it asks, how bad its answer can be, and what answers it. Asks AWS nothing.

    \b
    omc check list
    omc check list --output markdown
    """
    from omc.checks.spec_document import checks_document
    from omc.review.lists import LISTS

    show(checks_document(LISTS), output)


@check.command()
@click.argument("name", metavar="CHECK")
@OUTPUT
def explain(name: str, output: str) -> None:
    """One check: what it asks, how bad its answer can be, what answers it, and which facts it reads. Asks AWS nothing.

    CHECK is the name in a finding's JSON.

    \b
    omc check explain services-running
    omc check explain users-served --output json
    """
    from omc.checks.spec import CHECKS
    from omc.checks.spec_document import check_document
    from omc.review.lists import LISTS

    if name not in CHECKS:
        hint = did_you_mean(name, list(CHECKS))
        raise WrongUse(f'There is no check "{name}".{hint} All of them: omc check list')
    show(check_document(name, LISTS), output)


@check.command()
@click.argument("what", nargs=-1, metavar="[WHAT]...")
@click.option(
    "--env",
    metavar="ENV[,ENV]",
    envvar=ENVIRONMENT_VARIABLE,
    shell_complete=environment_names,
    help="An environment of omc.toml, or several: staging,production.  [needed, unless OMC_ENV or omc.toml names one]",
)
@click.option("--all-environments", is_flag=True, help="Every environment of omc.toml but a local cloud, worst first.")
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option("--all", "everything", is_flag=True, help="List what is ok too.")
@click.option(
    "-v", "--verbose", is_flag=True, help="All the evidence of each finding, uncut, without a limit on lines."
)
@click.option("--strict", is_flag=True, help="Exit with code 1 for warnings too, and for what was wrong and is over.")
@click.option(
    "--watch",
    type=click.IntRange(1, 3600),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Check again and again (every {WATCH_SECONDS} s), and mark what changed. Ctrl-C ends it.",
)
@click.option("--since", type=Period(), default="24h", show_default=True, help="How far back to look: 45m, 24h, 7d.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only this service; may be repeated.")
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "unknown"]),
    default="unknown",
    show_default=True,
    help="The lowest level at which the exit code isn't 0. With fail, what could not be read is shown, but "
    "the exit code is 0.",
)
@click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
@click.pass_context
def morning(
    context: click.Context,
    what: tuple[str, ...],
    env: str | None,
    all_environments: bool,
    output: str,
    everything: bool,
    verbose: bool,
    strict: bool,
    watch: int | None,
    since: timedelta,
    services: tuple[str, ...],
    fail_on: str,
    explain: bool,
) -> None:
    """The runbook's morning checks in one go.

    The first line is the verdict and what most likely causes it. Below it what fails, what to look at, and what could
    not be read, each with what answers it; then what was wrong and is over, then what is ok as one line. All of it
    fits 24 lines of 60 columns.

    WHAT is a place or a check, or the beginning of its name (services/backend, alarms, recent-errors): it shows all
    that is known about that part. The exit code is then that part's.

    \b
    Exit codes: 0 ok (or only warnings, or what is over; 1 with --strict), 1 something fails, 2 wrong use, 3 something
    could not be read (0 with --fail-on fail). Of several environments, the worst one's.

    \b
    omc check morning --env staging
    omc check morning --env production services/backend
    omc check morning --env production --verbose --all
    omc check morning --env staging,production
    omc check morning --all-environments --output json
    omc check morning --env production --since 7d --output markdown
    omc check morning --env local --watch 5
    omc check morning --env staging --service backend --explain
    omc check morning --env staging --fail-on fail
    """
    from omc.checks.finding import Level
    from omc.config import load
    from omc.reports.report_json import worst_first
    from omc.reports.screen import Detail
    from omc.store.location import locate_store

    stack = load(context.obj)
    chosen = _environments(stack, env, all_environments)
    places = {each.name: locate_store(stack, each) for each in chosen}
    if services:
        chosen = [only(environment, services) for environment in chosen]

    def ask() -> list[Report]:
        reports = _reports(chosen, since, what, places, is_part=bool(services))
        return worst_first(replace(report, fail_on=Level(fail_on), strict=strict) for report in reports)

    detail = Detail(verbose=verbose or bool(what), everything=everything)
    if watch is not None:
        _watch(ask, watch, output, detail)
    reports = ask()
    echo(shown(reports, output, explain=explain, detail=detail))
    context.exit(reports[0].exit_code)


def _environments(stack: Stack, names: str | None, every: bool) -> list[Environment]:
    """Those that are meant: by their names, the stack file's default, or all that aren't on this machine."""
    from omc.config import environment_of

    if every:
        if names:
            raise WrongUse("Say --env or --all-environments, not both.")
        return [each for each in stack.environments.values() if not each.is_local] or [environment_of(stack, None)]
    chosen = names.split(",") if names else [None]
    return [environment_of(stack, name) for name in dict.fromkeys(name and name.strip() for name in chosen)]


def _reports(
    environments: Sequence[Environment],
    since: timedelta,
    what: Sequence[str],
    places: Mapping[str, StoreLocation],
    *,
    is_part: bool,
) -> list[Report]:
    """Of one environment whatever goes wrong ends the command; of several, it is that one's report."""
    from omc.aws.gateway import Gateway, access_to
    from omc.reports import about, of_environments
    from omc.reports import morning as examined

    if len(environments) == 1:
        (environment,) = environments
        gateway = Gateway(environment, access_to(environment))
        return [about(examined(gateway, since, is_part=is_part, place=places[environment.name]), what)]
    narrowed, problem = [], None
    for report in of_environments(environments, since, is_part=is_part, places=places):
        try:
            narrowed.append(about(report, what))
        except WrongUse as error:
            problem = problem or error
    if problem and not narrowed:
        raise problem
    return narrowed


def only(environment: Environment, names: Sequence[str]) -> Environment:
    """The environment with only these of its services."""
    there = {service.name: service for service in environment.services}
    for name in names:
        if name not in there:
            raise WrongUse(
                f'{environment.name} has no service "{name}"; it has {", ".join(there)}.'
                f"{did_you_mean(name, list(there))}"
            )
    return replace(environment, services=tuple(there[name] for name in dict.fromkeys(names)))


def shown(
    reports: Sequence[Report],
    output: str,
    *,
    explain: bool,
    detail: Detail | None = None,
    before: Sequence[Known | None] = (),
    lines: int | None = None,
) -> str:
    """Reports in one of the three forms; with ``explain``, the aws commands that ask the same."""
    from omc.reports.by_hand import by_hand
    from omc.reports.report_json import as_json
    from omc.reports.screen import BRIEF, LINES, as_screen, width_of

    commands = [each for report in reports for each in by_hand(report)] if explain else None
    if output == "json":
        return as_json(reports, commands)
    if output == "markdown":
        from omc.output import markdown
        from omc.reports.report_document import report_document

        last = len(reports) - 1
        documents = [report_document(each, commands if at == last else None) for at, each in enumerate(reports)]
        return "\n\n".join(map(markdown.render, documents))
    text = as_screen(
        reports,
        width=width_of(),
        colour=has_colour(),
        detail=detail or BRIEF,
        before=before,
        lines=LINES if lines is None else lines,
    )
    return text if commands is None else "\n".join([text, "", "The same by hand:", "", *map(line, commands)])


def _watch(ask: Callable[[], list[Report]], seconds: int, output: str, detail: Detail) -> None:
    """Again and again until Ctrl-C. A terminal is redrawn; elsewhere each report is printed below the one before."""
    from omc.reports.report_json import as_json
    from omc.reports.screen import LINES, by_subject

    before: dict[str, Known] = {}
    while True:
        reports = ask()
        is_terminal = sys.stdout.isatty()
        if output == "json":
            echo(as_json(reports, indent=None))
        else:
            earlier = [before.get(report.environment.name) for report in reports]
            lines = LINES - 2 if is_terminal else LINES
            text = shown(reports, output, explain=False, detail=detail, before=earlier, lines=lines)
            if is_terminal:
                redraw(f"{text}\n\nAgain every {seconds} s; Ctrl-C ends it.")
            else:
                echo(text + "\n")
        sys.stdout.flush()
        before = {report.environment.name: by_subject(report) for report in reports}
        time.sleep(seconds)
