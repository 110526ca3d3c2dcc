"""``omc local``: starting, showing and ending an AWS for this stack on this machine."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.completion import service_names
from omc.cli.lazy import LazyCommand, LazyGroup
from omc.config import load
from omc.config.load import environment_of
from omc.errors import Unknown, WrongUse
from omc.interrupts import reraise_interrupts
from omc.local import cloud, lifecycle, recording, shell_text
from omc.local import recorded as recorded_stacks
from omc.local import sample as samples
from omc.local.lifecycle import LocalStack, site_of
from omc.model.registry import Registry
from omc.output import echo, line
from omc.output.text import shell_word
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
    omc local clone --from staging make a copy of a real environment in it, without your code
    omc check morning --env local  ask it what you would ask AWS
    eval "$(omc local env)"        point aws and boto3 at it; --unset ends that
    omc local load                 send users to it, and see what they see
    omc local fault list           what can be broken in it, on purpose
    omc local down                 stop it; its state stays
    """


@local.command()
@STATE_OPTION
@click.option("--apply", is_flag=True, help="Push the images and apply the Terraform again, after you changed them.")
@click.option(
    "--from",
    "recorded",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Make the stack of this file, which `omc local clone` wrote, in place of Terraform's.",
)
@click.option("--env", "name", default="local", show_default=True, help="Which local environment of omc.toml.")
@click.pass_context
def up(context: click.Context, state: Path | None, apply: bool, recorded: Path | None, name: str) -> None:
    """Start the local cloud and wait until the stack in it is healthy.

    The first time it applies infrastructure/terraform, bootstrap and environments/staging, in about two minutes; or the
    root that the environment names with `terraform`, alone. Later starts find all of it in the cloud's state, and take
    seconds.

    \b
    omc local up
    omc local up --apply             after a change of the Terraform or of apps/
    omc local up --from stack.json   a stack that `omc local clone` recorded
    omc local up --state /tmp/other  a second cloud beside the first
    """
    place = site_of(load(context.obj), state, name)
    _bring_up(place, name, apply=apply, recorded=recorded)


def _bring_up(place: LocalStack, name: str, *, apply: bool = False, recorded: Path | None = None) -> None:
    try:
        with reraise_interrupts():
            record = lifecycle.up(place, Progress(), apply=apply, recorded=recorded)
    except KeyboardInterrupt:
        echo("\nInterrupted. Continue with `omc local up`, or drop all of it with `omc local reset`.", err=True)
        raise SystemExit(130) from None
    address = lifecycle.url(place)
    echo(f"The stack is up: {address}" if address else "The stack is up.")
    if apply and record.images:
        for service, image in record.images.items():
            echo(f"{service} was pushed as {image.partition('@')[2]}")
        chosen = ",".join(f"{service}={image.partition('@')[2]}" for service, image in record.images.items())
        echo(f"Release what was pushed: omc deploy --env {name} --image {shell_word(chosen)}")
    echo(f"Ask it: omc check morning --env {name}")


@local.command()
@click.option("--from", "source", required=True, metavar="ENVIRONMENT", help="The environment of omc.toml to copy.")
@click.option("--env", "name", default="local", show_default=True, help="The local environment that gets the copy.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the recorded stack is written.  [default: <ENVIRONMENT>.stack.json beside omc.toml]",
)
@click.option("--record-only", is_flag=True, help="Write the file and make nothing.")
@STATE_OPTION
@click.pass_context
def clone(
    context: click.Context, source: str, name: str, file: Path | None, record_only: bool, state: Path | None
) -> None:
    """Copy an environment into the local cloud: its services, load balancer, limits, alarms, database and cache.

    It is read by the API and nothing in it is changed. No secret's value is read, and images are replaced by a
    stand-in, which answers health checks and fails when it is told to. The copy is rehearsed without your code.

    \b
    omc local clone --from staging
    omc check morning --env local
    omc local stand-in api --release 2 --fail unhealthy
    omc local up --from staging.stack.json   after a reset
    """
    stack = load(context.obj)
    place = site_of(stack, state, name)
    environment = environment_of(stack, source)
    if environment.local_state is not None and environment.local_state.absolute() == place.state:
        raise WrongUse(f"{source} and {name} are the same local cloud. Copy from another environment: --from NAME")
    written = file or stack.file.parent / f"{source}.stack.json"
    recorded = recording.record(Gateway(environment, access_to(environment)))
    recorded_stacks.write(recorded, written)
    echo(f"{source} is recorded in {written}, without secrets.")
    for sentence in recorded["left_out"]:
        echo(f"Not copied: {sentence}")
    if not record_only:
        _bring_up(place, name, recorded=written)


@local.command("sample")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def sample(folder: Path) -> None:
    """Write a stack to try omc with into FOLDER: omc.toml, its Terraform and two small applications.

    \b
    omc local sample ohmycoins
    cd ohmycoins
    omc local up
    """
    samples.copy_sample(folder)
    echo(f"The sample stack is in {folder}. Start it: cd {shlex.quote(str(folder))} && omc local up")


@local.command("stand-in")
@click.argument("service", shell_complete=service_names)
@click.option("--release", required=True, help="Name of the release: another name, another digest.")
@click.option("--fail", default="", help="What it does wrong: 5xx, unhealthy, slow:SECONDS, crash:SECONDS.")
@click.option("--env", "name", default="local", show_default=True, help="Which local environment of omc.toml.")
@STATE_OPTION
@click.pass_context
def stand_in(context: click.Context, service: str, release: str, fail: str, name: str, state: Path | None) -> None:
    """Push another release of a copied service's stand-in, and say how it is deployed.

    \b
    omc local stand-in api --release 2
    omc local stand-in api --release 3 --fail 5xx
    """
    place = site_of(load(context.obj), state, name)
    found = place.environment.service_named(service)
    if found is None:
        names = ", ".join(each.name for each in place.environment.services)
        raise WrongUse(f"{name} has no service {service!r}; it has {names}.")
    image = recording.image_of(Gateway(place.environment, access_to(place.environment)), found)
    repository = image.partition("/")[2].partition("@")[0].partition(":")[0]
    digest = cloud.ask(
        place.state, "stand-in", "--repository", repository, "--release", release, f"--fail={fail}"
    ).strip()
    echo(f"{repository} has the release {release} as {digest}")
    echo(f"Deploy it: omc deploy --env {name} --image {service}={digest}")


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
@click.option("--terraform", is_flag=True, help="Also what a plain `terraform init` and `plan` need in its root.")
@click.option("--unset", is_flag=True, help="Print what ends it: the shell's own variables, as they were before.")
@click.pass_context
def env(context: click.Context, state: Path | None, terraform: bool, unset: bool) -> None:
    """Print the exports that point any AWS client at the local cloud.

    Terraform in other folders is left alone: its variables are set only where they are asked for.

    \b
    eval "$(omc local env)"
    aws ecs describe-services --cluster ohmycoins-staging --services backend frontend
    eval "$(omc local env --unset)"
    eval "$(omc local env --terraform)"; cd infrastructure/terraform/environments/staging; terraform init
    """
    if unset:
        for text in shell_text.restored():
            click.echo(text)
        return
    place = site(context, state)
    reach = cloud.local_endpoint(place.state)
    exports = reach.environment()
    if terraform:
        exports |= lifecycle.terraform_arguments(place, reach)
    for text in shell_text.exported(exports):
        click.echo(text)  # past the gate: a shell needs these keys of the local cloud
