"""Application Auto Scaling: within which limits each service's count is kept, and what moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads

NAMESPACE: Final = "ecs"
DIMENSION: Final = "ecs:service:DesiredCount"
SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
MOST_NAMES = 50
"""DescribeScalableTargets takes so many resource ids."""


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """A service that the autoscaler keeps within limits."""

    service: str
    minimum: int
    maximum: int
    suspended: bool
    """It leaves the count alone, in one direction at least."""
    policies: tuple[str, ...]
    """Names of what moves the count within the limits."""
    suspended_out: bool = False
    """It adds no task."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Those of the environment's services that the autoscaler knows."""

    targets: tuple[ScalableTarget, ...]
    reading: Reading = NO_READING

    def of(self, service: str) -> ScalableTarget | None:
        return next((target for target in self.targets if target.service == service), None)


def resource_id(environment: Environment, service: str) -> str:
    """As Application Auto Scaling names a service of omc.toml: ``service/ohmycoins-staging/backend``."""
    return "/".join(("service", *environment.in_ecs(service)))


@reads
def read_scaling(aws: Gateway, environment: Environment) -> Scaling:
    """One call for the limits, one for the policies (of all ECS services: a call can't name several)."""
    client = aws.client("application-autoscaling")
    names = {resource_id(environment, service.name): service.name for service in environment.services}
    policies: dict[str, list[str]] = {}
    told_policies = client.get_paginator("describe_scaling_policies").paginate(ServiceNamespace=NAMESPACE)
    for policy in (policy for page in told_policies for policy in page["ScalingPolicies"]):
        policies.setdefault(policy["ResourceId"], []).append(policy["PolicyName"])
    targets: list[ScalableTarget] = []
    resources = list(names)[:MOST_NAMES]
    pages = client.get_paginator("describe_scalable_targets").paginate(
        ServiceNamespace=NAMESPACE, ResourceIds=resources, ScalableDimension=DIMENSION
    )
    for page in pages:
        targets += [
            ScalableTarget(
                service=names[payload["ResourceId"]],
                minimum=payload["MinCapacity"],
                maximum=payload["MaxCapacity"],
                suspended=any(payload.get("SuspendedState", {}).get(kind) for kind in SUSPENDED),
                policies=tuple(sorted(policies.get(payload["ResourceId"], ()))),
                suspended_out=bool(payload.get("SuspendedState", {}).get("DynamicScalingOutSuspended")),
            )
            for payload in page["ScalableTargets"]
        ]
    return Scaling(tuple(targets))
