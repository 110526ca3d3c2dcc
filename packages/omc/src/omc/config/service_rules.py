"""What the keys of ``[services]``, ``[jobs]`` and an environment's own services must be together."""

from __future__ import annotations

from collections.abc import Iterator

from omc.config.environment_tables import EnvironmentTable
from omc.config.mistakes import shown
from omc.config.names import filled, name_problem, names_of, placeholder_values, services_in
from omc.config.service_tables import JobTable, ServiceKeys
from omc.config.tables import StackTable
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean

Problem = tuple[KeyPath, str]
SCALING = ("minimum", "maximum", "cpu_target")


def service_problems(stack: StackTable) -> Iterator[Problem]:
    """Each service as it is in each environment: what is wrong in all of them is told of the first."""
    for job in stack.jobs:
        if job in stack.services:
            yield ("jobs", job), "is a service's name already; a job needs another."
    for name, environment in stack.environments.items():
        for service in environment.services:
            if service not in stack.services:
                known = ", ".join(stack.services)
                message = f"is not in [services]; there are {known}.{did_you_mean(service, list(stack.services))}"
                yield ("environments", name, "services", service), message
    for name, environment in stack.environments.items():
        services = services_in(environment, stack)
        if not services:
            yield ("environments", name, "services"), "leaves no service; an environment has at least one."
        for service, table in services.items():
            own = environment.services.get(service)
            for key, problem in (*_keys(table, own), *_names(service, table, name, environment, stack)):
                is_own = own is not None and getattr(own, key, None) is not None
                place: KeyPath = ("environments", name, "services", service) if is_own else ("services", service)
                yield (*place, key), problem
        for job, of_job in stack.jobs.items():
            for key, problem in _names(job, of_job, name, environment, stack):
                yield ("jobs", job, key), problem
        yield from _twice(name, environment, stack)


def _keys(table: ServiceKeys, own: ServiceKeys | None) -> Iterator[tuple[str, str]]:
    """``own``: what the environment says of it."""
    written = [key for key in SCALING if getattr(table, key) is not None]
    if written and len(written) < len(SCALING):
        missing = " and ".join(key for key in SCALING if key not in written)
        yield written[0], f"needs {missing} beside it; with none of the three no autoscaling is expected."
    elif table.memory_target is not None and not written:
        yield "memory_target", f"needs {', '.join(SCALING[:-1])} and {SCALING[-1]} beside it."
    if table.minimum is not None and table.maximum is not None and table.minimum > table.maximum:
        if own is not None and own.maximum is not None and own.minimum is None:
            yield "maximum", f"is {table.maximum}, less than minimum, which is {table.minimum}."
        else:
            yield "minimum", f"is {table.minimum}, more than maximum, which is {table.maximum}."
    for key in ("status_path", "public_path"):
        if table.port is None and (path := getattr(table, key)):
            yield key, f"is {shown(path)}, and the service has no port."
    if table.connections == ():
        yield "connections", "is empty; write a number, or names of variables."
    groups = table.target_group
    if isinstance(groups, tuple) and len(set(groups)) < len(groups):
        yield "target_group", "names a target group twice."


def _names(
    name: str, table: ServiceKeys | JobTable, of_environment: str, environment: EnvironmentTable, stack: StackTable
) -> Iterator[tuple[str, str]]:
    values = {**placeholder_values(of_environment, environment, stack), "service": name}
    for key, names in names_of(table, environment.cluster or values["prefix"]).items():
        for each in names:
            if problem := name_problem(key, each, values):
                yield key, problem


def _twice(name: str, environment: EnvironmentTable, stack: StackTable) -> Iterator[Problem]:
    """One ECS service is one service here: two of them would each be deployed over the other."""
    owners: dict[tuple[str, str], str] = {}
    for service, table in services_in(environment, stack).items():
        values = {**placeholder_values(name, environment, stack), "service": service}
        names = names_of(table, environment.cluster or values["prefix"])
        cluster, ecs_service = (filled(names[key][0], values) for key in ("cluster", "ecs_service"))
        owner = owners.setdefault((cluster, ecs_service), service)
        if owner != service:
            message = f"is {shown(ecs_service)} in the cluster {cluster}, as {owner}'s is; each needs one of its own."
            yield ("services", service, "ecs_service"), message
