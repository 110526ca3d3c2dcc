"""Which AWS services this cloud speaks, and where moto alone may answer.

moto alone is trusted with what stands still. What moves (tasks, target health, metrics, alarms, log events) is never
left to it, since it makes such things up: there an operation without a handler of ours is *unsupported*, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """How far moto is trusted with one service: ``only`` these operations where given, never those in ``never``."""

    package: str | None
    """moto's package, such as ``applicationautoscaling``; None where moto has nothing of use."""
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def covers(self, operation: str) -> bool:
        if self.package is None or operation in self.never:
            return False
        return self.only is None or operation in self.only


def _only(package: str, *operations: str) -> Trust:
    return Trust(package, only=frozenset(operations))


def _except(package: str, *operations: str) -> Trust:
    return Trust(package, never=frozenset(operations))


SERVICES: dict[str, Trust] = {
    "acm": Trust("acm"),
    "application-autoscaling": _except("applicationautoscaling", "DescribeScalingActivities"),
    "budgets": Trust("budgets"),
    "ce": Trust(None),
    "cloudtrail": _except("cloudtrail", "LookupEvents"),
    "cloudwatch": _only("cloudwatch", "PutDashboard", "GetDashboard", "ListDashboards", "DeleteDashboards"),
    "dynamodb": Trust("dynamodb"),
    "ec2": _except("ec2", "RunInstances"),
    "ecr": Trust("ecr"),
    "ecs": _only(
        "ecs",
        "RegisterTaskDefinition",
        "DeregisterTaskDefinition",
        "DescribeTaskDefinition",
        "ListTaskDefinitions",
        "ListTaskDefinitionFamilies",
        "PutAccountSetting",
        "ListAccountSettings",
    ),
    "elasticache": Trust("elasticache"),
    "elbv2": _except("elbv2", "DescribeTargetHealth"),
    "events": Trust("events"),
    "iam": _except("iam", "SimulatePrincipalPolicy", "SimulateCustomPolicy"),
    "kms": Trust("kms"),
    "logs": _only(
        "logs",
        "CreateLogGroup",
        "DeleteLogGroup",
        "DescribeLogGroups",
        "PutRetentionPolicy",
        "DeleteRetentionPolicy",
        "TagLogGroup",
        "UntagLogGroup",
        "ListTagsLogGroup",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DeleteResourcePolicy",
        "AssociateKmsKey",
        "DisassociateKmsKey",
    ),
    "pi": Trust(None),
    "rds": _except("rds", "DescribeDBLogFiles", "DownloadDBLogFilePortion"),
    "resourcegroupstaggingapi": Trust("resourcegroupstaggingapi"),
    "route53": Trust("route53"),
    "s3": Trust("s3"),
    "s3control": Trust("s3control"),
    "secretsmanager": Trust("secretsmanager"),
    "service-quotas": Trust(None),
    "servicediscovery": Trust("servicediscovery"),
    "sns": Trust("sns"),
    "sqs": Trust("sqs"),
    "ssm": _except("ssm", "SendCommand", "StartSession"),
    "sts": _except("sts", "GetCallerIdentity", "GetSessionToken", "GetFederationToken", "DecodeAuthorizationMessage"),
    "wafv2": Trust("wafv2"),
}

STANDING = frozenset({("ec2", "DescribeInstanceTypes"), ("ec2", "DescribeInstanceTypeOfferings")})
"""What moto reads from files of its own, which takes seconds: asked once, and without the cloud's lock."""

SIGNING_NAMES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
"""Names in a signature's credential scope that differ from botocore's service name."""

IAM_PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "service-quotas": "servicequotas",
}
"""Prefixes of IAM actions that differ from botocore's service name."""
