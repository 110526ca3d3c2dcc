"""Changing the infrastructure: a plan file of Terraform becomes a plan of one step, or is refused with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from omc.config import Environment
from omc.facts.differences import is_secret_text
from omc.facts.infrastructure import DeletionProtection, SavedPlan
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.temporary import Temporary
from omc.facts.terraform_json import Change, ChangeAction, Difference
from omc.infrastructure.planned_change import PlannedChange
from omc.judgement.approved_changes import approved_changes
from omc.model.arguments.terraform import ApplyPlan
from omc.model.plan import Detail, Json, Plan, Risk, Step, step
from omc.output.text import counted
from omc.procedures.infrastructure_summary import DataLoss, Summary, detail, summary
from omc.procedures.postponed import postponed
from omc.procedures.prices import sentences
from omc.procedures.temporary import ends_early

MAX_DEADLINE = 7200.0
"""Seconds for an apply: a Multi-AZ database alone takes half an hour to be made or changed."""
PARTIAL = (
    "This plan is ONLY A PART of the change: it was made with -target, or AWS does something in it later. It "
    "doesn't show "
    "what the rest would do, and the code and the environment still differ after it."
)
NOTHING_PENDING, NOTHING_TEMPORARY, NO_SCOPE = Pending(()), Temporary(), Scope(datetime.fromtimestamp(0, UTC))
OWNED = {"aws_ecs_service": ("desired_count", "task_definition")}
"""What deployments and the autoscaler own, not Terraform: `ignore_changes` in modules/service says the same."""
APPLIED = ".module.responder[0].aws_ecs_service.this"
"""The end of the address of the one service that no deployment knows: what omc itself runs on, Terraform's alone."""


def apply(
    request: PlannedChange,
    environment: Environment,
    plan: SavedPlan,
    services: Services,
    pending: Pending = NOTHING_PENDING,
    temporary: Temporary = NOTHING_TEMPORARY,
    scope: Scope = NO_SCOPE,
) -> Plan:
    """Apply exactly the plan file."""
    response = summary(plan)
    refusals = [
        *_does_not_fit(request, environment, plan, response),
        *_not_applied_by_terraform(environment, plan, response),
        *_loses(response, request),
        *_takes_back(plan),
        *ends_early(plan.changes, temporary, environment),
    ]
    if _destroys_all(plan):
        refusals.append(
            f"This plan destroys all of {environment.name}, which an apply doesn't. "
            f"Use: omc infra destroy --env {environment.name}"
        )
    later = postponed(plan.changes, pending, environment, scope.now)
    notes = [
        *_losses(response),
        *_extent(plan, response),
        *later,
        *_deployed(plan, services),
        *sentences(response.cost),
    ]
    notes += _secrets(plan)
    if temporary.unknown:
        notes.append(f"Whether this would end a temporary change of omc's is unknown: {temporary.unknown}")
    if request.branch:
        notes.append(
            f"The branch {request.branch} must be merged afterwards: until then main describes what is no longer there."
        )
    return Plan(
        procedure="infra-apply",
        environment=environment.name,
        request=_plain(request),
        title=f"Apply to the infrastructure of {environment.name}: {response.counted}",
        risk=Risk.DESTRUCTIVE if response.losses else Risk.HIGH,
        steps=() if response.is_empty else (_step(request, plan, response),),
        preconditions=_rests_on(plan),
        notes=tuple(notes),
        refusals=tuple(refusals),
        undo_on_failure=False,
        details=tuple(_details(plan, response)),
    )


def destroy(request: PlannedChange, environment: Environment, plan: SavedPlan, protection: DeletionProtection) -> Plan:
    """Destroy everything that Terraform made for the environment."""
    response = summary(plan)
    refusals = [
        *_does_not_fit(request, environment, plan, response),
        *_not_applied_by_terraform(environment, plan, response),
    ]
    if not _destroys_all(plan) and not response.is_empty:
        refusals.append(f"This plan doesn't destroy {environment.name}. Use: omc infra apply --env {environment.name}")
    refusals += [
        f"Deletion protection is on for {what}. Turn it off in the Terraform (`protected = false`), have "
        "that "
        "reviewed and applied, then destroy."
        for what in protection.protected
    ]
    return Plan(
        procedure="infra-destroy",
        environment=environment.name,
        request=_plain(request),
        title=f"Destroy all of {environment.name}: {response.counted}",
        risk=Risk.DESTRUCTIVE,
        steps=() if response.is_empty else (_step(request, plan, response),),
        preconditions=_rests_on(plan) | {"protected": list(protection.protected)},
        notes=(*_losses(response), *_extent(plan, response), *_snapshots(plan), *sentences(response.cost)),
        refusals=tuple(refusals),
        undo_on_failure=False,
        details=tuple(_details(plan, response)),
    )


