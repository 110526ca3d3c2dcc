"""``omc local``: starting, showing and ending an AWS for this stack on this machine."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from omc.local.lifecycle import Site

STATE_OPTION = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The cloud's folder; another folder is another cloud.  [default: OMC_LOCAL_STATE, or what omc.toml says]",
)


def site(context: click.Context, state: Path | None) -> Site:
    """The local cloud that a command means: the project of the stack file, and its state folder."""
    from omc import stack
    from omc.local.lifecycle import site_of

    return site_of(stack.load(context.obj), state)


@click.group()
def local() -> None:
    """An AWS for this stack on this machine, to try and to rehearse.

    \b
    omc local up                   start it; the first time, apply the Terraform
    omc check morning --env local  ask it what you would ask AWS
    eval "$(omc local env)"        point aws, terraform, boto3 at it
    omc local load                 send users to it, and see what they see
    omc local down                 stop it; its state stays
    """


@local.command()
@STATE_OPTION
@click.option("--apply", is_flag=True, help="Push the images and apply the Terraform again, after you changed them.")
@click.pass_context
def up(context: click.Context, state: Path | None, apply: bool) -> None:
    """Start the local cloud and wait until the stack in it is healthy.

    The first time it applies infrastructure/bootstrap and environments/staging, in about two minutes. Later starts
    find all of it in the cloud's state, and take seconds.

    \b
    omc local up
    omc local up --apply             after a change of the Terraform or of apps/
    omc local up --state /tmp/other  a second cloud beside the first
    """
    from omc.local import lifecycle
    from omc.progress import Progress

    place = site(context, state)
    try:
        lifecycle.up(place, Progress(), apply=apply)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. Go on with `omc local up`, or drop all of it with `omc local reset`.", err=True)
        raise SystemExit(130) from None
    click.echo(f"The stack is up: {lifecycle.url(place)}")
    click.echo("Ask it: omc check morning --env local")


@local.command()
@STATE_OPTION
@click.pass_context
def down(context: click.Context, state: Path | None) -> None:
    """Stop the local cloud and all that it started. Its state stays for the next `up`."""
    from omc.local import lifecycle

    click.echo(lifecycle.down(site(context, state)).rstrip())


@local.command()
@STATE_OPTION
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def status(context: click.Context, state: Path | None, output: str) -> None:
    """What runs: the endpoint, the loops, the tasks with their process ids. Exit code 3: nothing runs, or answers."""
    from omc.errors import Unknown
    from omc.local import cloud

    place = site(context, state).state
    said = cloud.tell(place, "status", *(["--json"] if output == "json" else []))
    if output == "table" and said.returncode == Unknown.exit_code:
        raise Unknown(f"No local cloud answers in {place}. Start one: omc local up")
    click.echo((said.stdout or said.stderr).rstrip())
    context.exit(said.returncode)


@local.command()
@STATE_OPTION
@click.option("--force", is_flag=True, help="Also when it runs: stop it first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def reset(context: click.Context, state: Path | None, force: bool, yes: bool) -> None:
    """Delete everything of the local cloud: its databases, logs, metrics, Terraform state."""
    from omc.errors import WrongUse
    from omc.local import cloud, lifecycle

    place = site(context, state)
    if not force and place.state.exists() and cloud.status(place.state)["running"]:
        raise WrongUse(f"The local cloud in {place.state} runs. Stop it first with `omc local down`, or use --force.")
    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete all of the local cloud in {place.state}?", abort=True)
    click.echo(lifecycle.reset(place).rstrip())


@local.command()
@STATE_OPTION
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.pass_context
def logs(context: click.Context, state: Path | None, follow: bool, lines: int) -> None:
    """The cloud's own log. (What the tasks print is in CloudWatch Logs: aws logs tail.)"""
    from omc.local import cloud

    arguments = ["logs", "--lines", str(lines), *(["--follow"] if follow else [])]
    command = cloud.command(site(context, state).state, arguments)
    os.execv(command[0], command)  # noqa: S606 - it prints until it is told to stop; nothing is left for us to do


@local.command()
@STATE_OPTION
@click.option("--rate", type=click.FloatRange(0.1, 2000), default=20, show_default=True, help="Requests a second.")
@click.option("--duration", type=click.FloatRange(1, 86_400), default=60, show_default=True, help="Seconds.")
@click.option(
    "--shape",
    type=click.Choice(["flat", "diurnal"]),
    default="flat",
    show_default=True,
    help="diurnal: a day in Sydney, from midnight on, pressed into the duration.",
)
@click.option(
    "--users", type=click.IntRange(1, 512), default=64, show_default=True, help="At the site at once, at most."
)
@click.option(
    "--journey",
    "journeys",
    metavar="NAME=SHARE",
    multiple=True,
    help="How often users do this; again for others.  [default: front-page=20, prices=50, history=20,"
    " open-portfolio=3, change-portfolio=7]",
)
@click.option(
    "--most-errors",
    type=click.FloatRange(0, 100),
    default=1,
    show_default=True,
    help="Percent of the requests that may fail; more is exit code 1.",
)
@click.option("--seed", type=int, help="The same number gives the same users again.")
@click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.pass_context
def load(
    context: click.Context,
    state: Path | None,
    rate: float,
    duration: float,
    shape: str,
    users: int,
    journeys: tuple[str, ...],
    most_errors: float,
    seed: int | None,
    output: str,
) -> None:
    """Send users to the local stack's load balancer, and say what they saw.

    They come when they come, however slow the answers are, and a user's time counts from when he came. Ctrl-C ends it
    with the report so far. Exit code 0: users were well; 1: too many requests failed; 3: nobody answered.

    \b
    omc local load
    omc local load --rate 100 --duration 300 --shape diurnal
    omc local load --journey prices=80 --journey change-portfolio=20 --output json
    """
    from omc.cli import load_report as show
    from omc.errors import Unknown
    from omc.local import cloud, lifecycle, traffic
    from omc.local.load_report import report
    from omc.progress import Progress

    place = site(context, state)
    try:
        url = lifecycle.url(place)
    except cloud.LocalCloudError as error:
        raise Unknown(error.message) from error
    mix = traffic.mix_of(journeys) if journeys else traffic.MIX
    progress = Progress()

    def watch(done: int, outcomes: Counter[traffic.Outcome], gone: float) -> None:
        bad = done - outcomes[traffic.Outcome.OK]
        progress.waiting(f"{gone:.0f} of {duration:.0f} s: {done} requests, {bad} of them failed")

    plan = traffic.Plan(url, rate, duration, traffic.Shape(shape), users, mix, seed)
    found = report(traffic.send(plan, watch))
    progress.done()
    zone, share = place.environment.time_zone, most_errors / 100
    if output == "json":
        click.echo(show.as_json(found, share))
    else:
        click.echo((show.as_markdown if output == "markdown" else show.as_table)(found, zone, share))
    context.exit(130 if found.interrupted else show.exit_code(found, share))


@local.command()
@STATE_OPTION
@click.pass_context
def env(context: click.Context, state: Path | None) -> None:
    """Print the exports that point any AWS client, and Terraform, at the local cloud.

    \b
    eval "$(omc local env)"
    aws ecs describe-services --cluster ohmycoins-staging --services backend frontend
    (cd infrastructure/environments/staging && terraform init && terraform plan)
    """
    from omc.local import cloud, lifecycle

    place = site(context, state)
    reach = cloud.reach(place.state)
    exports = reach.environment() | lifecycle.terraform_arguments(place.read(), reach)
    click.echo("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
