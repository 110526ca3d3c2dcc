"""WAF: which resources a web ACL stands before. moto keeps that and doesn't tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localcloud.core.registry import Answer, AwsError, Call, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

KINDS: Final = {
    "APPLICATION_LOAD_BALANCER": ":elasticloadbalancing:",
    "API_GATEWAY": ":apigateway:",
    "APPSYNC": ":appsync:",
    "COGNITO_USER_POOL": ":cognito-idp:",
    "APP_RUNNER_SERVICE": ":apprunner:",
    "VERIFIED_ACCESS_INSTANCE": ":ec2:",
    "AMPLIFY": ":amplify:",
}
"""A part of the ARNs of each kind of resource."""


@operation("wafv2", "ListResourcesForWebACL")
def list_resources(cloud: Cloud, call: Call) -> Answer:
    acl = cloud.moto("wafv2").wacls.get(call.params["WebACLArn"])
    if acl is None:
        raise AwsError(
            "WAFNonexistentItemException", "AWS WAF couldn't perform the operation because your resource doesn't exist."
        )
    part = KINDS[call.params.get("ResourceType", "APPLICATION_LOAD_BALANCER")]
    return {"ResourceArns": [arn for arn in dict.fromkeys(acl.associated_resources) if part in arn]}
