"""``omc maintenance``: a maintenance from its plan to its end. The window's calendar has a file of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.change import carry_out, change_options, override_option
from omc.cli.options import Moment, RecordGroup
from omc.cli.show import environment_and_output, show
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import Actor, actor_of, actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.errors import OmcError, WrongUse
from omc.interrupts import reraise_interrupts
from omc.maintenance.command_calendar import show_calendar
from omc.maintenance.document import maintenance_document, maintenances_document, with_environment
from omc.maintenance.model import Maintenance, replay
from omc.maintenance.plan import AwaitPerson, Decision, Over, Wait, decide
from omc.output import echo, line
from omc.procedures import catalogue
from omc.progress import Progress
from omc.store.location import locate_store

if TYPE_CHECKING:
    from omc.maintenance.desk import Desk
    from omc.store.opened import Store

POLL_INTERVAL = 1.0
"""Seconds between two looks where nothing can be done now."""
INTERRUPTED, WAITS = 130, 6
NUMBER = click.argument("number", type=click.IntRange(1, 2**31 - 1), metavar="NUMBER")


@click.group(cls=RecordGroup)
def maintenance() -> None:
    """Maintenance: when its windows are, what AWS plans, and the run over the runbook's checklists.

    What it does stands in a small file. Its plan is approved as any change is; from `start` on whichever process is
    alive goes on with it, `omc worker` too.

    \b
    omc maintenance calendar --env production
    omc maintenance plan upgrade.toml --env production
    omc maintenance start 3 --env production
    omc maintenance status 3 --env production
    omc maintenance abort 3 --env production --reason "users can't log in"
    """


maintenance.add_command(show_calendar)


@maintenance.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--title", help="What it is for, in place of a file.")
@click.option(
    "--step",
    "steps",
    multiple=True,
    metavar="PROCEDURE[=JSON]",
    help='A step, in place of a file: restart=\'{"services": ["backend"]}\'. May be repeated.',
)
@click.option("--begin", type=Moment(), metavar="TIME", help="When it begins.  [the window that is open, or the next]")
@click.option("--end", type=Moment(), metavar="TIME", help="When it ends.  [the window's end]")
@override_option
@change_options
@click.pass_context
def plan(
    context: click.Context,
    /,
    file: Path | None,
    title: str | None,
    steps: Sequence[str],
    begin: datetime | None,
    end: datetime | None,
    override: str,
    **how: Any,
) -> None:
    """Plan a maintenance from FILE and have it approved: its window, each step with its risk, interruption and undo.

    Approving it approves each of its steps and their undo. A step is planned again from fresh facts when it begins; one
    that would then do something else, or at a greater risk, is not begun.

    \b
    title = "Restart the backend with its new secret"
    watch_minutes = 60
    silence = [["service=backend"]]
    [[step]]
    procedure = "restart"
    request = { services = ["backend"] }
    [[step]]
    manual = "See that a customer can log in"
    undo = "nothing to undo"

    \b
    omc maintenance plan restart.toml --env production --dry-run
    omc maintenance plan restart.toml --env production
    omc maintenance plan --title "Restart" --step 'restart={"services": ["backend"]}' --env staging
    """
    from omc.engine import planning
    from omc.maintenance.definition import from_options, read_file, request_of, time_of
    from omc.store.database import open_store

    if (file is None) == (title is None or not steps):
        raise WrongUse("Name a file, or give --title and at least one --step.")
    written = read_file(file) if file is not None else from_options(str(title), steps)
    stack = load(context.obj)
    environment = environment_of(stack, how["env"])
    now = datetime.now(UTC)
    first, last = time_of(written, environment, now)
    if begin is not None:
        first, last = time_of(written.at(begin, end), environment, now)
    with open_store(locate_store(stack, environment)) as store:
        site = planning.run_context(stack, environment, store, catalogue)
        request, notes = request_of(site, written, first, end or last, override.strip())
    for note in notes:
        echo(line(note), err=True)
    context.exit(carry_out(context, "maintenance", request, **how))


@maintenance.command()
@NUMBER
@click.option("--resume", is_flag=True, help="Go on with one that was started, or that has stopped.")
@click.option("--reason", default="", metavar="TEXT", help="Why one that has stopped may go on; recorded.")
@click.option("--override", default="", metavar="WHY", help="With --resume: past what the next step is refused for.")
@click.option("--wait/--no-wait", default=True, help="Wait here for people and for the window.  [wait]")
@environment_and_output
def start(
    context: click.Context,
    number: int,
    resume: bool,
    reason: str,
    override: str,
    wait: bool,
    env: str | None,
    output: str,
) -> None:
    """Prepare a maintenance and perform it, until it is over or needs a person.

    The checklist before it is done first: the team is told, the database backed up and the backup verified, the way
    back looked at, staging's record too. When the window is open the figures of the hour before are recorded, and the
    steps follow one at a time; after each the figures are compared, and where they are worse it stops. Killed or
    interrupted it stays where it is: a worker goes on with it, or --resume.

    \b
    Exit codes: 0 succeeded, 1 stopped or refused, 2 wrong use, 4 aborted, 6 waits for a person or for its window.

    \b
    omc maintenance start 3 --env production
    omc maintenance start 3 --env production --resume --reason "the alarm was about something else"
    """
    with _desk(context, env, number, certain=True) as opened:
        if resume:
            opened.desk.resume(reason, override)
        else:
            opened.desk.start()
        context.exit(_perform(opened, number, output, wait=wait))


@maintenance.command()
@click.argument("number", type=click.IntRange(1, 2**31 - 1), metavar="[NUMBER]", required=False)
@environment_and_output
def status(context: click.Context, number: int | None, env: str | None, output: str) -> None:
    """A maintenance: its checklist with the evidence, its steps, what happened, what comes next. Without NUMBER: all.

    \b
    omc maintenance status --env production
    omc maintenance status 3 --env production
    """
    from omc.maintenance.records import of_environment
    from omc.store.database import open_store

    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    if not place.exists:
        if number is not None:
            raise WrongUse(f"{environment.name} has no maintenance {number}: there is no record of it yet.")
        show(maintenances_document((), environment.name, environment.time_zone), output)
        return
    with open_store(place) as store:
        if number is None:
            found = of_environment(store, environment.name)
            show(maintenances_document(found, environment.name, environment.time_zone), output)
        else:
            _show(stack, store, environment, number, output)


@maintenance.command()
@NUMBER
@click.argument("what", metavar="ITEM|STEP")
@click.option("--evidence", required=True, metavar="TEXT", help="What shows it: where you looked, who said so.")
@environment_and_output
def sign(context: click.Context, number: int, what: str, evidence: str, env: str | None, output: str) -> None:
    """Answer for an item of the checklist, or for a step that a person does.

    An item that omc was to do is then an exception, and shown as one.

    \b
    omc maintenance sign 3 backup --evidence "snapshot before-3 restored by hand, counts compared" --env production
    omc maintenance sign 3 2 --evidence "logged in as customer 17" --env production
    """
    with _desk(context, env, number) as opened:
        opened.desk.sign(what, evidence)
        _show(opened.stack, opened.store, opened.environment, number, output)


@maintenance.command()
@NUMBER
@click.argument("text")
@environment_and_output
def note(context: click.Context, number: int, text: str, env: str | None, output: str) -> None:
    """Write a line into the timeline: what was seen, what was odd.

    \b
    omc maintenance note 3 "the backend logged two reconnects" --env production
    """
    with _desk(context, env, number) as opened:
        opened.desk.note(text)
        _show(opened.stack, opened.store, opened.environment, number, output)


@maintenance.command()
@NUMBER
@click.option("--reason", required=True, metavar="TEXT", help="Why; the channel is told.")
@click.option("--wait/--no-wait", default=True, help="Take it back here, or leave that to a worker.  [wait]")
@environment_and_output
def abort(context: click.Context, number: int, reason: str, wait: bool, env: str | None, output: str) -> None:
    """Take back what was done, the latest step first, each by its own undo; then end the silences.

    What can't be undone is left in place, and said. A maintenance that wasn't started is called off.

    \b
    Exit codes: 2 wrong use, 4 aborted, 6 not undone yet.

    \b
    omc maintenance abort 3 --reason "users can't log in" --env production
    """
    with _desk(context, env, number, certain=True) as opened:
        opened.desk.abort(reason)
        if not wait:
            _show(opened.stack, opened.store, opened.environment, number, output)
            context.exit(WAITS)
        context.exit(_perform(opened, number, output, wait=True))


@maintenance.command()
@NUMBER
@click.option("--runbook", default="", metavar="TEXT", help="What is to change in the runbook.")
@click.option("--runbook-is-right", is_flag=True, help="Nothing is to change in it.")
@environment_and_output
def finish(
    context: click.Context, number: int, runbook: str, runbook_is_right: bool, env: str | None, output: str
) -> None:
    """End a maintenance whose watch is over: say what is to change in the runbook.

    \b
    omc maintenance finish 3 --runbook-is-right --env production
    omc maintenance finish 3 --runbook "the restart takes 4 min, not 2" --env production
    """
    if bool(runbook.strip()) == runbook_is_right:
        raise WrongUse("Say what is to change in the runbook, or that nothing is: --runbook TEXT or --runbook-is-right")
    with _desk(context, env, number) as opened:
        opened.desk.finish(runbook if runbook.strip() else "Nothing is to change in it.")
        context.exit(_perform(opened, number, output, wait=True))


@dataclass(frozen=True, slots=True)
class Opened:
    """The store while it is open, and who is at it."""

    stack: Stack
    environment: Environment
    store: Store
    actor: Actor
    desk: Desk


@contextmanager
def _desk(context: click.Context, env: str | None, number: int, *, certain: bool = False) -> Iterator[Opened]:
    from omc.maintenance.desk import Desk
    from omc.store.database import open_store

    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    actor = actor_of(Gateway(environment, access_to(environment))) if certain else actor_or_user(environment)
    with open_store(place) as store:
        desk = Desk(store, stack, environment.name, number, actor.name, actor.link)
        yield Opened(stack, environment, store, actor, desk)


def _perform(opened: Opened, number: int, output: str, *, wait: bool) -> int:
    """Go on with it until it is over, or needs somebody; the exit code."""
    from omc.engine import planning
    from omc.maintenance.run import Performer

    progress = Progress()
    site = planning.run_context(opened.stack, opened.environment, opened.store, catalogue)
    performer = Performer(site, number, opened.actor, progress)
    try:
        with reraise_interrupts():
            decision = _until_idle(performer.work, progress, opened.environment.name, wait=wait)
    except KeyboardInterrupt:
        progress.note(
            f"Interrupted. The maintenance stays where it is. To go on: omc maintenance start {number} --resume --env "
            f"{opened.environment.name}, or omc worker --env {opened.environment.name}"
        )
        return INTERRUPTED
    found = _show(opened.stack, opened.store, opened.environment, number, output)
    if isinstance(decision, Over):
        return {"succeeded": 0}.get(found.verdict, 4)
    stopped = isinstance(decision, AwaitPerson) and decision.is_stopped
    return OmcError.exit_code if stopped else WAITS


def _until_idle(work: Callable[[], Decision], progress: Progress, environment: str, *, wait: bool) -> Decision:

    noted = ""
    while True:
        decision = work()
        if isinstance(decision, Over) or (isinstance(decision, AwaitPerson) and decision.is_stopped):
            return decision
        if isinstance(decision, AwaitPerson):
            if noted != decision.why:
                progress.note(f"{decision.why.rstrip('.')}. To go on: {with_environment(decision.do, environment)}")
                noted = decision.why
            if not wait:
                return decision
        elif isinstance(decision, Wait):
            left = decision.until - datetime.now(UTC)
            if not wait and left.total_seconds() > MAX_PAUSE:
                return decision
            progress.waiting(decision.why)
        time.sleep(POLL_INTERVAL)


MAX_PAUSE = 300.0
"""Seconds that are waited for also with --no-wait: figures come in, a message is sent."""


def _show(stack: Stack, store: Store, environment: Environment, number: int, output: str) -> Maintenance:
    from omc.maintenance.records import events_of
    from omc.maintenance.run import settle_of

    with store.reading() as session:
        events = events_of(session, environment.name, number)
    found = replay(environment.name, number, events)
    following = decide(found, store.now(), settle_of(stack, environment))
    show(maintenance_document(found, events, following, environment.time_zone), output)
    return found
