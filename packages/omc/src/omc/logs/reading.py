"""What the commands read of AWS: the environment's log events, and what was deployed to its services last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound, OmcError
from omc.facts.deployments import describe_deployments, list_deployments
from omc.facts.flow_log import FlowLog
from omc.facts.logs import ERRORS_QUERY
from omc.logs.addresses import read_names
from omc.logs.errors import errors_by_shape
from omc.logs.insights import ask, events_of
from omc.logs.model import Answer, Deployed, ErrorShape, Span, Statement, Talker
from omc.logs.queries import database_group
from omc.logs.statements import statements_by_shape
from omc.logs.talkers import INSIGHTS, talkers_of
from omc.model.networks import kind_of

Report = Callable[[str], None]
"""Takes what is waited for, in a few words."""


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of an environment's services in a time."""

    shapes: tuple[ErrorShape, ...]
    answer: Answer
    deployed: tuple[Deployed, ...] = ()
    unread: str = ""
    """Why the deployments couldn't be read."""


def read_errors(aws: Gateway, environment: Environment, span: Span, patience: float, report: Report) -> Errors:
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
    return Errors(shapes, answer, tuple(deployed.values()), unread)


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


NO_FLOW_LOG = (
    "The environment's VPC has no flow log in CloudWatch Logs, so who talks isn't known. The Terraform's module audit "
    "makes one (aws_flow_log); from then on records come within ten minutes."
)
NO_DATABASE_LOG = (
    "RDS exports no PostgreSQL log here, so slow statements aren't known. To have it exported: "
    'enabled_cloudwatch_logs_exports = ["postgresql"] of aws_db_instance, in the Terraform\'s module database.'
)


def read_talkers(
    aws: Gateway, environment: Environment, flow: FlowLog, span: Span, top: int, patience: float, report: Report
) -> tuple[tuple[Talker, ...], Answer]:
    """Who talks most by the flow log, with the names of what has the addresses now."""
    answer = ask(aws, [flow.log_group], INSIGHTS.format(limit=top), span, patience=patience, report=report)
    if answer.missing:
        answer = replace(answer, missing=(), gaps=(*answer.gaps, NO_FLOW_LOG))
    talkers = talkers_of(answer.rows)
    addresses = [address for each in talkers for address in (each.source, each.destination)]
    vpc = flow.resource if flow.resource.startswith("vpc-") else ""
    try:
        names = read_names(aws, environment, vpc, addresses)
    except OmcError as error:
        names, answer = {}, replace(answer, gaps=(*answer.gaps, f"What has the addresses isn't known: {error.message}"))
    others = {address: kind_of(address) for address in addresses if address not in names}
    return talkers_of(answer.rows, names | others), answer


SLOW_QUERY = """fields @timestamp, @message, @logStream, @log
| filter @message like /duration: [0-9.]+ ms|^\\s/
| sort @timestamp desc
| limit 10000"""
"""With the lines that continue others, which begin with white space."""


def read_statements(
    aws: Gateway, environment: Environment, span: Span, patience: float, report: Report
) -> tuple[tuple[Statement, ...], Answer]:
    """The slow statements that the database logged."""
    answer = ask(aws, [database_group(environment)], SLOW_QUERY, span, patience=patience, report=report)
    if answer.missing:
        return (), replace(answer, missing=(), gaps=(*answer.gaps, NO_DATABASE_LOG))
    return statements_by_shape(reversed(events_of(answer))), answer
