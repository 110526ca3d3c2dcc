"""``omc exec``, ``omc db``, ``omc redis``, ``omc forward``: the operator's doors."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from omc.cli.change import carry_out
from omc.cli.completion import service_names
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, Stack, environment_of, load
from omc.config.stores import cache_name
from omc.engine.actors import actor_of
from omc.engine.github import refuse_fleeting_record
from omc.errors import OmcError, Unknown, WrongUse
from omc.facts.exec_access import Transcript, exec_tasks, read_exec_access
from omc.model.requests import RunTaskRequest
from omc.output import echo, line
from omc.sessions import cache, database, running
from omc.sessions.checks import conditions, transcript_sentence
from omc.sessions.connection import Session, ensure_installed
from omc.sessions.data import cache_connection, database_target, leads_of
from omc.sessions.document import doors_document, preflight_document
from omc.sessions.doors import (
    CREDENTIALS,
    Doorway,
    choose_place,
    door_gateway,
    open_exec,
    open_tunnel,
    service_of,
    transcript_of,
)
from omc.sessions.forwarding import Forward, Lead
from omc.sessions.model import DoorRecord, DoorRequest, Ended, Opened
from omc.sessions.model import Refused as StayedClosed
from omc.sessions.places import Wanted, wanted_of
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.aws.gateway import Gateway
    from omc.sessions.records import Recorder

Command = TypeVar("Command", bound=Callable[..., Any])
AFTER_DASHES = "omc.after_dashes"
NO_TRANSCRIPT = "No transcript is kept of what goes through a tunnel."


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
@click.option("--detach", is_flag=True, help="Run it in a task of its own, as a run: for what takes long.")
@click.option("--yes", is_flag=True, help="With --detach: answer the question with yes.")
@click.option("--confirm", metavar="ENV", help="With --detach: the environment's name, so that it needn't be typed.")
@OUTPUT
@click.argument("service", default="", shell_complete=service_names)
@click.pass_context
def exec_(
    context: click.Context,
    /,
    service: str,
    env: str | None,
    reason: str,
    output: str,
    confirm: str | None,
    *,
    detach: bool,
    yes: bool,
    **how: Any,
) -> None:
    """Run a command in a running container, or a shell where none is given; ends with the command's exit code.

    SERVICE is the first of omc.toml where it is left out. Needs no plugin of AWS's. At a terminal the command has one
    too; in a pipe it gets what is piped in, and its output comes as it is, errors among it.

    AWS ends a session in which nothing has moved for 20 minutes, and that can't be changed. With --detach the command
    runs in a task of its own, with the service's revision, and its output is in the service's log.

    \b
    omc exec --env staging backend
    omc exec --env staging backend -- python -m backend.migrate --check
    cat rows.csv | omc exec --env staging backend -- wc -l
    omc exec --env production backend --reason "incident 12" -- printenv ENVIRONMENT
    omc exec --env staging --check
    omc exec --env staging --detach backend -- python -m backend.reindex
    """
    words: tuple[str, ...] = context.meta[AFTER_DASHES]
    if detach:
        stack = load(context.obj)
        environment = environment_of(stack, env)
        _want_reason(environment, reason)
        request = RunTaskRequest(service_of(environment, service).name, words, reason.strip())
        with _recorded_run(stack, environment, request) as ended:
            code = carry_out(context, "run-task", request, env=env, yes=yes, confirm=confirm, output=output)
            ended(code)
        context.exit(code)
    context.exit(_in_container(context, words, service, env, reason, output, **how))


@contextmanager
def _recorded_run(stack: Stack, environment: Environment, request: RunTaskRequest) -> Iterator[Callable[[int], None]]:
    """A command in a task of its own is a door like others: recorded, and told where doors are guarded. The record is
    closed while the run is performed, which opens it itself."""
    from omc.store.database import open_store

    service = service_of(environment, request.service)
    door = DoorRequest("exec --detach", service.name, "its own", service.container, request.reason)
    with _recording(
        stack, environment, door_gateway(environment), replace(door, what=" ".join(request.command))
    ) as recorder:
        pass

    def write(payload: Ended | StayedClosed) -> None:
        with open_store(locate_store(stack, environment)) as store:
            replace(recorder, store=store).write(payload)

    def ended(code: int) -> None:
        how = "the run succeeded" if code == 0 else "omc runs list tells what became of the run"
        write(Ended(how, code))

    try:
        yield ended
    except OmcError as error:
        write(StayedClosed(error.message))
        raise


def _in_container(
    context: click.Context,
    words: tuple[str, ...],
    service: str,
    env: str | None,
    reason: str,
    output: str,
    *,
    task: str,
    container: str,
    check: bool,
    no_tty: bool,
    bare: bool,
) -> int:
    """The exit code."""
    stack, environment = _chosen(context, env, reason, wants_reason=not check)
    aws = door_gateway(environment)
    place = choose_place(aws, service_of(environment, service), task, container)
    if check:
        found = conditions(read_exec_access(aws, place.task, place.container))
        document = preflight_document(place.service, place.task.id, place.container, found)
        show(document, output)
        return int(document.data["exit_code"])
    manner = running.manner_of(words, no_terminal=no_tty, is_bare=bare)
    request = DoorRequest("exec", place.service, place.task.id, place.container, reason, " ".join(words))
    with _recording(stack, environment, aws, request) as recorder:
        ending = _run(recorder, aws, place, words, manner)
    if ending.exit_code is None and ending.reason:
        raise Unknown(ending.reason)
    return ending.exit_code or 0


def _run(
    recorder: Recorder, aws: Gateway, place: Doorway, words: tuple[str, ...], manner: running.Manner
) -> running.Ending:
    """Run a command to its end, and write down what became of it."""
    message = _announce(aws, place)
    began = time.monotonic()
    try:
        ending = running.run(
            words,
            manner,
            lambda text, show_: open_exec(aws, place, text, show_),
            lambda session: recorder.write(Opened(session.grant.session, message)),
        )
    except OmcError as error:
        recorder.write(StayedClosed(error.message))
        raise
    except KeyboardInterrupt:
        recorder.write(Ended("given up"))
        raise
    recorder.write(Ended(ending.reason or f"after {time.monotonic() - began:.0f} s", ending.exit_code))
    return ending


def _chosen(
    context: click.Context, env: str | None, reason: str, *, wants_reason: bool = True
) -> tuple[Stack, Environment]:
    ensure_installed()
    stack = load(context.obj)
    environment = environment_of(stack, env)
    if wants_reason:
        _want_reason(environment, reason)
    return stack, environment


def _want_reason(environment: Environment, reason: str) -> None:
    if environment.is_guarded and not reason.strip():
        raise WrongUse(f"A door into {environment.name} needs a reason: --reason TEXT. It is recorded.")


@contextmanager
def _recording(stack: Stack, environment: Environment, aws: Gateway, request: DoorRequest) -> Iterator[Recorder]:
    """The record of a door, begun before the door is asked for."""
    from omc.sessions.records import recording

    location = locate_store(stack, environment)
    refuse_fleeting_record(location, environment)
    with recording(
        stack, environment, location, actor_of(aws), replace(request, reason=request.reason.strip())
    ) as recorder:
        yield recorder


def _announce(aws: Gateway, place: Doorway) -> str:
    """Say where the session is and whether it is recorded; gives the latter."""
    found = transcript_of(aws, place.service)
    if isinstance(found, Transcript):
        message = transcript_sentence(found)
    else:
        message = f"Whether a transcript is kept isn't known: {found.message}"
    echo(line(f"omc: {place.container} in task {place.task.id} of {place.service}. {message}"), err=True)
    return message


@click.command(cls=DashedCommand)
@door_options
@click.option("--service", default="", help="Through whose task.  [default: the first service]")
@click.option("--write", is_flag=True, help="Statements may change something; production asks for its name.")
@click.option("--confirm", metavar="ENV", help="The environment's name, so that it needn't be typed when asked.")
@click.pass_context
def db(
    context: click.Context,
    /,
    env: str | None,
    task: str,
    container: str,
    reason: str,
    service: str,
    confirm: str | None,
    *,
    write: bool,
) -> None:
    """SQL in the environment's database, through a running task; psql where it is on PATH, else a client of omc's.

    What follows ``--`` is SQL, or psql's own arguments. The session reads only, a statement and an idle session have an
    end (`[doors]` of omc.toml), and the certificate is verified. With --write it may change something.

    \b
    omc db --env staging -- "SELECT count(*) FROM prices"
    omc db --env production --reason "incident 12"
    omc db --env staging --write -- -f repair.sql
    """
    words: tuple[str, ...] = context.meta[AFTER_DASHES]
    stack, environment = _chosen(context, env, reason)
    if write:
        _confirm(environment, confirm)
    aws = door_gateway(environment, CREDENTIALS)
    place = choose_place(aws, service_of(environment, service), task, container)
    request = DoorRequest("db", "database", place.task.id, place.container, reason, writes=write)
    with _leading(stack, environment, aws, place, request, [Wanted("database")]) as forwards:
        target = database_target(aws, place, forwards[0].port, writes=write)
        _say(f"{target.name} as {target.user}, {'writing' if write else 'reading only'}, through task {place.task.id}.")
        context.exit(database.run_psql(target, words, database.environment_of_process()))


@click.command(cls=DashedCommand)
@door_options
@click.option("--service", default="", help="Through whose task.  [default: the first service]")
@click.option("--write", is_flag=True, help="Send commands that don't only read, too; production asks for its name.")
@click.option("--confirm", metavar="ENV", help="The environment's name, so that it needn't be typed when asked.")
@click.pass_context
def redis(
    context: click.Context,
    /,
    env: str | None,
    task: str,
    container: str,
    reason: str,
    service: str,
    confirm: str | None,
    *,
    write: bool,
) -> None:
    """Commands in the environment's cache, through a running task, over TLS where the cache has it.

    What follows ``--`` is one command. Commands that write, that delete or that hold up the server (KEYS, FLUSHALL …)
    are refused without --write.

    \b
    omc redis --env staging -- PING
    omc redis --env staging -- SCAN 0 MATCH "prices:*" COUNT 100
    omc redis --env production --reason "incident 12"
    """
    words: tuple[str, ...] = context.meta[AFTER_DASHES]
    if words and not write:
        cache.refuse_unread(words)
    stack, environment = _chosen(context, env, reason)
    if write:
        _confirm(environment, confirm)
    aws = door_gateway(environment, CREDENTIALS)
    place = choose_place(aws, service_of(environment, service), task, container)
    request = DoorRequest("redis", "cache", place.task.id, place.container, reason, writes=write)
    with _leading(stack, environment, aws, place, request, [Wanted("cache")]) as forwards:
        connection = cache_connection(aws, place, forwards[0].port)
        _say(f"{cache_name(environment)}, {'writing' if write else 'reading only'}, through task {place.task.id}.")
        try:
            context.exit(cache.run(connection, words, writes=write, name=cache_name(environment)))
        finally:
            connection.close()


@click.command()
@door_options
@click.argument("places", nargs=-1, metavar="PLACE [LOCAL:]PORT …")
@click.pass_context
def forward(
    context: click.Context,
    /,
    places: tuple[str, ...],
    env: str | None,
    task: str,
    container: str,
    reason: str,
) -> None:
    """Ports of this machine that lead to the database, the cache or a service, until Ctrl-C.

    PLACE is ``database``, ``cache`` or a service; several may follow each other. Each has ports after it: ``5432``,
    ``15432:5432``; ``database`` and ``cache`` know their own. They listen on 127.0.0.1 alone. A session that ends is
    opened again by the next connection.

    \b
    omc forward --env staging database 15432:5432 cache 16379:6379
    omc forward --env staging backend 8000
    omc forward --env production database --reason "incident 12"
    """
    stack, environment = _chosen(context, env, reason)
    wanted = wanted_of(places, [each.name for each in environment.services])
    names = [each.name for each in environment.services if each.name in {one.place for one in wanted}]
    aws = door_gateway(environment)
    place = choose_place(aws, service_of(environment, names[0] if len(set(names)) == 1 else ""), task, container)
    what = " ".join(f"{one.place} {one.local or ''}:{one.port or ''}" for one in wanted)
    led_to = " ".join(dict.fromkeys(one.place for one in wanted))
    request = DoorRequest("forward", led_to, place.task.id, place.container, reason, what)
    with _leading(stack, environment, aws, place, request, wanted) as forwards:
        for each in forwards:
            where = f"{each.lead.host}:{each.lead.port}" if each.lead.host else f"port {each.lead.port} of the task"
            _say(f"127.0.0.1:{each.port} leads to {each.lead.name} ({where}) through task {place.task.id}.")
        _say("Ctrl-C ends it.")
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # both end it in order
        threading.Event().wait()


@contextmanager
def _leading(
    stack: Stack,
    environment: Environment,
    aws: Gateway,
    place: Doorway,
    request: DoorRequest,
    wanted: Sequence[Wanted],
) -> Iterator[list[Forward]]:
    """Local ports that lead to these places while the block lasts, and their record."""
    every = leads_of(aws, environment, place, wanted)
    forwards: list[Forward] = []
    with _recording(stack, environment, aws, request) as recorder:

        def open_(lead: Lead, at: Doorway) -> Callable[[Callable[[bytes], None]], Session]:
            def opened(on_data: Callable[[bytes], None]) -> Session:
                session = open_tunnel(aws, _current(aws, environment, at), lead.host, lead.port, on_data)
                recorder.write(Opened(session.grant.session, NO_TRANSCRIPT))
                return session

            return opened

        began, how, code = time.monotonic(), "failed", None
        try:
            for lead, at in every:
                forwards.append(_forwarded(recorder, lead, open_(lead, at)))
            yield forwards
            how = "done"
        except KeyboardInterrupt:
            how = "ended by Ctrl-C"
            raise
        except click.exceptions.Exit as leaving:
            code = leaving.exit_code
            how = "failed" if code else "done"
            raise
        finally:
            for each in forwards:
                each.close()
            if forwards:
                recorder.write(Ended(f"{how}, after {time.monotonic() - began:.0f} s", code))


def _forwarded(recorder: Recorder, lead: Lead, open_: Callable[[Callable[[bytes], None]], Session]) -> Forward:
    try:
        return Forward(lead, open_, _say)
    except OmcError as error:
        recorder.write(StayedClosed(error.message))
        raise


def _current(aws: Gateway, environment: Environment, place: Doorway) -> Doorway:
    """The same place, or another task of the same service where that one has gone."""
    found = choose_place(aws, service_of(environment, place.service))
    if any(each.id == place.task.id and each.status == "RUNNING" for each in exec_tasks(aws, place.service)):
        return place
    return found


def _confirm(environment: Environment, confirm: str | None) -> None:
    """Where it is asked for: the environment's name, typed."""
    if not environment.is_guarded:
        return
    if confirm is None:
        if not sys.stdin.isatty():
            raise WrongUse(f"Writing in {environment.name} needs its name too: --confirm {environment.name}")
        words = f"Type the environment's name ({environment.name}) to be able to write there"
        confirm = str(click.prompt(line(words), err=True)).strip()
    if confirm != environment.name:
        raise WrongUse(f'"{confirm}" is not the environment that would be written to, {environment.name}.')


def _say(sentence: str) -> None:
    echo(line(f"omc: {sentence}"), err=True)


@click.command()
@environment_option
@OUTPUT
@click.option("--most", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many, newest first.")
@click.pass_context
def doors(context: click.Context, env: str | None, output: str, most: int) -> None:
    """Who opened which door, when, why, and how it ended: exec (also with --detach), db, redis and forward.

    \b
    omc doors --env production
    """
    from omc.sessions.records import doors_of
    from omc.store.database import open_store

    stack = load(context.obj)
    environment = environment_of(stack, env)
    location = locate_store(stack, environment)
    found: list[DoorRecord] = []
    if location.exists:
        with open_store(location) as store:
            found = doors_of(store, environment.name)[:most]
    show(doors_document(found, environment.time_zone), output)


globals()["exec"] = exec_  # the name by which the table of commands finds it
