"""The one way in which every changing command works: plan, show, ask, approve, perform, say how it ended.

A command gives its procedure's request and passes on what ``change_options`` collected::

    @click.command()
    @change_options
    @click.argument("service")
    @click.pass_context
    def restart(context: click.Context, service: str, **how: Any) -> None:
        context.exit(carry_out(context, "restart", RestartRequest(service), **how))
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from omc.cli.options import environment_option
from omc.cli.show import show
from omc.errors import NothingToDo, OmcError, Refused, WrongUse
from omc.output import echo, line, to_json
from omc.progress import Progress

if TYPE_CHECKING:
    from omc.config import Environment
    from omc.engine.github import ExternalApproval
    from omc.engine.planning import RunContext
    from omc.model.plan import Plan
    from omc.store.location import StoreLocation

Command = TypeVar("Command", bound=Callable[..., Any])
INTERRUPTED = 130


def change_options(command: Command) -> Command:
    """The options of every command that changes something; they arrive as ``carry_out``'s keyword arguments."""
    for option in (
        click.option("--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True),
        click.option(
            "--wait/--no-wait",
            default=True,
            help="Wait for approvals here, or exit with code 6 and say what to type.  [wait]",
        ),
        click.option("--full", is_flag=True, help="Show in full every value that changes."),
        click.option(
            "--explain", is_flag=True, help="Also print what the plan rests on, and the same by hand, ready to paste."
        ),
        click.option(
            "--confirm", metavar="ENV", help="The environment's name, so that it needn't be typed when asked."
        ),
        click.option("--yes", is_flag=True, help="Answer the question with yes."),
        click.option("--dry-run", is_flag=True, help="Print the plan and end: nothing is changed."),
        environment_option,
    ):
        command = option(command)
    return command


def override_option(command: Command) -> Command:
    """``--override WHY``."""
    words = "Proceed past a refusal that allows it; the reason is recorded."
    return click.option("--override", default="", metavar="WHY", help=words)(command)


def carry_out(
    context: click.Context,
    procedure: str,
    request: Any,
    *,
    env: str | None,
    dry_run: bool = False,
    yes: bool = False,
    confirm: str | None = None,
    wait: bool = True,
    output: str = "table",
    full: bool = False,
    explain: bool = False,
    approved: Sequence[ExternalApproval] | None = None,
) -> int:
    """Make the plan of ``procedure`` for ``request`` and carry it out; returns the exit code.

    ``approved`` are approvals that were given elsewhere and are proven there
    (a GitHub environment's reviewers); they are recorded with their link. None: GitHub is asked here, in a GitHub job.
    Errors are ``OmcError``.
    """
    from omc.config import environment_of, load
    from omc.engine import planning
    from omc.engine.journal import ensure_no_active_run
    from omc.procedures import catalogue
    from omc.store.database import open_store
    from omc.store.location import locate_store

    stack = load(context.obj)
    environment = environment_of(stack, env)
    _require_right_name(environment, confirm)
    place = locate_store(stack, environment)
    if not dry_run and approved is None:
        approved = approved_elsewhere(place, environment)
    with open_store(place) as store:
        site = planning.run_context(stack, environment, store, catalogue)
        plan = planning.make(site, procedure, request)
        shown = Shown(site, output, full=full, explain=explain)
        shown.plan(plan)
        if plan.refusals:
            return shown.end(OmcError.exit_code)
        if dry_run:
            return shown.end(0)
        ensure_no_active_run(store, environment.name)  # said before anybody is asked anything
        ask(plan, environment, yes=yes, confirm=confirm)
        return execute(site, plan, shown, wait=wait, approved=approved or ())


def nothing_to_do(nothing: NothingToDo, output: str) -> int:
    """The end of a command that found everything as it was asked for: that is no failure."""
    document = {"plan": None, "run": None, "exit_code": 0, "sentence": nothing.message}
    echo(to_json(document) if output == "json" else line(nothing.message))
    return 0


def approved_elsewhere(place: StoreLocation, environment: Environment) -> Sequence[ExternalApproval]:
    """The reviews of this job on GitHub. Raises where a job of GitHub's may not change the environment: nobody reviewed
    it, or its record would go with it."""
    from omc.engine import github

    github.refuse_fleeting_record(place, environment)
    return github.reviews_needed(environment)


def execute(
    site: RunContext, plan: Plan, shown: Shown, *, wait: bool, approved: Sequence[ExternalApproval] = ()
) -> int:
    """Write the plan down as a run, and follow it to its end."""
    from omc.engine import following
    from omc.engine.actors import actor_of

    actor = actor_of(site.reads)
    run = following.start(site, plan, actor, shown.progress, approved)
    return follow(site, run.id, actor.name, shown, wait=wait)


def follow(site: RunContext, run_id: str, actor: str, shown: Shown, *, wait: bool) -> int:
    """Follow a run to its end, performing it where nobody else does, and show how it ended; returns the exit code.
    Ctrl-C leaves it to be resumed."""
    from omc.engine import following

    outcome = following.perform(site, run_id, actor, shown.progress, wait=wait)
    if isinstance(outcome, following.Stale):
        shown.stale(run_id, outcome.sentence, outcome.plan)
        return OmcError.exit_code
    if isinstance(outcome, following.Interrupted):
        shown.progress.note(outcome.sentence)
        return INTERRUPTED
    return shown.run(run_id)


class Shown:
    """What a changing command prints: the plan and the verdict on stdout, all that happens in between on stderr.

    JSON is one document, at the end.
    """

    def __init__(self, site: RunContext, output: str, *, full: bool = False, explain: bool = False) -> None:
        self.site, self.output, self.full, self.explain, self.progress = site, output, full, explain, Progress()
        self._document: dict[str, Any] = {}

    def plan(self, plan: Plan) -> None:
        from omc.engine.planning import commands
        from omc.procedures.plan_document import plan_document

        environment = self.site.environment
        by_hand = commands(plan, environment)
        document = plan_document(plan, by_hand, environment, full=self.full, explain=self.explain)
        self._document["plan"] = document.data
        if self.output != "json":
            show(document, self.output, page=self.output == "table")
            echo()
        sys.stdout.flush()

    def end(self, code: int) -> int:
        """The end of a command that performed nothing."""
        if self.output == "json":
            echo(to_json({**self._document, "run": None, "exit_code": code}))
        elif code == 0:
            echo("Dry run: nothing was changed.")
        else:
            echo("Refused: nothing was changed.")
        return code

    def stale(self, run_id: str, sentence: str, plan: Plan | None) -> None:
        """A plan that no longer fits, and the one that would."""
        if self.output == "json":
            from omc.procedures.plan_document import plan_document

            now = plan and plan_document(plan, (), self.site.environment).data
            self._document["stale"] = {"sentence": sentence, "plan": now}
            self.run(run_id)
            return
        if plan is not None:
            echo("It would now be:\n")
            self.plan(plan)
        raise Refused(f"{sentence} The run {run_id} has ended; look at the plan as it is now and ask again.")

    def run(self, run_id: str) -> int:
        """How the run ended, or what it waits for."""
        from omc.engine.run_document import exit_code_of, run_document
        from omc.engine.run_history import run_details

        account = run_details(self.site.store, run_id)
        code = exit_code_of(account.run)
        document = run_document(account, self.site.environment.time_zone, was_told=True)
        if self.output == "json":
            echo(to_json({**self._document, "run": document.data, "exit_code": code}))
        else:
            show(document, self.output)
        return code


def ask(plan: Plan, environment: Environment, *, yes: bool, confirm: str | None) -> None:
    """The question, and where it matters the environment's name. ``WrongUse`` where there is nobody to answer."""
    name_wanted = environment.approvals.type_name or (plan.risk.value == "destructive" and not environment.is_local)
    at_terminal = sys.stdin.isatty()
    if not yes:
        if not at_terminal:
            raise WrongUse(
                f"This would change {environment.name}, and there is nobody to ask: say --yes, or look first with "
                "--dry-run."
            )
        if not click.confirm(line(f"{plan.title}: go ahead?"), err=True):
            raise Refused("Nothing was changed.")
    if name_wanted and confirm is None:
        if not at_terminal:
            raise WrongUse(f"A change of {environment.name} needs its name too: --confirm {environment.name}")
        typed = click.prompt(line(f"Type the environment's name ({environment.name}) to go ahead"), err=True)
        _require_right_name(environment, typed.strip())


def _require_right_name(environment: Environment, typed: str | None) -> None:
    if typed is not None and typed != environment.name:
        raise WrongUse(
            f'"{typed}" is not the environment that would be changed, {environment.name}. Nothing was changed.'
        )
