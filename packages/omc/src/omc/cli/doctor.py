"""``omc doctor``: which of omc's own assumptions hold in an environment's account. Reads only."""

from __future__ import annotations

from dataclasses import replace

import click

from omc.aws.gateway import Gateway, access_to
from omc.checks.finding import Level
from omc.cli.check import shown
from omc.cli.options import environment_option
from omc.config import environment_of, load
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
@click.pass_context
def doctor(context: click.Context, env: str | None, output: str, fail_on: str, explain: bool) -> None:
    """What omc relies on in this account: what holds, what doesn't, what isn't known, and what to do about it.

    For the first day in an account, and whenever something is set up anew. Who calls and what each command may do
    (IAM's policy simulation), GitHub's roles and the protection of its environment, omc's store, a worker, Terraform's
    state and lock, who hears an alarm, logs, certificate, secrets, ECS Exec, quotas, clocks, tools. Then questions that
    AWS's documents leave open, each with what was asked, what was answered and what follows.

    It changes nothing. GitHub is asked where the shell has GH_TOKEN or GITHUB_TOKEN; the token goes to GitHub only.

    \b
    Levels: ok it holds, warn it holds with a risk, fail it doesn't hold, unknown it could not be read.
    Exit codes: 0 ok (or warnings only), 1 something doesn't hold, 2 wrong use, 3 something could not be read (0 with
    --fail-on fail).

    \b
    omc doctor --env staging
    GH_TOKEN=$(gh auth token) omc doctor --env production --output markdown
    omc doctor --env local --fail-on fail
    omc doctor --env staging --explain
    """

    from omc.reports.doctor import doctor as examined
    from omc.reports.screen import Detail

    stack = load(context.obj)
    environment = environment_of(stack, env)
    report = replace(examined(stack, Gateway(environment, access_to(environment))), fail_on=Level(fail_on))
    echo(shown([report], output, explain=explain, detail=Detail(verbose=True, everything=True)))
    context.exit(report.exit_code)
