"""What IAM's own simulation says of each command's operations, for whoever calls.

It judges identity policies, permission boundaries and the organisation's policies. It leaves out resource policies,
the policies of a session and of VPC endpoints: what is allowed here can still be refused by those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.command_permissions import Need, needs_of_commands
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AccessDenied, AwsRefused, NotFound
from omc.facts.account import Caller
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.project import Project

PASSED_TO = "ecs-tasks.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Decision:
    """On one action and one resource."""

    action: str
    resource: str
    decision: str
    """allowed, implicitDeny or explicitDeny."""
    missing_context: tuple[str, ...] = ()
    """Condition keys of policies for which the simulation had no value: a real call may have one."""
    by_organisation: bool = False
    """Denied by a policy of the organisation."""
    by_boundary: bool = False


@dataclass(frozen=True, slots=True)
class Permissions:
    """By command, in the order of the table."""

    principal: str
    """The ARN that was simulated."""
    of: Mapping[str, tuple[Decision, ...]]
    unrestricted: bool = False
    """The account's root user, which no policy of its own restricts: nothing was simulated."""
    unknown: str = ""
    """Why nothing is known; else empty."""
    missing_action: str = ""
    """The IAM action whose lack made it unknown."""
    reading: Reading = NO_READING
    unanswered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By command, the actions of which the simulation said nothing."""


@reads
def read_permissions(aws: Gateway, environment: Environment, caller: Caller, project: Project) -> Permissions:
    """A call for each kind of resource, side by side; one more for a role, whose ARN the session's doesn't give."""
    needs = needs_of_commands(environment, project.stack, caller.partition, caller.account)
    if caller.kind == "root":
        return Permissions(caller.arn, dict.fromkeys(needs, ()), unrestricted=True)
    if caller.kind not in ("user", "assumed-role"):
        return Permissions(caller.arn, {}, unknown=f"IAM simulates users and roles, and {caller.arn} is neither.")
    principal = _principal(aws, caller)
    groups: dict[tuple[tuple[str, ...], bool], set[str]] = {}
    for need in {need for some in needs.values() for need in some}:
        groups.setdefault((need.resources, need.is_global), set()).add(need.action)
    try:
        answers = parallel_map(
            lambda group: _simulate(aws, principal, sorted(groups[group]), group, environment, caller), sorted(groups)
        )
    except AccessDenied as error:
        return Permissions(principal, {}, unknown=error.message, missing_action=error.action)
    except NotFound:
        return Permissions(principal, {}, unknown=f"IAM doesn't know {principal}: the role may have another path.")
    except AwsRefused as error:
        return Permissions(principal, {}, unknown=error.message)
    found = {(one.action.lower(), one.resource): one for answer in answers for one in answer}
    return Permissions(
        principal,
        {command: tuple(_of(found, some)) for command, some in needs.items()},
        unanswered={
            command: missing
            for command, some in needs.items()
            if (missing := tuple(need.action for need in some if not _covered(found, need)))
        },
    )


def _of(found: Mapping[tuple[str, str], Decision], needs: Iterable[Need]) -> Iterable[Decision]:
    for need in needs:
        yield from (found[key] for each in need.resources if (key := (need.action.lower(), each)) in found)


def _covered(found: Mapping[tuple[str, str], Decision], need: Need) -> bool:
    return all((need.action.lower(), each) in found for each in need.resources)


def _principal(aws: Gateway, caller: Caller) -> str:
    """The user, or the role behind the session: IAM tells its path, which the session's ARN lacks."""
    if caller.kind == "user":
        return caller.arn
    try:
        return aws.client("iam").get_role(RoleName=caller.name)["Role"]["Arn"]
    except (AccessDenied, NotFound):
        return f"arn:{caller.partition}:iam::{caller.account}:role/{caller.name}"


def _simulate(
    aws: Gateway,
    principal: str,
    actions: list[str],
    group: tuple[tuple[str, ...], bool],
    environment: Environment,
    caller: Caller,
) -> list[Decision]:
    resources, is_global = group
    context: Any = [
        _entry("aws:RequestedRegion", caller.home if is_global else environment.region),
        _entry("iam:PassedToService", PASSED_TO),
        _entry("aws:SecureTransport", "true", "boolean"),
    ]
    pages = (
        aws.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(PolicySourceArn=principal, ActionNames=actions, ResourceArns=list(resources), ContextEntries=context)
    )
    return [
        decision
        for page in pages
        for payload in page["EvaluationResults"]
        for decision in _decisions(payload, resources)
    ]


def _entry(name: str, value: str, kind: str = "string") -> Mapping[str, Any]:
    return {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": kind}


def _decisions(payload: Any, resources: tuple[str, ...]) -> Iterable[Decision]:
    """One a resource: IAM lists them below the action, or gives an answer for each."""
    specific = payload.get("ResourceSpecificResults", [])
    if len(resources) > 1 and specific:
        for each in specific:
            missing = each.get("MissingContextValues", []) or payload.get("MissingContextValues", [])
            yield _decision(payload, each.get("EvalResourceName", ""), each["EvalResourceDecision"], missing)
        return
    yield _decision(
        payload,
        payload.get("EvalResourceName", resources[0]),
        payload["EvalDecision"],
        payload.get("MissingContextValues", []),
    )


def _decision(payload: Any, resource: str, decision: str, missing: Iterable[str]) -> Decision:
    organisation = payload.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations")
    boundary = payload.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary")
    return Decision(
        payload["EvalActionName"], resource, decision, tuple(missing), organisation is False, boundary is False
    )
