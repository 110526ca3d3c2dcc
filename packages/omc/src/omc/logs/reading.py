"""What the commands read of AWS: the environment's log events, and what was deployed to its services last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound, OmcError
from omc.facts.deployments import describe_deployments, list_deployments
from omc.facts.logs import ERRORS_QUERY
from omc.logs.errors import errors_by_shape
from omc.logs.insights import ask, events_of
from omc.logs.model import Answer, Deployed, ErrorShape, Span


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of an environment's services in a time."""

    shapes: tuple[ErrorShape, ...]
    span: Span
    answer: Answer
    deployed: tuple[Deployed, ...] = ()
    unread: str = ""
    """Why the deployments couldn't be read."""


def read_errors(
    aws: Gateway, environment: Environment, span: Span, patience: float, report: Callable[[str], None]
) -> Errors:
    """The newest 10,000 error lines of the services' log groups, by shape."""
    services = {service.log_group: service.name for service in environment.services}
    answer = ask(aws, list(services), ERRORS_QUERY, span, patience=patience, report=report)
    deployed: dict[str, Deployed] = {}
    unread = ""
    try:
        deployed = last_deployments(aws, environment)
    except OmcError as error:
        unread = error.message
    shapes = errors_by_shape(events_of(answer), deployed, services, span.begin)
    return Errors(shapes, span, answer, tuple(deployed.values()), unread)


def last_deployments(aws: Gateway, environment: Environment) -> dict[str, Deployed]:
    """By service, of which ECS still knows one: it forgets them after ninety days."""

    def newest(service: str) -> Deployed | None:
        try:
            found = describe_deployments(aws, list_deployments(aws, service, 1))
        except NotFound:
            return None
        state = found[0].status.lower().replace("_", " ") if found else ""
        return Deployed(service, found[0].task_definition, found[0].created, state) if found else None

    names = [service.name for service in environment.services]
    return {each.service: each for each in parallel_map(newest, names) if each}