def _secrets(plan: SavedPlan) -> list[str]:
    """The fingerprint is printed where many may read it, so no secret goes into it, not even as a digest: whoever
    guesses right could prove it. A key against that would have to be known to both jobs, and to nobody else."""
    found = [
        f"{change.address}: {one.path}"
        for change in plan.changes
        if change.does not in {ChangeAction.DESTROY, ChangeAction.FORGET}
        for one in change.differences
        if is_secret_text(one.after)
    ]
    if not found:
        return []
    some = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    verb = "is a secret" if len(found) == 1 else "are secrets"
    return [
        f"{len(found)} of the new values {verb} ({some}): the fingerprint covers that they change, not what "
        "they change "
        "to. Apply the plan file itself (--plan), which is bound byte by byte, or the same commit, as the "
        "workflow does."
    ]


def owned_by_deployments(change: Change) -> list[Difference]:
    """Of what differs, what deployments and the autoscaler own."""
    if change.address.endswith(APPLIED):
        return []
    return [one for one in change.differences if one.path in OWNED.get(change.kind, ())]


def _step(request: PlannedChange, plan: SavedPlan, summary: Summary) -> Step:
    return step(
        "apply",
        ApplyPlan(
            project=request.project,
            work=request.work,
            stack=request.stack,
            plan=request.plan,
            sha256=request.sha256,
            serial=plan.serial,
            lineage=plan.lineage,
            destroy=_destroys_all(plan),
            variables=plan.variables,
            approved=approved_changes(summary.changes),
            partial=summary.is_partial,
            unseen=summary.unseen,
        ),
        title=f"Terraform applies the plan {request.sha256[:12]}",
        before=f"{counted(plan.managed, 'resource')}, state {plan.state_serial}",
        after=summary.counted,
        deadline=MAX_DEADLINE,
    )


def _rests_on(plan: SavedPlan) -> dict[str, str | int]:
    return {"plan": plan.sha256, "serial": plan.state_serial, "lineage": plan.state_lineage}


def _plain(request: PlannedChange) -> dict[str, Json]:
    """As it comes back from JSON."""
    values: dict[str, Json] = asdict(request)
    return values | {"allow_replace": list(request.allow_replace)}


def _does_not_fit(request: PlannedChange, environment: Environment, plan: SavedPlan, summary: Summary) -> Iterator[str]:
    """Why this file is not the one to apply here and now."""
    again = f"Make a new one: omc infra plan --env {environment.name}"
    wanted = "staging" if environment.is_local else environment.name
    if plan.sha256 != request.sha256:
        yield f"The plan file {request.plan} is no longer the one that was shown. {again}"
    if plan.root and plan.root != wanted:
        yield f"The plan file {request.plan} was made for {plan.root}, not for {environment.name}. {again}"
    elif plan.lineage and plan.lineage != plan.state_lineage:
        yield f"The plan file {request.plan} was made from another state than that of {environment.name}. {again}"
    elif plan.serial != plan.state_serial:
        yield (
            f"The state changed since the plan was made (it was number {plan.serial}, now it is {plan.state_serial}), "
            f"so the plan is stale. {again}"
        )
    if plan.changed_sources:
        shown = ", ".join(_named(name) for name in plan.changed_sources[:3])
        more = f" and {len(plan.changed_sources) - 3} more" if len(plan.changed_sources) > 3 else ""
        yield f"The Terraform code changed since the plan was made: {shown}{more}. {again}"
    if request.expect and request.expect != summary.fingerprint:
        yield (
            f"What would be changed now is not what was approved: the changes are {summary.fingerprint[:12]}, approved "
            f"were {request.expect[:12]}. Look at the new plan and approve that one."
        )


def _loses(summary: Summary, request: PlannedChange) -> Iterator[str]:
    for loss in summary.losses:
        if loss.address not in request.allow_replace:
            yield f"{_loss(loss)} If that is meant: --allow-replace '{loss.address}'"
    lost = {loss.address for loss in summary.losses}
    for address in request.allow_replace:
        if address not in lost:
            yield f"--allow-replace names {address}, which this plan neither replaces nor destroys."


def _losses(summary: Summary) -> list[str]:
    return [_loss(loss) for loss in summary.losses]


def _loss(loss: DataLoss) -> str:
    forced = f", since {', '.join(loss.forced_by)} can't be changed in place" if loss.forced_by else ""
    return f"DATA LOSS: {loss.address} would be {_done(loss.does)}{forced}; lost would be {loss.what}."


def _takes_back(plan: SavedPlan) -> Iterator[str]:
    """A deployment or a rollback must not be undone by the way."""
    for change in plan.changes:
        taken = owned_by_deployments(change)
        if change.does is ChangeAction.UPDATE and taken:
            what = ", ".join(f"{one.path} {one.before} → {one.after}" for one in taken)
            yield (
                f"The apply would undo what a deployment, a rollback or the autoscaler set on {change.address}: "
                f"{what}. Keep `ignore_changes` in modules/service; omc deploy and omc rollback change releases."
            )


