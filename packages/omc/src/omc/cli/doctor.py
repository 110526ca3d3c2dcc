"""``omc doctor``: which of omc's own assumptions hold in an environment's account; whether an alarm gets through."""

from __future__ import annotations

from dataclasses import replace

import click

from omc.aws.gateway import Gateway, access_to
from omc.checks.finding import Level
from omc.cli.check import shown
from omc.cli.options import environment_option
from omc.config import environment_of, load
from omc.errors import WrongUse
from omc.output import echo


@click.command()
@environment_option
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option(
    "--fail-on",
    type=click.Choice(["fail", "unknown"]),
    default="unknown",
    show_default=True,
    help="The lowest level at which the exit code isn't 0. With fail, what could not be read is shown, but "
    "the exit code is 0.",
)
@click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
@click.option("--test-page", is_flag=True, help="Send a test the way that alarms go instead, and time each hop.")
@click.option("--to", "whom", metavar="WHO", help="Who gets the test: a person, a channel (#incidents) or a contact.")
@click.option(
    "--severity",
    type=click.IntRange(1, 3),
    default=3,
    show_default=True,
    help="Through which severity's topic the test goes.",
)
@click.option("--yes", is_flag=True, help="Send the test without asking.")
@click.pass_context
def doctor(
    context: click.Context,
    env: str | None,
    output: str,
    fail_on: str,
    explain: bool,
    test_page: bool,
    whom: str | None,
    severity: int,
    yes: bool,
) -> None:
    """What omc relies on in this account: what holds, what doesn't, what isn't known, and what to do about it.

    For the first day in an account, and whenever something is set up anew. Who calls and what each command may do
    (IAM's policy simulation), GitHub's roles and the protection of its environment, omc's store, a worker, Terraform's
    state and lock, who hears an alarm, logs, certificate, secrets, ECS Exec, quotas, clocks, tools. Then questions that
    AWS's documents leave open, each with what was asked, what was answered and what follows.

    It changes nothing. GitHub is asked where the shell has GH_TOKEN or GITHUB_TOKEN; the token goes to GitHub only.

    With --test-page none of that is examined. A marked message is published to an alarms' topic, after a plan and a
    question; a responder (omc serve) takes it from the queue and hands a notice to whom --to names. It is never an
    incident and wakes nobody; without --to it is only recorded. Each hop is shown with its time, or with what stops it.

    \b
    Levels: ok it holds, warn it holds with a risk, fail it doesn't hold, unknown it could not be read.
    Exit codes: 0 ok (or warnings only), 1 something doesn't hold, 2 wrong use, 3 something could not be read (0 with
    --fail-on fail).

    \b
    omc doctor --env staging
    GH_TOKEN=$(gh auth token) omc doctor --env production --output markdown
    omc doctor --env local --fail-on fail
    omc doctor --env staging --explain
    omc doctor --env staging --test-page --to "#incidents"
    """

    from omc.reports.doctor import doctor as examined
    from omc.reports.screen import Detail

    stack = load(context.obj)
    environment = environment_of(stack, env)
    if test_page:
        from omc.cli.doctor_page import send_test_page

        context.exit(send_test_page(stack, environment, whom, severity, output, yes=yes))
    if whom is not None or yes:
        raise WrongUse("--to and --yes belong to --test-page.")
    report = replace(examined(stack, Gateway(environment, access_to(environment))), fail_on=Level(fail_on))
    echo(shown([report], output, explain=explain, detail=Detail(verbose=True, everything=True)))
    context.exit(report.exit_code)
