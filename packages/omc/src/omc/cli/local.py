"""``omc local``: starting, showing and ending an AWS for this stack on this machine."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from omc.cli.lazy import LazyCommand, LazyGroup
from omc.config import load
from omc.errors import Unknown, WrongUse
from omc.interrupts import reraise_interrupts
from omc.local import cloud, lifecycle
from omc.local.lifecycle import LocalStack, site_of
from omc.model.registry import Registry
from omc.output import echo, line
from omc.progress import Progress

COMMANDS: Registry[str, LazyCommand] = Registry(
    "command",
    {
        "fault": LazyCommand(
            "omc.cli.local_fault", "Break the stack on purpose, at the cause, to rehearse the response."
        ),
        "load": LazyCommand(
            "omc.cli.local_load", "Send users to the local stack's load balancer, and say what they saw."
        ),
    },
)
STATE_OPTION = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The cloud's folder; another folder is another cloud.  [default: OMC_LOCAL_STATE, or what omc.toml says]",
)


def site(context: click.Context, state: Path | None) -> LocalStack:
    """The local cloud that a command means: the project of the stack file, and its state folder."""
    return site_of(load(context.obj), state)


@click.group(cls=LazyGroup, lazy=COMMANDS)
def local() -> None:
    """An AWS for this stack on this machine, to try and to rehearse.

    \b
    omc local up                   start it; the first time, apply the Terraform
    omc check morning --env local  ask it what you would ask AWS
    eval "$(omc local env)"        point aws, terraform, boto3 at it
    omc local load                 send users to it, and see what they see
    omc local fault list           what can be broken in it, on purpose
    omc local down                 stop it; its state stays
    """


@local.command()
@STATE_OPTION
@click.option("--apply", is_flag=True, help="Push the images and apply the Terraform again, after you changed them.")
@click.pass_context
def up(context: click.Context, state: Path | None, apply: bool) -> None:
    """Start the local cloud and wait until the stack in it is healthy.

    The first time it applies infrastructure/terraform, bootstrap and environments/staging, in about two minutes. Later
    starts find all of it in the cloud's state, and take seconds.

    \b
    omc local up
    omc local up --apply             after a change of the Terraform or of apps/
    omc local up --state /tmp/other  a second cloud beside the first
    """
    place = site(context, state)
    try:
        with reraise_interrupts():
            lifecycle.up(place, Progress(), apply=apply)
    except KeyboardInterrupt:
        echo("\nInterrupted. Continue with `omc local up`, or drop all of it with `omc local reset`.", err=True)
        raise SystemExit(130) from None
    echo(f"The stack is up: {lifecycle.url(place)}")
    echo("Ask it: omc check morning --env local")


@local.command()
@STATE_OPTION
@click.pass_context
def down(context: click.Context, state: Path | None) -> None:
    """Stop the local cloud and all that it started. Its state stays for the next `up`."""
    echo(lifecycle.down(site(context, state)).rstrip())


@local.command()
@STATE_OPTION
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def status(context: click.Context, state: Path | None, output: str) -> None:
    """What runs: the endpoint, the loops, the tasks with process ids. Exit code 3: nothing runs, or nothing answers."""
    place = site(context, state).state
    response = cloud.tell(place, "status", *(["--json"] if output == "json" else []))
    if output == "table" and response.returncode == Unknown.exit_code:
        raise Unknown(f"No local cloud answers in {place}. Start one: omc local up")
    echo((response.stdout or response.stderr).rstrip())
    context.exit(response.returncode)


@local.command()
@STATE_OPTION
@click.option("--force", is_flag=True, help="Even if it runs: stop it first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def reset(context: click.Context, state: Path | None, force: bool, yes: bool) -> None:
    """Delete everything of the local cloud: its databases, logs, metrics, Terraform state."""
    place = site(context, state)
    if not force and place.state.exists() and cloud.status(place.state)["running"]:
        raise WrongUse(f"The local cloud in {place.state} runs. Stop it first with `omc local down`, or use --force.")
    if not yes and sys.stdin.isatty():
        click.confirm(line(f"Delete all of the local cloud in {place.state}?"), abort=True)
    echo(lifecycle.reset(place).rstrip())


@local.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@STATE_OPTION
@click.pass_context
def seed(context: click.Context, file: Path, state: Path | None) -> None:
    """Give the running cloud a month that never was, as FILE (TOML or JSON) describes it: costs, CloudTrail's calls,
    flow log records, metrics, snapshots. Once in the life of a cloud.

    docs/localcloud.md has the format.

    \b
    omc local seed month.toml
    omc check weekly --env local
    """
    echo(cloud.ask(site(context, state).state, "seed", str(file.absolute())).rstrip())


@local.command()
@STATE_OPTION
@click.option("--follow", "-f", is_flag=True, help="Keep printing as the log grows.")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.pass_context
def logs(context: click.Context, state: Path | None, follow: bool, lines: int) -> None:
    """The cloud's own log. (What the tasks print is in CloudWatch Logs: aws logs tail.)"""
    arguments = ["logs", "--lines", str(lines), *(["--follow"] if follow else [])]
    command = cloud.command(site(context, state).state, arguments)
    os.execv(command[0], command)  # noqa: S606 - it prints until it is told to stop; nothing is left for us to do


@local.command()
@STATE_OPTION
@click.pass_context
def env(context: click.Context, state: Path | None) -> None:
    """Print the exports that point any AWS client, and Terraform, at the local cloud.

    \b
    eval "$(omc local env)"
    aws ecs describe-services --cluster ohmycoins-staging --services backend frontend
    (cd infrastructure/terraform/environments/staging && terraform init && terraform plan)
    """
    place = site(context, state)
    reach = cloud.local_endpoint(place.state)
    exports = reach.environment() | lifecycle.terraform_arguments(place.read(), reach)
    echo("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")  # past the gate: a shell needs these keys of the local cloud
