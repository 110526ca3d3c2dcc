"""One service while it is being rolled: the service, the deployment that is watched, its tasks, its targets.

Read again and again by the code that waits for a deployment, so it asks no more than it needs to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.deployments import ServiceDeployment, describe_deployments, list_deployments
from omc.facts.load_balancers import Target, describe_targets
from omc.facts.services import EcsService, describe_service
from omc.facts.tasks import RunningTask, list_running_tasks


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
    """Of all its target groups, those that are draining left out."""


def read_rollout(aws: Gateway, service: str, ours: str = "") -> Rollout:
    """Everything, side by side. ``ours``: the ARN of the deployment that is watched."""
    reads: list[Callable[[], Any]] = [
        lambda: describe_service(aws, service),
        lambda: _deployments(aws, service, ours),
        lambda: list_running_tasks(aws, service),
    ]
    described, deployments, tasks = parallel_map(lambda read: read(), reads)
    targets = parallel_map(lambda arn: describe_targets(aws, arn), described.target_groups) if described else []
    by_arn = {deployment.arn: deployment for deployment in deployments}
    return Rollout(
        service=described,
        ours=by_arn.get(ours),
        newest=deployments[0] if deployments else None,
        tasks=tasks,
        targets=tuple(target for group in targets for target in group if target.state != "draining"),
    )


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
