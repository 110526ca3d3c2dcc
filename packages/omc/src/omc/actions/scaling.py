"""``scaling.set``: a service's limits, as the autoscaler keeps them, and its count, until all of it is healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from omc.actions import staying
from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.aws.calls import Call
from omc.aws.command_lines import command_line
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import Refused
from omc.facts.rollouts import healthy_tasks
from omc.facts.scaling import DIMENSION, NAMESPACE, resource_id
from omc.facts.services import EcsService, read_services
from omc.facts.tasks import list_running_tasks
from omc.judgement.task_causes import cause_of
from omc.model.arguments.scaling import SetCapacity
from omc.model.plan import Json
from omc.output.text import counted


def _limits(aws: Gateway, environment: Environment, service: str) -> tuple[int, int] | None:
    records = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace=NAMESPACE, ResourceIds=[resource_id(environment, service)], ScalableDimension=DIMENSION
    )["ScalableTargets"]
    return (records[0]["MinCapacity"], records[0]["MaxCapacity"]) if records else None


def _is_applied(context: Context, arguments: SetCapacity) -> bool:
    desired = _service(context, arguments).desired
    if "desired" not in context.state:
        context.checkpoint({"desired": desired, "since": context.now().isoformat()})
    return _limits_are_set(context, arguments) and bool(arguments.at_least <= desired <= arguments.at_most)


def _limits_are_set(context: Context, arguments: SetCapacity) -> bool:
    wanted = (arguments.minimum, arguments.maximum)
    return wanted == (None, None) or wanted == _limits(context.gateway, context.environment, arguments.service)


def _apply(context: Context, arguments: SetCapacity) -> Mapping[str, Json]:
    """The limits first, since the autoscaler would undo a count outside of them; then the nearest count that fits.

    One step, because that is the order in which it is undone too. What is there already isn't done again.
    """
    aws, environment, name = context.gateway, context.environment, arguments.service
    if not _limits_are_set(context, arguments):
        aws.client("application-autoscaling").register_scalable_target(**_target(environment, arguments))
    desired = _service(context, arguments).desired
    count = min(max(desired, arguments.at_least), arguments.at_most)
    if count != desired:
        cluster, ecs_service = environment.in_ecs(name)
        aws.client("ecs").update_service(cluster=cluster, service=ecs_service, desiredCount=count)
    return {"set": count}


def _target(environment: Environment, arguments: SetCapacity) -> dict[str, Any]:
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": resource_id(environment, arguments.service),
        "ScalableDimension": DIMENSION,
        "MinCapacity": arguments.minimum,
        "MaxCapacity": arguments.maximum,
    }


def _service(context: Context, arguments: SetCapacity) -> EcsService:
    name = arguments.service
    for service in read_services(context.gateway, context.environment).services:
        if service.name == name and service.status == "ACTIVE":
            return service
    raise Refused(f"{name} does not exist any more in the cluster {context.environment.in_ecs(name)[0]}.")


def _poll(context: Context, arguments: SetCapacity) -> Outcome | None:
    """Healthy are as many targets as tasks are wanted, in each target group; or tasks that run, where there is none.

    The autoscaler may have gone further meanwhile, which is as it should be; somebody else's smaller count is not.
    """
    service = _service(context, arguments)
    name, desired = service.name, service.desired
    healthy = healthy_tasks(context.gateway, service)
    evidence: dict[str, Json] = {"desired": desired, "running": service.running, "healthy": healthy}
    if not _limits_are_set(context, arguments):
        found = _limits(context.gateway, context.environment, name)
        now = f"between {found[0]} and {found[1]} tasks" if found else "by no autoscaler"
        return Outcome(Verdict.SUPERSEDED, f"{name} is kept {now}: somebody changed it.", evidence)
    if desired < arguments.at_least:
        sentence = f"{name} wants {counted(desired, 'task')} now, fewer than requested: somebody changed it."
        return Outcome(Verdict.SUPERSEDED, sentence, evidence)
    since = datetime.fromisoformat(str(context.state["since"]))
    waits = _waits_for(context, service, healthy, since, arguments.settle_seconds)
    if not waits:
        more = "" if desired <= arguments.at_most else ", after the autoscaler raised it further"
        count = "1 task runs and is" if desired == 1 else f"{desired} tasks run and are"
        return Outcome(Verdict.SUCCEEDED, f"{name}: {count} healthy{more}.", evidence)
    failed = staying.failed_since(context, name, since)
    if len(failed) >= staying.GIVE_UP_AFTER:
        causes = list(dict.fromkeys(cause_of(task).text for task in failed))
        sentence = f"{name}: {service.running} of {desired} tasks run, and {len(failed)} new ones failed: {causes[0]}."
        return Outcome(Verdict.FAILED, sentence, {**evidence, "failed": len(failed), "causes": causes})
    context.report(f"{name}: {waits}")
    return None


def _waits_for(context: Context, service: EcsService, healthy: int, since: datetime, seconds: float) -> str:
    """What is still not as it shall be; empty where all tasks are well and the new ones have stayed so."""
    desired = service.desired
    if service.running != desired or healthy < desired or service.pending:
        staying.not_well(context)
        return f"{service.running} of {desired} tasks run, {healthy} are healthy, {service.pending} start"
    if "loadBalancers" in service.unlisted:
        staying.not_well(context)
        return "ECS doesn't say whether a load balancer checks its tasks"
    tasks = [task for task in list_running_tasks(context.gateway, service.name) if task.status == "RUNNING"]
    why = staying.unchecked(context, tasks) if len(tasks) == desired else f"ECS lists {len(tasks)} of {desired} tasks"
    if why:
        staying.not_well(context)
        return why
    left = staying.seconds_left(context, tasks, since, seconds)
    return f"{desired} of {desired} tasks are healthy, and must stay so for {left:.0f} s more" if left else ""


def _commands(environment: Environment, arguments: SetCapacity) -> Sequence[str]:
    lines = []
    if arguments.minimum is not None:
        target = _target(environment, arguments)
        lines.append(_line("application-autoscaling", "RegisterScalableTarget", target, environment))
    if arguments.at_least == arguments.at_most:  # else the autoscaler brings it within its limits
        cluster, ecs_service = environment.in_ecs(arguments.service)
        wanted = {"cluster": cluster, "service": ecs_service, "desiredCount": arguments.at_least}
        lines.append(_line("ecs", "UpdateService", wanted, environment))
    return lines


def _line(service: str, operation: str, parameters: dict[str, Any], environment: Environment) -> str:
    call = Call(service, operation, parameters, datetime.now(UTC), 0.0, 0, None, is_next_page=False)
    return command_line(call, environment.region)


register(Action(SetCapacity, _apply, _is_applied, _poll, _commands))