def _deployed(plan: SavedPlan, services: Services) -> Iterator[str]:
    """Where what runs isn't what Terraform registered: said, since a reader would expect the apply to change it."""
    registered = {
        address.rpartition(".aws_ecs_task_definition.this")[0]: values
        for address, values in plan.current.items()
        if address.endswith(".aws_ecs_task_definition.this")
    }
    changed = {
        change.address
        for change in plan.changes
        if change.does in {ChangeAction.CREATE, ChangeAction.UPDATE, ChangeAction.REPLACE}
    }
    for module, values in registered.items():
        service = next((one for one in services.services if module.endswith(f'["{one.name}"]')), None)
        if service is None:
            continue
        own = f"{values.get('family')}:{values.get('revision')}"
        if service.task_definition != own:
            yield (
                f"{service.name} runs {service.task_definition}, Terraform registered {own}: deployments and rollbacks "
                "decide which one runs, and the apply leaves it."
            )
        if f"{module}.aws_ecs_task_definition.this" in changed:
            yield (
                f"Terraform registers a new revision of {values.get('family')}; {service.name} gets it with the "
                "next `omc deploy`."
            )


def _snapshots(plan: SavedPlan) -> Iterator[str]:
    """What is left of the databases."""
    for change in plan.changes:
        if change.kind == "aws_db_instance" and change.does is ChangeAction.DESTROY:
            name = change.before.get("identifier")
            if change.before.get("skip_final_snapshot"):
                yield f"The database {name} goes WITHOUT a final snapshot."
            else:
                snapshot = change.before.get("final_snapshot_identifier")
                yield f"A final snapshot of the database {name} is made: {snapshot}."
            if change.before.get("delete_automated_backups"):
                yield f"The automatic backups of {name} go with it."


def _destroys_all(plan: SavedPlan) -> bool:
    gone = sum(change.does is ChangeAction.DESTROY for change in plan.changes)
    return bool(plan.changes) and gone == len(plan.changes) == plan.managed


def _not_applied_by_terraform(environment: Environment, plan: SavedPlan, summary: Summary) -> Iterator[str]:
    """Why Terraform wouldn't apply this file, or omc can't say what it would do."""
    again = f"Plan again: omc infra plan --env {environment.name}"
    if plan.extent.errored:
        yield f"An error ended the plan early: it isn't the whole change, and Terraform doesn't apply it. {again}"
    elif plan.extent.applyable is False and not summary.is_empty:
        yield f"Terraform itself calls this plan not applicable. {again}"
    for change in summary.changes:
        if change.does is ChangeAction.UNKNOWN:
            yield (
                f"omc doesn't know what Terraform would do to {change.address} "
                f"({', '.join(change.actions) or 'it names no action'}), so it can't be approved here. "
                "Look at it: terraform show FILE; a newer omc may know it."
            )


def _extent(plan: SavedPlan, summary: Summary) -> Iterator[str]:
    """What of the change this plan isn't, and what it does beside it."""
    if summary.is_partial and not plan.extent.errored:
        yield PARTIAL
    for waiting in plan.extent.deferred:
        yield f"Left for a later apply: {waiting}."
    for check in plan.extent.failed_checks:
        yield f"A check of the code doesn't hold: {check}"
    for action in summary.invoked:
        yield f"The apply also invokes the action {action}."
    if summary.records:
        yield (
            "The plan changes nothing in AWS: it records in the state what was changed outside of Terraform "
            f"({counted(len(plan.drift), 'resource')}), so that Terraform accepts it as it is."
        )
    forgotten = [
        change.address for change in summary.changes if change.does is ChangeAction.FORGET or change.leaves_old_one
    ]
    if forgotten:
        yield (
            f"Terraform forgets {', '.join(forgotten)}: it stays in AWS and is paid for, and no apply, drift or "
            "destroy sees it any more."
        )


def _details(plan: SavedPlan, summary: Summary) -> Iterator[Detail]:
    yield from (detail(change) for change in summary.changes)
    if summary.output_values:
        values = ((one.path, one.before, one.after, "", False) for one in summary.output_values)
        yield Detail("Outputs that change", tuple(values))
    elif summary.outputs:
        yield Detail(f"Outputs that change: {', '.join(summary.outputs)}", ())
    if summary.records:
        for change in plan.drift:
            values = ((one.path, one.before, one.after, "", False) for one in change.differences)
            yield Detail(f"= {change.address}: is recorded as it is now", tuple(values))


def _done(does: ChangeAction) -> str:
    return {ChangeAction.REPLACE: "replaced", ChangeAction.DESTROY: "destroyed"}[does]


def _named(source: str) -> str:
    """``modules/service/main.tf``."""
    return source.removeprefix("../").removeprefix("../")
