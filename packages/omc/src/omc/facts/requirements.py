"""What a task definition names and a task can't start without: secrets, log groups, roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.candidates import MAX_CANDIDATES, Candidates
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, Definitions
from omc.facts.releases import Ledger

TASKS = "ecs-tasks.amazonaws.com"
"""Who assumes a task's roles."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Why each of those that are missing is, by what names it."""

    problems: Mapping[str, str]
    """ARN or name of a secret, parameter, log group or role, to what is wrong with it; only those with a problem."""
    looked_at: int = 0
    reading: Reading = NO_READING


@reads
def read_requirements(aws: Gateway, definitions: Definitions) -> Requirements:
    """One call each for what the running revisions, and Terraform's newest, name; each is asked for once."""
    wanted = [*definitions.running.values(), *definitions.applied.values(), *definitions.migrating.values()]
    return Requirements(*_problems(aws, wanted))


@dataclass(frozen=True, slots=True)
class CandidateNeeds:
    """The same of the revisions that could be gone back to."""

    problems: Mapping[str, str]
    reading: Reading = NO_READING


@reads
def read_candidate_needs(aws: Gateway, candidates: Candidates, ledger: Ledger) -> CandidateNeeds:
    """Revisions of a family mostly name the same things, and each is asked for once."""
    forgotten = [
        Definition(service.task_definition, "", "DELETED", service.definition)
        for release in ledger.releases[:MAX_CANDIDATES]
        for service in release.services.values()
        if service.definition and service.task_definition not in candidates.definitions
    ]
    return CandidateNeeds(_problems(aws, [*candidates.definitions.values(), *forgotten])[0])


def _problems(aws: Gateway, definitions: Iterable[Definition]) -> tuple[dict[str, str], int]:
    named = sorted({need for definition in definitions for need in needs_of(definition)})
    found = parallel_map(lambda need: _problem(aws, *need), named)
    return {name: problem for (_, name), problem in zip(named, found, strict=True) if problem}, len(named)


def needs_of(definition: Definition) -> list[tuple[str, str]]:
    """(kind, name) of all that a revision can't start without; kinds: secret, parameter, log group, role."""
    needs: list[tuple[str, str]] = []
    for container in definition.body["containerDefinitions"]:
        needs += [_secret(secret["valueFrom"]) for secret in container.get("secrets", [])]
        options = container.get("logConfiguration", {}).get("options", {})
        if "awslogs-group" in options and options.get("awslogs-create-group") != "true":
            needs.append(("log group", options["awslogs-group"]))
    needs += [("role", definition.body[key]) for key in ("executionRoleArn", "taskRoleArn") if definition.body.get(key)]
    return list(dict.fromkeys(needs))


def _secret(value_from: str) -> tuple[str, str]:
    """Secrets Manager's ARN without the JSON key, version stage and id that may follow it; else a parameter."""
    if value_from.startswith("arn:") and value_from.split(":")[2] == "secretsmanager":
        return "secret", ":".join(value_from.split(":")[:7])
    return "parameter", value_from


def _problem(aws: Gateway, kind: str, name: str) -> str:
    if kind == "secret":
        return _secret_problem(aws, name)
    if kind == "parameter":
        return _parameter_problem(aws, name)
    if kind == "role":
        return _role_problem(aws, name)
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return "" if any(group.get("logGroupName") == name for group in groups) else f"The log group {name} does not exist."


def _secret_problem(aws: Gateway, arn: str) -> str:
    name = arn.rpartition(":secret:")[2]
    try:
        response: Any = aws.client("secretsmanager").describe_secret(SecretId=arn)
    except NotFound:
        return f"The secret {name} does not exist."
    return f"The secret {name} is scheduled for deletion." if response.get("DeletedDate") else ""


def _parameter_problem(aws: Gateway, provided: str) -> str:
    name = provided.partition(":parameter")[2] if provided.startswith("arn:") else provided
    filters: Any = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    found = aws.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
    return "" if found else f"The parameter {name} does not exist."


def _role_problem(aws: Gateway, arn: str) -> str:
    name = arn.rpartition("/")[2]
    try:
        response: Any = aws.client("iam").get_role(RoleName=name)["Role"]
    except NotFound:
        return f"The role {name} does not exist."
    document: Any = response.get("AssumeRolePolicyDocument", {})
    if isinstance(document, str):
        document = json.loads(unquote(document))
    return "" if TASKS in set(_principals(document)) else f"The role {name} does not trust {TASKS}, so no task gets it."


def _principals(document: Mapping[str, Any]) -> Iterable[str]:
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal: Any = statement.get("Principal", {})
        services: Any = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow":
            yield from [services] if isinstance(services, str) else services
