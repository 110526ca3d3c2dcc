"""What should be there where there is no Terraform state to say so, from omc.toml, ECS and the last release.

Less than the whole: only what a name in omc.toml, a service in ECS or the last verified release leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.config import Environment
from omc.facts.alarms import Alarms
from omc.facts.expected import Thing
from omc.facts.scaling import resource_id
from omc.facts.services import Services
from omc.facts.terraform_values import group_name
from omc.model.releases import Release

OF_SERVICE = ("unhealthy", "no-healthy", "tasks-short", "cpu-high", "at-max")
OF_ENVIRONMENT = (
    *("rds-connections-high", "rds-no-data", "alb-5xx-percent", "alb-elb-5xx", "redis-hit-rate-low", "heartbeat"),
    "alert-delivery",
)
"""The alarms that this project's Terraform makes, by what follows ``alarm_prefix`` in their names."""
OPTIONAL = frozenset({"heartbeat"})
"""Only where a responder runs."""


def without_state(
    environment: Environment, services: Services | None, alarms: Alarms | None, release: Release | None
) -> tuple[Thing, ...]:
    """None stands for what could not be read: nothing follows from it."""
    found = [*_of_toml(environment)]
    if services:
        found += _of_services(environment, services)
    if alarms:
        found += _of_alarms(environment, alarms)
    if release:
        found += _of_release(environment, release)
    return tuple({(thing.type, thing.keys[0]): thing for thing in reversed(found)}.values())[::-1]


def _of_toml(environment: Environment) -> Iterator[Thing]:
    for service in environment.services:
        if not service.scales:
            continue
        limits = {"min_capacity": service.minimum, "max_capacity": service.maximum}
        name = resource_id(environment, service.name)
        yield Thing("aws_appautoscaling_target", {"resource_id": name, **limits}, is_optional=True)


def _of_services(environment: Environment, services: Services) -> Iterator[Thing]:
    """Where a service sends its requests, and the alarms that its deployments are to heed."""
    for service in services.services:
        alarms = {"alarm_names": [*service.alarms, *service.alarms_off], "enable": True}
        values: dict[str, Any] = _in_ecs(environment, service.name)
        yield Thing("aws_ecs_service", values | ({"alarms": [alarms]} if alarms["alarm_names"] else {}))
        for arn in service.target_groups:
            yield Thing("aws_lb_target_group", {"name": group_name(arn)})


def _in_ecs(environment: Environment, service: str) -> dict[str, Any]:
    cluster, ecs_service = environment.in_ecs(service)
    return {"name": ecs_service, "cluster": cluster}


def _of_alarms(environment: Environment, alarms: Alarms) -> Iterator[Thing]:
    """Alarms that have actions should take them. Names of the table count where most of the table is there: another
    team's alarms are called otherwise."""
    ours = {alarm.name: alarm for alarm in alarms.alarms if alarm.name.startswith(environment.alarm_prefix)}
    for alarm in ours.values():
        if alarm.actions:
            yield _alarm(alarm.name, is_composite=alarm.kind == "composite")
    ends = [*OF_ENVIRONMENT, *(f"{service.name}-{end}" for service in environment.services for end in OF_SERVICE)]
    table = [f"{environment.alarm_prefix}{end}" for end in ends if end not in OPTIONAL]
    if 2 * sum(name in ours for name in table) > len(table):
        yield from (_alarm(name, is_composite=name.endswith("-at-max")) for name in table if name not in ours)


def _alarm(name: str, *, is_composite: bool) -> Thing:
    return Thing(
        "aws_cloudwatch_composite_alarm" if is_composite else "aws_cloudwatch_metric_alarm", {"alarm_name": name}
    )


def _of_release(environment: Environment, release: Release) -> Iterator[Thing]:
    """The services that were verified together, and the log groups that their revisions write to."""
    for name, service in release.services.items():
        yield Thing("aws_ecs_service", _in_ecs(environment, name))
        for container in service.definition.get("containerDefinitions") or ():
            options: Mapping[str, Any] = (container.get("logConfiguration") or {}).get("options") or {}
            if group := options.get("awslogs-group"):
                yield Thing("aws_cloudwatch_log_group", {"name": str(group)})
