"""Somebody keeps a service's autoscaling from adding tasks: it is suspended, or its maximum is what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.faults import developer, releasing
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.values import choice

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SUSPENDED, CAPPED = "suspended", "capped"
ECS: dict[str, Any] = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    how = choice(settings, "how", (SUSPENDED, CAPPED))
    scaling = developer.client(cloud, "application-autoscaling")
    service = settings["service"] or releasing.the_service(developer.client(cloud, "ecs"))
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    target = next((each for each in targets if each["ResourceId"].rpartition("/")[2] == service), None)
    if target is None:
        raise AwsError("ValidationError", f"Application Auto Scaling has no scalable target for the service {service}.")
    memory: Memory = {
        "target": target["ResourceId"],
        "maximum": target["MaxCapacity"],
        "suspended": target["SuspendedState"]["DynamicScalingOutSuspended"],
    }
    changed: dict[str, Any] = {"SuspendedState": {"DynamicScalingOutSuspended": True}}
    if how == CAPPED:
        changed = {"MaxCapacity": target["MinCapacity"]}
    scaling.register_scalable_target(**ECS, ResourceId=target["ResourceId"], **changed)
    return memory


def _stop(cloud: Cloud, memory: Memory) -> None:
    scaling = developer.client(cloud, "application-autoscaling")
    found = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[memory["target"]])["ScalableTargets"]
    if found:
        scaling.register_scalable_target(
            **ECS,
            ResourceId=memory["target"],
            MaxCapacity=max(memory["maximum"], found[0]["MinCapacity"]),
            SuspendedState={"DynamicScalingOutSuspended": memory["suspended"]},
        )


FAULTS = (
    Fault(
        "scaling-held",
        "RegisterScalableTarget is called for a service: its scaling out is suspended, or its maximum set to its "
        "minimum.",
        "Under load the alarm of its target tracking goes off and no task is added; CloudTrail shows who did it.",
        _start,
        _stop,
        {
            "service": Setting("", "the ECS service; the only one that reads secrets, if left out"),
            "how": Setting(SUSPENDED, f"{SUSPENDED} or {CAPPED}"),
        },
    ),
)
