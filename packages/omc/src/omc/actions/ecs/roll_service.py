"""``ecs.roll_service``: put a service on a revision, and stay until it is known what became of it.

Outputs: ``task_definition``, ``service_deployment``, ``healthy_seconds`` from the call to all wanted tasks serving.

On a way back ECS must not heed the deployment alarms: one that the bad revision has set off may fire a little after
the way back has begun, and ECS would take the service to the bad revision again. So the call turns them off, and they
are on again before ``watch`` gives an outcome, whatever it is: that one write of it sets what was, however often. Where
the run is cancelled or the deadline passes before, the sentence says that they are off. Where ECS refuses to turn them
off, the service goes back all the same, with its alarms, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from omc.actions import staying
from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.ecs.evidence import as_json, why_it_failed
from omc.actions.ecs.verdict import Expected, Judgement, all_healthy, judge
from omc.config import Environment
from omc.errors import AwsRefused, NotFound
from omc.facts.deployments import describe_deployments, list_deployments
from omc.facts.rollouts import Rollout, read_rollout
from omc.facts.services import describe_service, short_name
from omc.facts.tasks import list_running_tasks
from omc.model.arguments.base import known
from omc.model.arguments.ecs import RollService
from omc.model.plan import Json

CONFIGURATION = ("maximumPercent", "minimumHealthyPercent", "deploymentCircuitBreaker", "alarms")
"""What a rolling service's configuration is given back as. DescribeServices tells more of it (``strategy``,
``bakeTimeInMinutes``, ``lifecycleHooks``), which ECS documents for other strategies."""
REFUSED = frozenset({"InvalidParameterException", "ClientException", "UnsupportedFeatureException"})
"""ECS's answers to a configuration that it doesn't take."""


def _expected(arguments: RollService) -> Expected:
    return Expected(arguments.service, _revision(arguments), arguments.digests)


def _revision(arguments: RollService) -> str:
    return short_name(known(arguments.task_definition))


def _is_applied(context: Context, arguments: RollService) -> bool:
    """A deployment of the wanted revision that was not there before we asked for one."""
    if "deployment" in context.state or "declined" in context.state:
        return True
    if "before" not in context.state:
        return False
    before = set(context.state["before"])
    wanted = _revision(arguments)
    fresh = [arn for arn in list_deployments(context.gateway, arguments.service) if arn not in before]
    ours = [found for found in describe_deployments(context.gateway, fresh) if found.task_definition == wanted]
    if not ours:
        return False
    context.checkpoint({"deployment": ours[-1].arn})  # the oldest: whoever came after ours superseded it
    return True


def _apply(context: Context, arguments: RollService) -> Mapping[str, Json]:
    name, wanted = arguments.service, _revision(arguments)
    service = describe_service(context.gateway, name)
    if service is None:
        cluster, _ = context.environment.in_ecs(name)
        raise NotFound(f"There is no service {name} in {cluster}.", "ServiceNotFoundException")
    allowed = [short_name(known(revision)) for revision in arguments.instead_of]
    if allowed and service.task_definition not in (*allowed, wanted):
        return {"declined": service.task_definition}
    before = list_deployments(context.gateway, name)
    context.checkpoint({"before": list(before), "asked_at": context.now().isoformat()})
    if service.task_definition == wanted and not arguments.force_new:
        return {"deployment": ""}  # it is there already; to be seen whether it runs well
    if service.task_definition == wanted:  # the old tasks run the same revision: they are known by their ids
        context.checkpoint({"old_tasks": [task.id for task in list_running_tasks(context.gateway, name)]})
    wire: dict[str, Any] = {
        **_in_ecs(context, name),
        "taskDefinition": wanted,
        "forceNewDeployment": arguments.force_new,
    }
    payload = _go_back(context, name, wire) if arguments.back else _update(context, wire)
    current = payload["service"].get("currentServiceDeployment", "")
    return {"deployment": current} if current and current not in before else {}


def _in_ecs(context: Context, service: str) -> dict[str, str]:
    cluster, ecs_service = context.environment.in_ecs(service)
    return {"cluster": cluster, "service": ecs_service}


def _update(context: Context, wire: dict[str, Any]) -> Any:
    return context.gateway.client("ecs").update_service(**wire)


def _go_back(context: Context, service: str, wire: dict[str, Any]) -> Any:
    """With the deployment alarms off, where there are any and ECS takes that."""
    configuration = _configuration(context, service)
    alarms = configuration.get("alarms", {})
    if not alarms.get("enable"):
        return _update(context, wire)
    context.checkpoint({"alarms": alarms})
    off = configuration | {"alarms": {**alarms, "enable": False, "rollback": False}}
    try:
        return _update(context, wire | {"deploymentConfiguration": off})
    except AwsRefused as error:
        if error.code not in REFUSED:
            raise
        context.checkpoint({"alarms": {}, "alarms_stay_on": error.message})
        return _update(context, wire)


def _configuration(context: Context, service: str) -> dict[str, Any]:
    """What of the service's deployment configuration is given back: all that ECS takes for a rolling one. A change of
    it deploys nothing."""
    cluster, ecs_service = context.environment.in_ecs(service)
    response: Any = context.gateway.client("ecs").describe_services(cluster=cluster, services=[ecs_service])
    found = response["services"][0].get("deploymentConfiguration", {})
    return {key: found[key] for key in CONFIGURATION if key in found}


def _poll(context: Context, arguments: RollService) -> Outcome | None:
    outcome = _outcome(context, arguments)
    if outcome is None:
        return None
    if why := context.state.get("alarms_stay_on"):
        more = (
            "ECS watched its deployment alarms during the rollback, since it refused to turn them off "
            f"({why.rstrip('.')})."
        )
        return replace(outcome, sentence=f"{outcome.sentence} {more}")
    if context.state.get("alarms") and (why := _alarms_on_again(context, arguments.service)):
        return replace(outcome, sentence=f"{outcome.sentence} {why}")
    return outcome


def _alarms_on_again(context: Context, service: str) -> str:
    """As they were. A sentence where ECS refuses that."""
    configuration = _configuration(context, service)
    wanted = configuration | {"alarms": context.state["alarms"]}
    if configuration == wanted:
        return ""
    wire = {**_in_ecs(context, service), "deploymentConfiguration": wanted}
    try:
        _update(context, wire)
    except AwsRefused as error:
        if error.code not in REFUSED:
            raise
        return (
            f"Its deployment alarms are off, and ECS refused to turn them on again ({error.message.rstrip('.')}): "
            f"omc infra apply --env {context.environment.name}"
        )
    return ""


def _outcome(context: Context, arguments: RollService) -> Outcome | None:
    expected = _expected(arguments)
    if declined := context.state.get("declined"):
        sentence = f"{expected.service} was left on {declined}, which somebody else deployed."
        return Outcome(Verdict.SUPERSEDED, sentence, {"task_definition": declined})
    if "deployment" not in context.state and not _is_applied(context, arguments):
        context.report(f"{expected.service}: ECS doesn't show the deployment yet")
        return None
    ours = context.state["deployment"]
    asked_at = datetime.fromisoformat(context.state["asked_at"])
    rollout = read_rollout(context.gateway, expected.service, ours)
    old = context.state.get("old_tasks", ())
    fresh = replace(rollout, tasks=tuple(task for task in rollout.tasks if task.id not in old))
    if "healthy_seconds" not in context.state and all_healthy(fresh, expected):
        context.checkpoint({"healthy_seconds": round((context.now() - asked_at).total_seconds(), 1)})
    judgement = still_well(
        context, arguments.settle_seconds, rollout, expected, judge(rollout, expected, ours), asked_at
    )
    if judgement.verdict is None:
        context.report(judgement.sentence)
        return None
    sentence, evidence = judgement.sentence, as_json(rollout)
    if judgement.verdict is Verdict.SUCCEEDED:
        outputs = {
            "task_definition": expected.task_definition,
            "service_deployment": ours,
            "healthy_seconds": context.state.get("healthy_seconds", 0.0),
        }
        return Outcome(judgement.verdict, sentence, evidence | outputs, outputs)
    if judgement.verdict is not Verdict.SUPERSEDED:
        failure = why_it_failed(context, rollout, expected.task_definition, asked_at)
        sentence, evidence = f"{sentence} {failure.text}".strip(), evidence | dict(failure.evidence)
    return Outcome(judgement.verdict, sentence, evidence)


def still_well(
    context: Context,
    seconds: float,
    rollout: Rollout,
    expected: Expected,
    judgement: Judgement,
    since: datetime,
) -> Judgement:
    """The judgement of one reading, held back until the tasks that are new ``since`` have stayed well long enough."""
    waits = judgement.sentence
    if judgement.verdict not in (None, Verdict.SUCCEEDED) or not seconds:
        return judgement
    if judgement.verdict is Verdict.SUCCEEDED and not (waits := staying.unchecked(context, rollout.tasks)):
        left = staying.seconds_left(context, rollout.tasks, since, seconds)
        if not left:
            return judgement
        waits = f"{expected.service}: all {len(rollout.tasks)} tasks are well, and must stay so for {left:.0f} s more"
    else:
        staying.not_well(context)
    gone = staying.lost(context, expected.service, expected.task_definition)
    if len(gone) >= staying.GIVE_UP_AFTER:
        sentence = (
            f"{expected.service} did not stay healthy on {expected.task_definition}: all of it served, then "
            f"{len(gone)} "
            "of its tasks failed."
        )
        return Judgement(Verdict.FAILED, sentence)
    return Judgement(None, waits)


def _pending_notice(context: Context, arguments: RollService) -> str:
    if not context.state.get("alarms"):
        return ""
    return (
        f"The deployment alarms of {arguments.service} are off during its rollback. Once that has ended, "
        "turn them on "
        f"again (omc infra apply --env {context.environment.name})."
    )


def _commands(environment: Environment, arguments: RollService) -> Sequence[str]:
    revision = _revision(arguments)
    cluster, ecs_service = environment.in_ecs(arguments.service)
    where = f"--cluster {cluster} --service {ecs_service}"
    force = " --force-new-deployment" if arguments.force_new else ""
    # By hand: an alarm that fires only after the way back has begun makes ECS take it back; then do it once more.
    return [
        f"aws ecs update-service {where} --task-definition {revision}{force} --region {environment.region}",
        f"aws ecs list-service-deployments {where} --region {environment.region} "
        "--query 'sort_by(serviceDeployments,&createdAt)[-1]'",
    ]


ACTION = register(Action(RollService, _apply, _is_applied, _poll, _commands, pending_notice=_pending_notice))
