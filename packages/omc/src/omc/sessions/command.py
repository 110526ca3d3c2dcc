"""``omc exec``, ``omc db``, ``omc redis``, ``omc forward``: the operator's doors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import actor_of
from omc.engine.github import refuse_fleeting_record
from omc.errors import OmcError, Unknown, WrongUse
from omc.facts.exec_access import Transcript, read_exec_access
from omc.output import echo, line
from omc.sessions import running
from omc.sessions.checks import conditions, transcript_sentence
from omc.sessions.connection import Session, ensure_installed
from omc.sessions.document import preflight_document
from omc.sessions.doors import Place, choose_place, door_gateway, open_exec, service_of, transcript_of
from omc.sessions.model import Asked, Ended, Opened, is_guarded
from omc.sessions.model import Refused as StayedClosed
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.aws.gateway import Gateway
    from omc.sessions.records import Recorder

Command = TypeVar("Command", bound=Callable[..., Any])
AFTER_DASHES = "omc.after_dashes"


class DashedCommand(click.Command):
    """A command whose words after ``--`` are another program's, and none of its own arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own, words = args, tuple[str, ...]()
        if "--" in args:
            at = args.index("--")
            own, words = args[:at], tuple(args[at + 1 :])
        ctx.meta[AFTER_DASHES] = words
        return super().parse_args(ctx, own)


def door_options(command: Command) -> Command:
    """What every door takes."""
    for option in (
        click.option("--reason", default="", help="Why. Recorded; production needs it, and its channel is told."),
        click.option("--container", default="", help="In which container.  [default: the service's own]"),
        click.option("--task", default="", help="In which task, by how its id begins.  [default: a healthy one]"),
        environment_option,
    ):
        command = option(command)
    return command


@click.command(name="exec", cls=DashedCommand)
@door_options
@click.option("--check", is_flag=True, help="Only look: what opens the door and what closes it.")
@click.option("--no-tty", "-T", is_flag=True, help="Give the command pipes, also where this is a terminal.")
@click.option("--bare", is_flag=True, help="Send the command as it is, without the shell that tells its exit code.")
@OUTPUT
@click.argument("service", default="")
@click.pass_context
def exec_(
    context: click.Context,
    /,
    service: str,
    env: str | None,
    task: str,
    container: str,
    reason: str,
    output: str,
    *,
    check: bool,
    no_tty: bool,
    bare: bool,
) -> None:
    """Run a command in a running container, or a shell where none is given; ends with the command's exit code.

    SERVICE is the first of omc.toml where it is left out. Needs no plugin of AWS's. At a terminal the command has one
    too; in a pipe it gets what is piped in, and its output comes as it is, errors among it.

    AWS ends a session in which nothing has moved for 20 minutes, and that can't be changed.

    \b
    omc exec --env staging backend
    omc exec --env staging backend -- python -m backend.migrate --check
    cat rows.csv | omc exec --env staging backend -- wc -l
    omc exec --env production backend --reason "incident 12" -- printenv ENVIRONMENT
    omc exec --env staging --check
    """
    words: tuple[str, ...] = context.meta[AFTER_DASHES]
    stack, environment = _chosen(context, env, reason, wants_reason=not check)
    aws = door_gateway(environment)
    place = choose_place(aws, service_of(environment, service), task, container)
    if check:
        found = conditions(read_exec_access(aws, place.task, place.container))
        document = preflight_document(place.service, place.task.id, place.container, found)
        show(document, output)
        context.exit(document.data["exit_code"])
    manner = running.manner_of(words, no_terminal=no_tty, is_bare=bare)
    asked = Asked("exec", place.service, place.task.id, place.container, reason, " ".join(words))
    recorder = _begin(stack, environment, aws, asked)
    said = _announce(aws, place)

    def opened(session: Session) -> None:
        recorder.write(Opened(session.grant.session, said))

    began = time.monotonic()
    try:
        ending = running.run(words, manner, lambda line_, show_: open_exec(aws, place, line_, show_), opened)
    except OmcError as error:
        recorder.write(StayedClosed(error.message))
        raise
    except KeyboardInterrupt:
        recorder.write(Ended("given up"))
        raise
    took = time.monotonic() - began
    recorder.write(Ended(ending.reason or f"after {took:.0f} s", ending.exit_code))
    if ending.exit_code is None and ending.reason:
        raise Unknown(ending.reason)
    context.exit(ending.exit_code or 0)


def _chosen(
    context: click.Context, env: str | None, reason: str, *, wants_reason: bool = True
) -> tuple[Stack, Environment]:
    ensure_installed()
    stack = load(context.obj)
    environment = environment_of(stack, env)
    if wants_reason and is_guarded(environment) and not reason.strip():
        raise WrongUse(f"A door into {environment.name} needs a reason: --reason TEXT. It is recorded.")
    return stack, environment


def _begin(stack: Stack, environment: Environment, aws: Gateway, asked: Asked) -> Recorder:
    """Write down that a door is asked for, before it is."""
    from omc.sessions.records import new_recorder

    location = locate_store(stack, environment)
    refuse_fleeting_record(location, environment)
    recorder = new_recorder(stack, environment, location, actor_of(aws))
    recorder.write(replace(asked, reason=asked.reason.strip()))
    return recorder


def _announce(aws: Gateway, place: Place) -> str:
    """Say where the session is and whether it is recorded; gives the latter."""
    found = transcript_of(aws)
    if isinstance(found, Transcript):
        said = transcript_sentence(found)
    else:
        said = f"Whether a transcript is kept isn't known: {found.message}"
    echo(line(f"omc: {place.container} in task {place.task.id} of {place.service}. {said}"), err=True)
    return said


globals()["exec"] = exec_  # the name by which the table of commands finds it
