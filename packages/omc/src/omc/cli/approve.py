"""``omc approve``: one person's yes to one plan."""

from __future__ import annotations

import sys

import click

from omc.api_client import documents as through
from omc.api_client.http import Server, configured, segment
from omc.aws.gateway import Gateway, access_to
from omc.cli.completion import run_ids
from omc.cli.options import INCIDENT_NUMBER, environment_option
from omc.cli.show import show
from omc.cli.stores import environment_of_run, store_of_run
from omc.config import environment_of, load
from omc.engine.actors import actor_of
from omc.engine.transitions import State
from omc.errors import WrongUse
from omc.model.plan import from_json
from omc.output import echo, line
from omc.output.text import counted
from omc.procedures.plan_document import plan_document


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=run_ids)
@environment_option
@click.option(
    "--plan", "plan_hash", metavar="HASH", help="The hash of the plan that you looked at; any other is refused."
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--full", is_flag=True, help="Show in full every value that the plan changes.")
@click.option("--break-glass", metavar="REASON", help="In an open SEV-1: go ahead without the approvals.")
@click.option("--incident", type=INCIDENT_NUMBER, metavar="NUMBER", help="The open SEV-1, with --break-glass.")
@click.pass_context
def approve(
    context: click.Context,
    run_id: str,
    env: str | None,
    plan_hash: str | None,
    yes: bool,
    full: bool,
    break_glass: str | None,
    incident: int | None,
) -> None:
    """Approve the plan of a run that waits for it.

    An approval is for exactly this plan, expires, and can't be given by whoever asked for the change. omc.toml says how
    many are needed. A command that waits for it continues by itself; `omc worker` performs a run that no command waits
    for.

    \b
    omc approve 0vqk3m7x
    omc approve 0vqk3m7x --plan 3f8a91c2
    omc approve 0vqk3m7x --break-glass "users can't log in; nobody else is awake" --incident 42
    """
    from omc.engine import approvals
    from omc.engine.heartbeats import living_workers

    if (break_glass is None) != (incident is None):
        raise WrongUse(
            "--break-glass and --incident NUMBER must be given together. The open incidents: omc incident list"
        )
    stack = load(context.obj)
    if (server := configured()) is not None:
        name = environment_of(stack, env).name
        glass_body = None if break_glass is None else {"reason": break_glass, "incident": incident}
        echo(line(_through_server(server, name, run_id, plan_hash, glass_body, yes=yes)))
        return
    with store_of_run(stack, env, run_id) as (store, found):
        run = found
        environment = environment_of_run(stack, run)
        actor = actor_of(Gateway(environment, access_to(environment)))
        if run.state == State.AWAITING and sys.stdin.isatty() and not yes:
            plan = from_json(run.plan)
            show(plan_document(plan, (), environment, full=full), "table", page=True)
            echo()
            click.confirm(
                line(f"Approve {run.id}, asked for by {run.actor_known or run.actor}, as {actor.words}?"),
                abort=True,
                err=True,
            )
        glass = None
        if break_glass is not None and incident is not None:
            glass = approvals.BreakGlass(break_glass, incident)
        run = approvals.approve(store, run.id, actor, environment.approvals, break_glass=glass, plan_hash=plan_hash)
        with store.reading() as session:
            current = approvals.valid_approvals(session, run, store.now())
            working = bool(living_workers(session))
    if glass:
        message = (
            f"BREAK-GLASS: {actor.words} let {run.id} go ahead without its {counted(run.approvals_needed, 'approval')}"
        )
        echo(line(f"{message} in incident {glass.incident}. This is in the record."), err=True)
    if run.state == State.AWAITING:
        echo(line(f"{run.id}: approved by {actor.words}. {approvals.in_words(run, current)}"))
        return
    more = (
        "A worker performs it."
        if working
        else (f"A command that waits for it continues; otherwise: omc runs resume {run.id}")
    )
    by = ", ".join(each.known or each.by for each in current)
    echo(line(f"{run.id} may begin: approved by {by}. {more}"))


def _through_server(
    server: Server, environment: str, run_id: str, plan_hash: str | None, glass: object, *, yes: bool
) -> str:
    """By whoever the token in OMC_TOKEN is; what came of it, in a sentence. What is approved is the plan that was read
    here, or the one whose hash was given."""
    path = f"/v1/environments/{environment}/runs/{segment(run_id)}"
    found = through.read(server, path)
    if sys.stdin.isatty() and not yes:
        show(found, "table", page=True)
        echo()
        click.confirm(line(f"Approve {run_id}?"), abort=True, err=True)
    try:
        wanted = plan_hash or found.data["plan"]["hash"]
        run = through.ask(server, f"{path}/approve", {"plan": wanted, "break_glass": glass}).data
        by = ", ".join(each["known"] or each["by"] for each in run["approvals"])
        if run["state"] == State.AWAITING:
            return f"{run_id}: approved by {by}; it needs {run['approvals_needed']}."
    except (KeyError, TypeError) as error:
        raise server.strange() from error
    return f"{run_id} may begin: approved by {by}."
