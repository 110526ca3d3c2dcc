"""One service while it is being rolled: the service, the deployment that is watched, its tasks, its targets.

Read again and again by the code that waits for a deployment, so it asks no more than it needs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.deployments import ServiceDeployment, describe_deployments, list_deployments
from omc.facts.load_balancers import Target, describe_targets
from omc.facts.services import EcsService, describe_service
from omc.facts.tasks import RunningTask, list_running_tasks
from omc.facts.terraform_values import group_name


@dataclass(frozen=True, slots=True)
class Rollout:
    """A service at one moment."""

    service: EcsService | None
    """None: it does not exist."""
    ours: ServiceDeployment | None
    """The deployment that is watched; None where none is, or ECS doesn't know it."""
    newest: ServiceDeployment | None
    tasks: tuple[RunningTask, ...] = ()
    targets: tuple[Target, ...] = ()
    """Its own in all its target groups, those that are draining left out."""


def read_rollout(aws: Gateway, service: str, ours: str = "") -> Rollout:
    """Everything, side by side. ``ours``: the ARN of the deployment that is watched."""
    reads: list[Callable[[], Any]] = [
        lambda: describe_service(aws, service),
        lambda: _deployments(aws, service, ours),
        lambda: list_running_tasks(aws, service),
    ]
    described, deployments, tasks = parallel_map(lambda read: read(), reads)
    groups = described.target_groups if described else ()
    targets = parallel_map(lambda arn: own_targets(aws, service, arn, tasks), groups)
    by_arn = {deployment.arn: deployment for deployment in deployments}
    return Rollout(
        service=described,
        ours=by_arn.get(ours),
        newest=deployments[0] if deployments else None,
        tasks=tasks,
        targets=tuple(target for group in targets for target in group if target.state != "draining"),
    )


def own_targets(aws: Gateway, service: str, group: str, tasks: Sequence[RunningTask]) -> tuple[Target, ...]:
    """The targets of a group (its ARN); of one that other services share, those that are this service's tasks."""
    found = describe_targets(aws, group)
    if not aws.environment.shares_group(service, group_name(group)):
        return found
    own = {address for task in tasks for address in task.addresses}
    return tuple(target for target in found if target.id in own)


def healthy_tasks(aws: Gateway, service: EcsService) -> int:
    """Tasks that a load balancer finds healthy, in the target group that has fewest; those that run, without one."""
    groups, counts = service.target_groups, [service.running]
    is_shared = any(aws.environment.shares_group(service.name, group_name(arn)) for arn in groups)
    tasks = list_running_tasks(aws, service.name) if is_shared else ()
    for arn in groups:
        states = [target.state for target in own_targets(aws, service.name, arn, tasks)]
        counts.append(states.count("healthy"))
    return min(counts)


def _deployments(aws: Gateway, service: str, ours: str) -> tuple[ServiceDeployment, ...]:
    try:
        newest = list_deployments(aws, service, 1)
    except NotFound:
        return ()
    arns = list(dict.fromkeys([*newest, *([ours] if ours else [])]))
    found = describe_deployments(aws, arns) if arns else ()
    if newest == (ours,) and any(each.status == "STOPPED" for each in found):
        # What stopped it may have been made between the two calls.
        later = list_deployments(aws, service, 1)
        found = found if later == newest else describe_deployments(aws, [*later, ours])
    return found
