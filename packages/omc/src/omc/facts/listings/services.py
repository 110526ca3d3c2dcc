"""ECS clusters and services, and what moves their counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.aws.batches import batches
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.expected import Thing
from omc.facts.listings.common import Facts, Wanted, fact, named
from omc.facts.scaling import DIMENSION, MOST_NAMES, NAMESPACE
from omc.facts.services import EcsService, Services, services_of
from omc.facts.terraform_values import tail


def services(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """Those that omc.toml doesn't name are asked for as well."""
    known: Services = fact(facts.services)
    environment = aws.environment
    gone = known.missing_clusters or ((environment.cluster,) if known.cluster_missing else ())
    here = {environment.cluster, *(service.cluster for service in environment.services)}
    yield from (Thing("aws_ecs_cluster", {"name": cluster}) for cluster in sorted(here.difference(gone)))
    requested = {(service.cluster, service.ecs_service) for service in environment.services}
    others: dict[str, list[str]] = {}
    for thing in wanted:
        if thing.type == "aws_ecs_cluster" and thing.values.get("name") not in here:
            others.setdefault(str(thing.values["name"]), [])
        if thing.type == "aws_ecs_service":
            where, name = tail(thing.values.get("cluster")), str(thing.values.get("name"))
            if (where, name) not in requested:
                others.setdefault(where, []).append(name)
    yield from (_service(*environment.in_ecs(service.name), service) for service in known.services)
    for where, names in others.items():
        if where in gone:
            continue
        try:
            yield from (_service(where, one.name, one) for one in services_of(aws, where, sorted(set(names))))
        except NotFound:
            continue
        if where not in here:
            yield Thing("aws_ecs_cluster", {"name": where})


def _service(cluster: str, name: str, service: EcsService) -> Thing:
    names = [*service.alarms, *service.alarms_off]
    is_gone = service.status == "INACTIVE"
    return Thing(
        "aws_ecs_service",
        {
            "name": f"{name} (deleted)" if is_gone else name,
            "cluster": cluster,
            "alarms": [{"alarm_names": names, "enable": bool(service.alarms)}] if names else [],
            "deployment_circuit_breaker": [{"enable": service.breaker, "rollback": service.breaker}],
            "load_balancer": [{"target_group_arn": arn} for arn in service.target_groups],
        },
    )


def scaling(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    client = aws.client("application-autoscaling")
    for some in batches(named(wanted, "resource_id"), MOST_NAMES):
        pages = client.get_paginator("describe_scalable_targets").paginate(
            ServiceNamespace=NAMESPACE, ResourceIds=list(some), ScalableDimension=DIMENSION
        )
        for one in (one for page in pages for one in page["ScalableTargets"]):
            state = one["SuspendedState"]
            off = {
                "dynamic_scaling_in_suspended": state["DynamicScalingInSuspended"],
                "dynamic_scaling_out_suspended": state["DynamicScalingOutSuspended"],
                "scheduled_scaling_suspended": state["ScheduledScalingSuspended"],
            }
            limits = {"min_capacity": one["MinCapacity"], "max_capacity": one["MaxCapacity"]}
            yield Thing(
                "aws_appautoscaling_target", {"resource_id": one["ResourceId"], **limits, "suspended_state": [off]}
            )


def policies(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """Of all ECS services: a call can't name several."""
    client = aws.client("application-autoscaling")
    pages = client.get_paginator("describe_scaling_policies").paginate(ServiceNamespace=NAMESPACE)
    for one in (one for page in pages for one in page["ScalingPolicies"]):
        record: Mapping[str, Any] = {**one.get("TargetTrackingScalingPolicyConfiguration", {})}
        metric = record.get("PredefinedMetricSpecification") or {}
        settings = {
            "target_value": record.get("TargetValue"),
            "disable_scale_in": record.get("DisableScaleIn", False),
            "predefined_metric_specification": [{"predefined_metric_type": metric.get("PredefinedMetricType")}],
        }
        yield Thing(
            "aws_appautoscaling_policy",
            {
                "name": one["PolicyName"],
                "resource_id": one["ResourceId"],
                "target_tracking_scaling_policy_configuration": [settings] if record else [],
            },
        )
