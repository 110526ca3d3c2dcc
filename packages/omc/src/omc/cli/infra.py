"""``omc infra``: plan, apply, destroy and roll back the infrastructure, and find where it drifted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from omc import terraform as tf
from omc.aws.gateway import Gateway, access_to
from omc.cli.change import approved_elsewhere, carry_out, change_options, override_option
from omc.cli.deploy import Images
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, rendered, show
from omc.config import Stack, environment_of, load
from omc.errors import OmcError, Unknown, WrongUse
from omc.facts.beside_terraform import last_changes, read_beside
from omc.facts.collector import Unavailable
from omc.facts.infrastructure import SavedPlan, saved_plan
from omc.facts.pending import Pending
from omc.facts.releases import Ledger, read_ledger
from omc.facts.scaling import Scaling
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.source import Facts
from omc.facts.temporary import Temporary, read_temporary
from omc.infrastructure import plans, reverts
from omc.infrastructure.planned_change import PlannedChange
from omc.infrastructure.roots import Root, root_of, work_folder
from omc.infrastructure.variables import is_variable_name
from omc.local.lifecycle import Phase, site_of
from omc.model.plan import Plan
from omc.output import echo, line
from omc.procedures import catalogue, infrastructure
from omc.procedures import infrastructure_drift as drifts
from omc.procedures.infrastructure_document import infrastructure_document, nothing
from omc.procedures.infrastructure_drift import Drift
from omc.procedures.infrastructure_summary import Summary, summary
from omc.progress import Progress, note_if_slow
from omc.store.location import locate_store

READING = "Terraform to read the plan and the state"
MOST_AUTHORS = 20
"""Resources of whose change CloudTrail is asked by whom: it answers two questions a second."""
VAR_OPTION = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help='A variable that no tfvars file holds: \'images={"backend": "…@sha256:…", …}\'. Without it, the '
    "present value is kept.",
)
FIRST_IMAGES_OPTION = click.option(
    "--first-images",
    type=Images(),
    metavar="SERVICE=REF[,…]",
    default={},
    help="The images that the services start with in an environment that has none yet; ignored in any other.",
)
REPLACE_OPTION = click.option(
    "--allow-replace",
    multiple=True,
    metavar="ADDRESS",
    help="Allow this data store to be replaced or destroyed, and its data to be lost.",
)
FULL_OPTION = click.option(
    "--full", is_flag=True, help="Show every value in full, also those of what is new, replaced or destroyed."
)
NO_IMAGE = f"none@sha256:{'0' * 64}"
LOCK_OPTION = click.option(
    "--lock-wait",
    type=click.IntRange(0, 3600),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait while somebody else works on the state.",
)


@click.group(cls=PlainGroup)
def infra() -> None:
    """Change the infrastructure by Terraform: read the plan first, then apply exactly that.

    \b
    omc infra plan --env staging        what would be added, changed, replaced, destroyed, and what it costs
    omc infra apply --env staging       plan, ask, apply
    omc infra drift --env production    what somebody changed outside of Terraform
    omc infra rollback --env staging    revert the newest commit, with plan and approval like any change
    omc infra destroy --env staging     take all of it down
    """


@infra.command()
@environment_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Also put the plan file here. It holds secrets."
)
@VAR_OPTION
@FIRST_IMAGES_OPTION
@REPLACE_OPTION
@LOCK_OPTION
@click.option("--destroy", is_flag=True, help="Plan to destroy all of it.")
@click.option(
    "--summary", type=click.Path(dir_okay=False, path_type=Path), help="Also put the summary here, as JSON: no secrets."
)
@FULL_OPTION
@OUTPUT
@click.pass_context
def plan(
    context: click.Context,
    env: str | None,
    out: Path | None,
    variables: tuple[str, ...],
    first_images: dict[str, str],
    allow_replace: tuple[str, ...],
    lock_wait: int,
    destroy: bool,
    summary: Path | None,
    full: bool,
    output: str,
) -> None:
    """Plan the infrastructure's change, and say what it means. Changes nothing.

    The plan file stays in omc's own folder, readable by you alone, since it holds secrets. What is printed holds none.

    \b
    Exit codes: 0 planned, 1 planned but refused as it is (it would lose data), 2 wrong use, 3 not known.

    \b
    omc infra plan --env staging
    omc infra plan --env staging --out reviewed.tfplan
    omc infra plan --env production --output markdown >> "$GITHUB_STEP_SUMMARY"
    """
    session = _InfraSession.of(context, env)
    root = session.root(session.project)
    file = session.planned(root, variables, lock_wait, first_images=first_images, destroy=destroy)
    if out:
        plans.hand_out(file, out)
    request = PlannedChange(
        str(session.project), str(session.work), session.stack.name, str(file), plans.sha256_of(file), allow_replace
    )
    judged, saved = session.judged(request, destroy=destroy)
    document = infrastructure_document(
        judged, saved, request, str(out or file), is_here=output != "markdown", full=full
    )
    if summary:
        summary.write_text(rendered(document, "json") + "\n")
    show(document, output, page=True)
    context.exit(1 if judged.refusals else 0)


@infra.command()
@override_option
@change_options
@click.option(
    "--plan",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of `omc infra plan --out`: exactly this one is applied. Without it, a plan is made.",
)
@VAR_OPTION
@FIRST_IMAGES_OPTION
@REPLACE_OPTION
@LOCK_OPTION
@click.option("--expect", default="", metavar="FINGERPRINT", help="Refuse changes other than those approved elsewhere.")
@click.pass_context
def apply(
    context: click.Context,
    /,
    file: Path | None,
    variables: tuple[str, ...],
    first_images: dict[str, str],
    allow_replace: tuple[str, ...],
    lock_wait: int,
    expect: str,
    override: str,
    **how: Any,
) -> None:
    """Apply a plan: the one in the file, or a new one. What was approved is what is applied, to the byte.

    A data store that would be replaced or destroyed is refused unless it is named. A run that was cut off half-way
    is resumed: the rest continues if it was approved.

    \b
    omc infra apply --env staging
    omc infra apply --env staging --plan reviewed.tfplan
    omc infra apply --env staging --dry-run
    """
    context.exit(
        _change(
            context,
            "infra-apply",
            how,
            file=file,
            variables=variables,
            first_images=first_images,
            lock_wait=lock_wait,
            allow_replace=allow_replace,
            expect=expect,
            override=override,
        )
    )


@infra.command()
@override_option
@change_options
@VAR_OPTION
@LOCK_OPTION
@click.option("--expect", default="", metavar="FINGERPRINT", help="Refuse changes other than those approved elsewhere.")
@click.pass_context
def destroy(
    context: click.Context, /, variables: tuple[str, ...], lock_wait: int, expect: str, override: str, **how: Any
) -> None:
    """Destroy everything that Terraform made for the environment, the data too.

    Refused while deletion protection is on for the database or the load balancer. What bootstrap made stays.

    \b
    omc infra destroy --env staging --dry-run
    omc infra destroy --env staging
    """
    code = _change(
        context,
        "infra-destroy",
        how,
        variables=variables,
        lock_wait=lock_wait,
        expect=expect,
        override=override,
        is_destroy=True,
    )
    if code == 0 and not how.get("dry_run"):
        _forget_local(context, how.get("env"))
    context.exit(code)


@infra.command()
@environment_option
@VAR_OPTION
@LOCK_OPTION
@click.option("--all", "everything", is_flag=True, help="Also list the values that AWS fills in by itself.")
@FULL_OPTION
@OUTPUT
@click.pass_context
def drift(
    context: click.Context,
    env: str | None,
    variables: tuple[str, ...],
    lock_wait: int,
    everything: bool,
    full: bool,
    output: str,
) -> None:
    """Find what differs from the code: changed by hand, changed on purpose (deployments), or not applied yet.

    \b
    Exit codes: 0 no drift, 1 drift, 2 wrong use, 3 not known.

    \b
    omc infra drift --env production
    omc infra drift --env staging --output json
    """
    from omc.reports.drift_document import drift_document

    session = _InfraSession.of(context, env)
    root = session.root(session.project)
    try:
        file = session.planned(root, variables, lock_wait)
        with note_if_slow(READING):
            saved = saved_plan(root, file)
        file.unlink()
    except tf.TerraformError as error:
        raise Unknown(f"It is not known whether {session.name} has drifted. {error.message}") from error
    if saved.extent.is_partial:
        raise Unknown(
            f"It is not known whether {session.name} has drifted: Terraform could only plan a part of it "
            f"({', '.join(saved.extent.deferred) or 'it says no more'})."
        )
    found = session.drift(saved)
    now = datetime.now(UTC)
    document = drift_document(session.gateway.environment, found, now, everything=everything, full=full)
    show(document, output, page=True)
    context.exit(1 if not found.is_none else Unknown.exit_code if found.unknown else 0)


@infra.command()
@override_option
@change_options
@click.option("--commit", "commits", multiple=True, metavar="SHA", help="Revert this commit; may be repeated.")
@click.option("--push", is_flag=True, help="Push the branch to origin when it is applied.")
@VAR_OPTION
@REPLACE_OPTION
@LOCK_OPTION
@click.pass_context
def rollback(
    context: click.Context,
    /,
    commits: tuple[str, ...],
    push: bool,
    variables: tuple[str, ...],
    allow_replace: tuple[str, ...],
    lock_wait: int,
    override: str,
    **how: Any,
) -> None:
    """Roll back a change of the infrastructure: revert, plan, approval, apply.

    The revert is a commit on a new branch, made beside your checkout, which isn't touched. The branch has to be merged
    afterwards, or the next apply of main brings back what was reverted. Without --commit: the newest commit that
    touches infrastructure/.

    \b
    omc infra rollback --env staging --dry-run
    omc infra rollback --env staging
    omc infra rollback --env production --commit 1a2b3c4 --push
    """
    session = _InfraSession.of(context, how.get("env"))
    done = reverts.revert(session.project, commits, session.work)
    echo(line(f"On the branch {done.branch}, reverted: {'; '.join(done.commits)}"), err=True)
    try:
        code = _change(
            context,
            "infra-apply",
            how,
            variables=variables,
            lock_wait=lock_wait,
            allow_replace=allow_replace,
            override=override,
            reverted=done,
        )
    except BaseException:
        echo(f"The branch {done.branch} stays, in {done.folder}.", err=True)
        raise
    if how.get("dry_run"):
        reverts.drop(done, branch=True)
    elif code == 0:
        reverts.drop(done)
        if push:
            reverts.push(done)
        pushed = (
            "It is pushed; merge it"
            if push
            else (f"Merge it: git push -u origin {done.branch}, and open a pull request")
        )
        echo(f"main still describes what is no longer there, and its next apply brings it back. {pushed}.", err=True)
    else:
        echo(f"The branch {done.branch} stays, in {done.folder}.", err=True)
    context.exit(code)


class _InfraSession:
    """What every command here begins with: the stack, the environment, omc's folder, the way to AWS."""

    def __init__(self, stack: Stack, gateway: Gateway) -> None:
        self.stack, self.gateway = stack, gateway
        self.name = gateway.environment.name
        self.project = stack.file.parent

    @classmethod
    def of(cls, context: click.Context, env: str | None) -> _InfraSession:
        stack = load(context.obj)
        environment = environment_of(stack, env)
        return cls(stack, Gateway(environment, access_to(environment)))

    @property
    def work(self) -> Path:
        return work_folder(self.stack, self.gateway.environment)

    def root(self, project: Path) -> Root:
        return root_of(self.gateway, project, self.work, self.stack.name)

    def planned(
        self,
        root: Root,
        variables: tuple[str, ...],
        lock_wait: float,
        *,
        first_images: Mapping[str, str] | None = None,
        destroy: bool = False,
    ) -> Path:
        """A new plan file."""
        provided, progress = _given(variables), Progress()
        first = {"images": dict(first_images)} if first_images else {}
        if destroy:
            # Terraform wants a value also for what is about to go, and a destroy that was cut off may have taken it.
            first = {"images": {service.name: NO_IMAGE for service in self.gateway.environment.services}}
        with progress.step(f"Planning the infrastructure of {self.name}"):
            return plans.make(root, provided, progress.waiting, first=first, destroy=destroy, lock_wait=lock_wait)

    def judged(self, request: PlannedChange, *, destroy: bool) -> tuple[Plan, SavedPlan]:
        """The plan file as omc's own plan, and what is in it."""
        from omc.engine.planning import plan_from

        planner = infrastructure.destroy if destroy else infrastructure.apply
        provided = {PlannedChange: request, Temporary: self.recorded()[0]}
        facts = Facts(self.gateway, Scope(datetime.now(UTC)), provided)
        with note_if_slow(READING):
            made = plan_from(planner, facts, catalogue.without)
        return made, facts.readings[SavedPlan]

    def recorded(self) -> tuple[Temporary, Ledger | None]:
        """What omc's own record knows: what was changed for a while, and the releases. A plan is also made where there
        is no record, or none that can be reached."""
        from omc.store.database import open_store

        environment = self.gateway.environment
        place = locate_store(self.stack, environment)
        if not place.exists:
            return Temporary(), None
        try:
            with open_store(place) as store:
                return read_temporary(store, environment), read_ledger(store, environment)
        except OmcError as error:
            return Temporary(unknown=error.message), None

    def drift(self, saved: SavedPlan) -> Drift:
        """What the plan found and what stands beside what it knows, with who did it."""
        environment = self.gateway.environment
        temporary, ledger = self.recorded()
        with note_if_slow("AWS to say what Terraform doesn't see"):
            beside = read_beside(self.gateway, saved.known)
            facts = Facts(self.gateway, Scope(datetime.now(UTC))).read([drifts.read_beside_the_plan])
        lost = [
            drifts.not_known(kind, fact.error.message) for kind, fact in facts.items() if isinstance(fact, Unavailable)
        ]
        pending, services, scaling = (
            None if isinstance(facts[kind], Unavailable) else facts[kind] for kind in (Pending, Services, Scaling)
        )
        found = drifts.drift(saved, environment=environment, temporary=temporary, beside=beside, pending=pending)
        if services:
            found = replace(
                found,
                deployed=tuple(drifts.not_as_deployed(saved, services, scaling, ledger)),
                releases=tuple(drifts.releases_that_run(services, ledger, environment)),
            )
        strangers = [change for change in found.outside if change.address not in found.authors]
        authors = {**last_changes(self.gateway, strangers[:MOST_AUTHORS]), **found.authors}
        return replace(found, authors=authors, unknown=(*found.unknown, *lost))


