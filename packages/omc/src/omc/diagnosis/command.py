"""``omc diagnose``: why it is broken."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from omc.aws.gateway import Gateway, access_to
from omc.checks.run import EXIT_CODES
from omc.cli.options import Ago, Period, environment_option
from omc.cli.show import OUTPUT, show
from omc.config import environment_of, load
from omc.diagnosis.document import diagnosis_document
from omc.diagnosis.run import diagnose as find_causes
from omc.errors import WrongUse
from omc.reports.by_hand import by_hand
from omc.store.location import locate_store

LOOK_BACK = Period(timedelta(days=7), "minutes, hours or days up to 7d: 30m, 1h, 2d")


@click.command()
@click.argument("symptom", default="", metavar="[SYMPTOM]")
@environment_option
@click.option("--since", type=LOOK_BACK, default="1h", show_default=True, help="How far to look back.")
@click.option("--at", type=Ago(), metavar="TIME", help="So long ago (45m), or at a time: 2026-11-30T03:10+11:00.")
@click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
@OUTPUT
@click.pass_context
def diagnose(
    context: click.Context,
    symptom: str,
    env: str | None,
    since: timedelta,
    at: datetime | None,
    explain: bool,
    output: str,
) -> None:
    """Why it is broken: the likeliest cause first, with its evidence, its path to users, and the next step. Reads only.

    Causes come with their confidence, what speaks for and against them, what was ruled out, and what could not be seen.
    What has no known cause is told as such.

    SYMPTOM narrows it: an issue of the runbook (tasks-restarting, users, dependency, database, redis, errors,
    unhealthy, cpu, cache-hit-rate, nat-costs), an alarm, or a place that the morning check names. Without it, whatever
    is wrong.

    A moment in the past (--at) is judged by what is kept of it: figures, logs, calls, connections.

    \b
    Exit codes: 0 nothing is wrong, 1 something is, 2 wrong use, 3 it could not be told.

    \b
    omc diagnose --env production
    omc diagnose database --env production
    omc diagnose backend-unhealthy --env staging --output json
    omc diagnose --env production --at 2026-11-30T03:10+11:00 --since 30m
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    gateway = Gateway(environment, access_to(environment))
    if at is not None and at > datetime.now(at.tzinfo):
        raise WrongUse("--at is a moment in the past.")
    place = locate_store(stack, environment)
    found = find_causes(gateway, symptom, since=since, at=at, place=place)
    commands = tuple(by_hand(found.report)) if explain else None
    show(diagnosis_document(found, commands), output)
    context.exit(EXIT_CODES[found.verdict])
