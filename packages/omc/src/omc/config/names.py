"""Names of AWS's resources as omc.toml writes them: the placeholders in them, and what AWS allows. Pure.

Where a name is one that follows from defaults it is checked as well: a long prefix makes names that AWS never takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import asdict

from omc.config.environment_tables import EnvironmentTable
from omc.config.service_tables import JobTable, ServiceKeys, ServiceTable
from omc.config.tables import StackTable
from omc.errors import did_you_mean

PLACEHOLDERS = ("name", "environment", "prefix", "service", "account")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_ECS = r"[A-Za-z0-9_-]{1,255}"
_ECS_WORDS = "letters, digits, hyphens and underscores, 255 at most"


@dataclass(frozen=True, slots=True)
class NameRule:
    """What AWS takes as the name of something."""

    what: str
    pattern: str
    allowed: str


RULES: Mapping[str, NameRule] = {
    # Amazon ECS, CreateService, CreateCluster, RegisterTaskDefinition and ContainerDefinition
    "ecs_service": NameRule("an ECS service", _ECS, _ECS_WORDS),
    "cluster": NameRule("an ECS cluster", _ECS, _ECS_WORDS),
    "family": NameRule("a task definition's family", _ECS, _ECS_WORDS),
    "migrate_family": NameRule("a task definition's family", _ECS, _ECS_WORDS),
    "container": NameRule("a container", _ECS, _ECS_WORDS),
    # Elastic Load Balancing, CreateTargetGroup and CreateLoadBalancer
    "target_group": NameRule(
        "a target group",
        r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)",
        "letters, digits and hyphens, 32 at most, no hyphen at either end",
    ),
    "load_balancer": NameRule(
        "a load balancer",
        r"(?!-|internal-)[A-Za-z0-9-]{1,32}(?<!-)",
        'letters, digits and hyphens, 32 at most, no hyphen at either end, and no "internal-" at the beginning',
    ),
    # CloudWatch Logs, LogGroupName of its model
    "log_group": NameRule("a log group", r"[A-Za-z0-9_./#-]{1,512}", "letters, digits and _ - / . #, 512 at most"),
    # EventBridge's RuleName, EventBridge Scheduler's ScheduleGroupName and Name
    "schedule": NameRule(
        "a rule or a schedule",
        r"(?:[A-Za-z0-9_.-]{1,64}/)?[A-Za-z0-9_.-]{1,64}",
        "letters, digits and _ - ., 64 at most, after a group's name and a slash where there is a group",
    ),
}


def filled(template: str, values: Mapping[str, str]) -> str:
    """The name, with a value in place of each placeholder that has one."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)


def name_problem(key: str, template: str, values: Mapping[str, str]) -> str:
    """What is wrong with a name, as the rest of a sentence that begins with its key; empty where nothing is."""
    for placeholder in _PLACEHOLDER.findall(template):
        if placeholder not in PLACEHOLDERS:
            near = did_you_mean(placeholder, PLACEHOLDERS)
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            return f'is "{template}", and there is no {{{placeholder}}}; there are {known}.{near}'
        if placeholder not in values:
            return f'is "{template}", and the environment has no account in this file; set account = "123456789012".'
    rule, name = RULES[key], filled(template, values)
    if re.fullmatch(rule.pattern, name):
        return ""
    comes_to = "" if name == template else f', which comes to "{name}"'
    return f'is "{template}"{comes_to}; the name of {rule.what} is {rule.allowed}.'


def placeholder_values(name: str, environment: EnvironmentTable, stack: StackTable) -> dict[str, str]:
    """What the placeholders of an environment stand for; ``service`` is added for each one."""
    values = {"name": stack.name, "environment": name, "prefix": environment.prefix or f"{stack.name}-{name}"}
    return values | ({"account": environment.account} if environment.account else {})


def services_in(environment: EnvironmentTable, stack: StackTable) -> dict[str, ServiceKeys]:
    """The services of an environment, each with what is different there."""
    found: dict[str, ServiceKeys] = {}
    for name, table in stack.services.items():
        own = environment.services.get(name)
        if own is None:
            found[name] = table
        elif not own.absent:
            written = {key: value for key, value in asdict(own).items() if value is not None and key != "absent"}
            found[name] = ServiceTable(**{**asdict(table), **written})
    return found


def names_of(table: ServiceKeys | JobTable, cluster: str) -> dict[str, list[str]]:
    """Each name of a service or a job with its placeholders, by the key; those of defaults too."""
    names = {
        "cluster": [table.cluster or cluster],
        "family": [table.family or "{name}-{service}"],
        "container": [table.container or "{service}"],
        "log_group": [table.log_group or "/ecs/{prefix}/{service}"],
    }
    if isinstance(table, JobTable):
        return names | {"schedule": [table.schedule] if table.schedule else []}
    groups = table.target_group
    if groups is None:
        groups = "{prefix}-{service}" if table.port else ()
    return names | {
        "ecs_service": [table.ecs_service or "{service}"],
        "target_group": [groups] if isinstance(groups, str) else list(groups),
        "migrate_family": [table.migrate_family] if table.migrate_family else [],
    }