def _change(
    context: click.Context,
    procedure: str,
    how: Mapping[str, Any],
    *,
    variables: tuple[str, ...],
    lock_wait: int,
    file: Path | None = None,
    first_images: Mapping[str, str] | None = None,
    allow_replace: tuple[str, ...] = (),
    expect: str = "",
    override: str = "",
    is_destroy: bool = False,
    reverted: Any = None,
) -> int:
    """Plan where no plan was given, and hand the file to the engine."""
    session = _InfraSession.of(context, how.get("env"))
    if not how.get("dry_run"):
        environment = session.gateway.environment
        how = {**how, "approved": approved_elsewhere(locate_store(session.stack, environment), environment)}
    project = reverted.project if reverted else session.project
    root = session.root(project)
    if file is None:
        kept = session.planned(root, variables, lock_wait, first_images=first_images, destroy=is_destroy)
    else:
        if variables:
            raise WrongUse("--var and --plan exclude each other: a plan file holds the values that it was made with.")
        kept = plans.keep(file, root)
    request = PlannedChange(
        project=str(project),
        work=str(session.work),
        stack=session.stack.name,
        plan=str(kept),
        sha256=plans.sha256_of(kept),
        allow_replace=allow_replace,
        expect=expect,
        override=override.strip(),
        branch=reverted.branch if reverted else "",
    )
    found = _summary(root, kept)
    if found.is_empty:
        echo(nothing(session.name, partial=found.is_partial))
        return 0
    return carry_out(context, procedure, request, **how)


def _summary(root: Root, file: Path) -> Summary:
    """What is to be done; nothing, also when something was approved: then it is there by now."""
    with note_if_slow(READING):
        return summary(saved_plan(root, file))


def _given(variables: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` words; a value that is JSON of a list or a mapping is taken as such."""
    provided: dict[str, Any] = {}
    for word in variables:
        name, equals, value = word.partition("=")
        if not equals or not is_variable_name(name):
            raise WrongUse(f"--var takes NAME=VALUE, not {word!r}.")
        try:
            provided[name] = json.loads(value) if value.startswith(("{", "[")) else value
        except (ValueError, RecursionError) as error:
            raise WrongUse(f"The value of --var {name} begins like JSON but isn't valid: {error}.") from error
    return provided


def _forget_local(context: click.Context, env: str | None) -> None:
    """After a destroy the local cloud is empty: the next ``omc local up`` must apply again."""
    stack = load(context.obj)
    if environment_of(stack, env).is_local:
        site = site_of(stack, None)
        site.write(replace(site.read(), phase=Phase.INTERRUPTED))
