"""What the load balancer gives its targets: idle timeout, draining, and what it answered in their place lately."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import describe_definition
from omc.facts.followup.budget import BUDGET, within
from omc.facts.followup.gauges import Points
from omc.facts.image_labels import keep_alive
from omc.facts.load_balancers import LoadBalancer, LoadBalancers, TargetGroups
from omc.facts.metric_data import metric_data
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

MINUTES = 20
"""How far back the load balancer's own 502 are counted."""
IDLE_TIMEOUT = "idle_timeout.timeout_seconds"
DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True, slots=True)
class BalancerSettings:
    """In the names of ELB, as far as it answered."""

    idle: Mapping[str, float] = field(default_factory=dict)
    """By load balancer: seconds for which it keeps an idle connection to a target."""
    delays: Mapping[str, float] = field(default_factory=dict)
    """By target group: seconds for which a target that leaves may finish its requests."""
    bad_gateways: Points = ()
    """Its own 502 by the minute: a target ended the connection, or answered no HTTP."""
    unreached: Points = ()
    """Connections that a target took none of, by the minute."""
    keep_alives: Mapping[str, float] = field(default_factory=dict)
    """By service: seconds for which its server keeps an idle connection, by its images' labels. Only read where there
    are 502."""
    reading: Reading = NO_READING


@reads
def read_balancer_settings(
    aws: Gateway, balancers: LoadBalancers, groups: TargetGroups, services: Services, scope: Scope
) -> BalancerSettings:
    """A call for each load balancer and target group, and one GetMetricData, side by side."""

    def read() -> BalancerSettings:
        ours = [one for one in balancers.load_balancers if one.kind == "application"]
        parts: list[Callable[[], Any]] = [
            lambda: parallel_map(lambda one: _attributes(aws, "load_balancer", one.arn), ours),
            lambda: parallel_map(lambda one: _attributes(aws, "target_group", one.arn), groups.groups),
            lambda: _figures(aws, ours, scope),
        ]
        of_balancers, of_groups, figures = parallel_map(lambda part: part(), parts)
        by_name = {one.name: given for one, given in zip(ours, of_balancers, strict=True)}
        failed = any(value for _, value in figures["HTTPCode_ELB_502_Count"])
        return BalancerSettings(
            {name: float(given[IDLE_TIMEOUT]) for name, given in by_name.items() if IDLE_TIMEOUT in given},
            {
                group.name: float(given[DELAY])
                for group, given in zip(groups.groups, of_groups, strict=True)
                if DELAY in given
            },
            figures["HTTPCode_ELB_502_Count"],
            figures["TargetConnectionErrorCount"],
            _keep_alives(aws, services.services) if failed else {},
        )

    return within(BUDGET, "the load balancer's settings", read)


def _attributes(aws: Gateway, kind: str, arn: str) -> dict[str, str]:
    client = aws.client("elbv2")
    answer: Any = (
        client.describe_load_balancer_attributes(LoadBalancerArn=arn)
        if kind == "load_balancer"
        else client.describe_target_group_attributes(TargetGroupArn=arn)
    )
    return {each.get("Key", ""): each.get("Value", "") for each in answer["Attributes"]}


def _figures(aws: Gateway, balancers: Sequence[LoadBalancer], scope: Scope) -> dict[str, Points]:
    names = ("HTTPCode_ELB_502_Count", "TargetConnectionErrorCount")
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"m{number}_{each}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": name,
                    "Dimensions": [{"Name": "LoadBalancer", "Value": one.dimension}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for number, one in enumerate(balancers)
        for each, name in enumerate(names)
    ]
    begin = (scope.now - timedelta(minutes=MINUTES)).replace(second=0, microsecond=0)
    series = metric_data(aws, queries, begin, scope.now)
    found: dict[str, Points] = {}
    for each, name in enumerate(names):
        points: dict[Any, float] = {}
        for identifier, some in series.items():
            for at, value in some if identifier.endswith(f"_{each}") else ():
                points[at.astimezone(UTC)] = points.get(at.astimezone(UTC), 0.0) + value
        found[name] = tuple(sorted(points.items()))
    return found


def _keep_alives(aws: Gateway, services: Sequence[EcsService]) -> dict[str, float]:
    """What can't be read says nothing."""

    def of(service: EcsService) -> float | None:
        try:
            definition = describe_definition(aws, service.task_definition) if service.task_definition else None
            found = [keep_alive(aws, image) for image in definition.images.values()] if definition else []
        except OmcError:
            return None
        return next((each for each in found if each is not None), None)

    values = parallel_map(of, services)
    return {service.name: value for service, value in zip(services, values, strict=True) if value is not None}
