"""IAM: the simulation of policies, judged as calls are here: without conditions, boundaries and organisations.

Since conditions aren't judged, none of their keys is ever missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.front import policies
from localcloud.front.identity import own_arn

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
KINDS = {"user": "users", "role": "roles", "group": "groups"}


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(cloud: Cloud, call: Call) -> Answer:
    """What the policies of a user, group or role say of each action on each resource, all in one page."""
    provided: dict[str, Any] = dict(call.params)
    resources = [str(each) for each in provided.get("ResourceArns") or ["*"]]
    with cloud.lock:
        source = str(provided["PolicySourceArn"])
        held = [EVERYTHING] if source == own_arn(cloud) else policies.held_by(cloud, _principal(cloud, source))
        held += list(policies.statements(str(each) for each in provided.get("PolicyInputList") or []))
    results = [_result(held, str(action), resources) for action in provided["ActionNames"]]
    return {"EvaluationResults": results, "IsTruncated": False}


def _principal(cloud: Cloud, arn: str) -> Any:
    kind = arn.rpartition(":")[2].partition("/")[0]
    if kind not in KINDS:
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.", 400)
    backend = cloud.moto("iam", "aws")
    for held in getattr(backend, KINDS[kind]).values():
        if held.arn == arn:
            return held
    raise AwsError("NoSuchEntity", f"The {kind} with name {arn.rpartition('/')[2]} cannot be found.", 404)


def _result(held: list[dict[str, Any]], action: str, resources: list[str]) -> dict[str, Any]:
    each = [(resource, policies.decision(held, action, resource)) for resource in resources]
    found: dict[str, Any] = {"EvalActionName": action, "EvalResourceName": resources[0], "MatchedStatements": []}
    worst = next((verdict for _, verdict in each if verdict != "allowed"), "allowed")
    found |= {"EvalDecision": worst, "MissingContextValues": []}
    if len(resources) > 1:
        found["ResourceSpecificResults"] = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": verdict,
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for resource, verdict in each
        ]
    return found
