"""IAM: AWS's own managed policies, made when first asked for.

moto can load all of them at the start (1,200 documents, 10 MB in every snapshot); a stack uses a handful.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, Call, operation, patch_response
from localcloud.front import moto_calls

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

AWS_POLICY = ":iam::aws:policy/"


def _with_policy(cloud: Cloud, call: Call) -> Answer:
    arn = str(call.params.get("PolicyArn", ""))
    backend = cloud.moto("iam", "aws")
    if AWS_POLICY in arn and arn not in backend.managed_policies:
        from moto.iam.aws_managed_policies import aws_managed_policies_data
        from moto.iam.models import AWSManagedPolicy

        name = arn.rsplit("/", 1)[-1]
        known = json.loads(aws_managed_policies_data).get(name)
        if known is not None:
            policy = AWSManagedPolicy.from_data(name, call.account, cloud.settings.partition, known)
            backend.aws_managed_policies.append(policy)
            backend.managed_policies[policy.arn] = policy
    return moto_calls.ask(cloud, call.service, call.operation, call.params)


@patch_response("iam", "GetAccountSummary")
def get_account_summary(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """Root has a second factor, as it should: nobody is root here, so nobody can give it one."""
    answer["SummaryMap"]["AccountMFAEnabled"] = 1
    return answer


@patch_response("iam", "CreateUser")
def create_user(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """moto's ids of users are any letters; AWS's say what they are of."""
    user = cloud.moto("iam", "aws").users[call.params["UserName"]]
    user.id = answer["User"]["UserId"] = f"AIDA{user.id[4:].upper()}"
    return answer


for _name in ("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy", "GetPolicy", "GetPolicyVersion"):
    operation("iam", _name)(_with_policy)
