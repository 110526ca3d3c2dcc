"""``omc runs``: what was and is being changed; resuming, cancelling and undoing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from omc.aws.gateway import Gateway, access_to
from omc.cli.change import Shown, carry_out, change_options, follow
from omc.cli.completion import run_ids
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.cli.stores import environment_of_run, places_meant, store_of_run, store_where
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import Actor, actor_of
from omc.engine.transitions import State
from omc.errors import WrongUse
from omc.model.plan import from_json
from omc.output import echo, line
from omc.output.document import Section
from omc.procedures import catalogue
from omc.procedures.plan_document import plan_blocks
from omc.store.opened import Store

if TYPE_CHECKING:
    from omc.engine.heartbeats import RunStatus


@click.group(cls=PlainGroup)
def runs() -> None:
    """Every change, as a run: who, when, what, how it went; and the timers to come.

    \b
    omc runs list
    omc runs show 0vqk3m7x
    omc runs resume 0vqk3m7x
    """


@runs.command(name="list")
@environment_option
@click.option("--last", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs.")
@OUTPUT
@click.pass_context
def list_runs(context: click.Context, env: str | None, last: int, output: str) -> None:
    """The newest runs, and the timers that are to come.

    \b
    omc runs list
    omc runs list --env production --last 100 --output json
    """
    from sqlalchemy import select

    from omc.engine.heartbeats import living_workers, status_of
    from omc.engine.run_document import runs_document
    from omc.store import timers as timed
    from omc.store.database import open_store
    from omc.store.models import Run

    stack = load(context.obj)
    found: list[Run] = []
    heard: dict[str, RunStatus] = {}
    to_come = []
    workers = 0
    for place in places_meant(stack, env):
        with open_store(place) as store, store.reading() as session:
            query = select(Run).order_by(Run.created_at.desc()).limit(last)
            here = list(session.execute(query if env is None else query.where(Run.environment == env)).scalars())
            heard |= {run.id: status_of(run, store.now()) for run in here}
            found += here
            to_come += timed.pending(session, None if env is None else [env])
            workers += len(living_workers(session))
    found.sort(key=lambda run: run.created_at, reverse=True)
    to_come.sort(key=lambda timer: timer.due_at)
    show_document(runs_document(found[:last], to_come, stack.time_zone, heard, workers), output)


@runs.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@environment_option
@click.option("--full", is_flag=True, help="Show in full every value that the plan changes.")
@OUTPUT
@click.pass_context
def show(context: click.Context, run_id: str, env: str | None, full: bool, output: str) -> None:
    """One run: its plan, who approved it, each step with its times and evidence, the verdict.

    \b
    omc runs show 0vqk3m7x
    omc runs show 0vqk --output markdown
    """
    from omc.engine.heartbeats import status_of
    from omc.engine.run_document import run_document
    from omc.engine.run_history import run_details

    stack = load(context.obj)
    with store_of_run(stack, env, run_id) as (store, run):
        account = run_details(store, run.id)
        heard = status_of(account.run, store.now())
    document = run_document(account, stack.time_zone, heard)
    plan = Section("The plan was", plan_blocks(from_json(account.run.plan), (), full=full))
    show_document(replace(document, blocks=(*document.blocks, plan)), output)


@runs.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@environment_option
@click.option("--wait/--no-wait", default=True, help="Wait for approvals where they are missing.  [wait]")
@OUTPUT
@click.pass_context
def resume(context: click.Context, run_id: str, env: str | None, wait: bool, output: str) -> None:
    """Continue a run whose process is gone; one that is performed elsewhere is only watched.

    What was done is not done again. If its process may still be alive, the run is taken over once nothing has been
    heard of the process for six seconds.

    \b
    omc runs resume 0vqk3m7x
    """
    from omc.engine import planning

    stack = load(context.obj)
    with store_of_run(stack, env, run_id) as (store, run):
        if run.state == State.ENDED:
            raise WrongUse(f"The run {run.id} has ended ({run.verdict}). See: omc runs show {run.id}")
        site = planning.run_context(stack, environment_of_run(stack, run), store, catalogue)
        actor = actor_of(site.reads)
        context.exit(follow(site, run.id, actor.name, Shown(site, output), wait=wait))


@runs.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@environment_option
@click.option("--wait/--no-wait", default=True, help="Wait until it has ended.  [wait]")
@click.pass_context
def cancel(context: click.Context, run_id: str, env: str | None, wait: bool) -> None:
    """End a run before its next step, or a timer before it is due.

    omc stops waiting for a step that it only watches. A Terraform that is applying is told to stop, and omc waits
    while it finishes the calls under way, writes its state and releases its lock. What was done is undone, latest
    first, if the plan says so; what Terraform did stays.

    \b
    omc runs cancel 0vqk3m7x
    """
    from omc.engine import journal, planning
    from omc.store import timers
    from omc.store.ids import as_typed
    from omc.store.models import Timer

    stack = load(context.obj)

    def look(store: Store) -> tuple[str, str, bool]:
        with store.reading() as session:
            timer = session.get(Timer, as_typed(run_id))
            if timer is not None:
                return timer.id, timer.environment, True
            run = journal.find(session, run_id)
            return run.id, run.environment, False

    with store_where(stack, env, look) as (store, (found, name, is_timer)):
        environment = environment_of(stack, name)
        actor = _actor(environment)
        if is_timer:
            timer = timers.cancel(store, found, actor.name)
            echo(line(f"The timer {timer.id} is cancelled: {timer.why}"))
            return
        run = journal.cancel(store, found, actor.name)
        if run.state == State.ENDED or not wait:
            echo(f"{run.id}: {run.sentence}" if run.state == State.ENDED else f"{run.id} ends as soon as it can.")
            return
        site = planning.run_context(stack, environment_of_run(stack, run), store, catalogue)
        code = follow(site, run.id, actor.name, Shown(site, "table"), wait=False)
        if code not in (4, 7):
            raise WrongUse(f"The run {run.id} had ended before it could be cancelled. See: omc runs show {run.id}")


@runs.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@change_options
@click.pass_context
def undo(context: click.Context, /, run_id: str, **how: Any) -> None:
    """Undo a run that has ended, in a run of its own: its steps' undos, the latest first.

    Needs the same approvals as the run that it undoes.

    \b
    omc runs undo 0vqk3m7x --dry-run
    omc runs undo 0vqk3m7x
    """
    from omc.engine.journal import UNDO
    from omc.engine.undoing import UndoRequest

    stack = load(context.obj)
    with store_of_run(stack, how["env"], run_id) as (_, run):
        found, environment = run.id, run.environment
    context.exit(carry_out(context, UNDO, UndoRequest(found), **{**how, "env": environment}))


def _environment(stack: Stack, name: str) -> Environment:
    return environment_of(stack, name)


def _actor(environment: Environment) -> Actor:
    return actor_of(Gateway(environment, access_to(environment)))
