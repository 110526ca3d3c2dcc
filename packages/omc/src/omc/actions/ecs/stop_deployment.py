"""``ecs.stop_deployment``: roll back a deployment that is still going on, by ECS's own StopServiceDeployment.

Outputs: ``task_definition`` that the service is back on, ``healthy_seconds``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.ecs.evidence import as_json, why_it_failed
from omc.actions.ecs.roll_service import still_well
from omc.actions.ecs.verdict import Expected, all_healthy, judge
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.deployments import ROLLED_BACK, describe_deployments
from omc.facts.rollouts import read_rollout
from omc.model.arguments.ecs import StopDeployment
from omc.model.plan import Json

OVER = frozenset({"ConflictException", "ServiceDeploymentNotFoundException"})
"""ECS's answers when there is nothing to stop any more."""


def _is_applied(context: Context, arguments: StopDeployment) -> bool:
    """It rolls back already, by us, by ECS or by somebody else; or it has ended."""
    if "asked_at" not in context.state:
        return False
    found = describe_deployments(context.gateway, [arguments.service_deployment])
    return bool(found) and (found[0].status in (*ROLLED_BACK, "STOP_REQUESTED") or not found[0].under_way)


def _apply(context: Context, arguments: StopDeployment) -> Mapping[str, Json]:
    context.checkpoint({"asked_at": context.now().isoformat()})
    try:
        context.gateway.client("ecs").stop_service_deployment(
            serviceDeploymentArn=arguments.service_deployment, stopType="ROLLBACK"
        )
    except AwsRefused as error:
        if error.code not in OVER:
            raise
        return {"too_late": error.message}
    return {}


def _poll(context: Context, arguments: StopDeployment) -> Outcome | None:
    name, ours = arguments.service, arguments.service_deployment
    asked_at = datetime.fromisoformat(context.state["asked_at"])
    rollout = read_rollout(context.gateway, name, ours)
    deployment = rollout.ours
    if deployment is None:
        return Outcome(Verdict.UNKNOWN, f"ECS no longer knows the deployment {ours.rpartition('/')[2]} of {name}.")
    evidence = as_json(rollout)
    if deployment.status == "SUCCESSFUL":
        why = f"{deployment.task_definition} completed before it could be stopped. Run the rollback again."
        return Outcome(Verdict.FAILED, f"{name}: {why}", evidence)
    if deployment.status in ("STOPPED", "ROLLBACK_FAILED"):
        why = f"{deployment.status.lower().replace('_', ' ')}: {deployment.reason or 'ECS gives no reason'}"
        return Outcome(Verdict.FAILED, f"The deployment of {name} was not rolled back; it is {why}.", evidence)
    expected = Expected(name, deployment.back_to)
    if "healthy_seconds" not in context.state and deployment.back_to and all_healthy(rollout, expected):
        context.checkpoint({"healthy_seconds": round((context.now() - asked_at).total_seconds(), 1)})
    if deployment.status != "ROLLBACK_SUCCESSFUL":
        context.report(f"{name}: {deployment.status.lower().replace('_', ' ')}")
        return None
    back = replace(rollout, ours=None)  # the tasks themselves, whatever the deployment says
    settled = still_well(context, arguments.settle_seconds, back, expected, judge(back, expected, ""), asked_at)
    if settled.verdict is Verdict.FAILED:
        return Outcome(Verdict.FAILED, settled.sentence, evidence)
    if settled.verdict is not Verdict.SUCCEEDED:
        context.report(settled.sentence)
        return None
    failure = why_it_failed(context, rollout, arguments.failing, asked_at)
    outputs = {"task_definition": deployment.back_to, "healthy_seconds": context.state.get("healthy_seconds", 0.0)}
    return Outcome(Verdict.SUCCEEDED, settled.sentence, evidence | dict(failure.evidence) | outputs, outputs)


def _commands(environment: Environment, arguments: StopDeployment) -> Sequence[str]:
    arn = arguments.service_deployment
    return [
        f"aws ecs stop-service-deployment --service-deployment-arn {arn} --stop-type ROLLBACK "
        f"--region {environment.region}",
        f"aws ecs describe-service-deployments --service-deployment-arns {arn} --region {environment.region}",
    ]


ACTION = register(Action(StopDeployment, _apply, _is_applied, _poll, _commands))
