"""Which AWS services this cloud speaks, and where moto alone may answer.

moto alone is trusted with what stands still. What moves (tasks, target health, metrics, alarms, log events) is never
left to it, since it makes such things up: there an operation without a handler of ours is *unsupported*, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.core.registry import OPERATIONS


@dataclass(frozen=True, slots=True)
class MotoCoverage:
    """How far moto is trusted with one service: ``only`` these operations where given, never those in ``never``."""

    package: str | None
    """moto's package, such as ``applicationautoscaling``; None where moto has nothing of use."""
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    def covers(self, operation: str) -> bool:
        if self.package is None or operation in self.never:
            return False
        return self.only is None or operation in self.only


def _only(package: str, *operations: str) -> MotoCoverage:
    return MotoCoverage(package, only=frozenset(operations))


def _except(package: str, *operations: str) -> MotoCoverage:
    return MotoCoverage(package, never=frozenset(operations))


SERVICES: dict[str, MotoCoverage] = {
    "acm": MotoCoverage("acm"),
    "application-autoscaling": _except("applicationautoscaling", "DescribeScalingActivities"),
    "athena": _except(
        "athena",
        "StartQueryExecution",
        "GetQueryExecution",
        "GetQueryResults",
        "ListQueryExecutions",
        "StopQueryExecution",
    ),
    "budgets": MotoCoverage("budgets"),
    "ce": MotoCoverage(None),
    "cloudtrail": _except("cloudtrail", "LookupEvents"),
    "cloudwatch": _only("cloudwatch", "PutDashboard", "GetDashboard", "ListDashboards", "DeleteDashboards"),
    "dynamodb": MotoCoverage("dynamodb"),
    "ec2": _except("ec2", "RunInstances"),
    "ecr": MotoCoverage("ecr"),
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
    "elasticache": MotoCoverage("elasticache"),
    "elbv2": _except("elbv2", "DescribeTargetHealth"),
    "events": MotoCoverage("events"),
    "glue": MotoCoverage("glue"),
    "iam": _except("iam", "SimulatePrincipalPolicy", "SimulateCustomPolicy"),
    "kms": MotoCoverage("kms"),
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
    "pi": MotoCoverage(None),
    "rds": _except(
        "rds",
        "AddRoleToDBCluster",
        "CopyDBClusterParameterGroup",
        "CopyDBClusterSnapshot",
        "CreateGlobalCluster",
        "DeleteGlobalCluster",
        "DescribeDBClusterSnapshotAttributes",
        "DescribeDBLogFiles",
        "DownloadDBLogFilePortion",
        "ModifyDBClusterSnapshotAttribute",
        "PromoteReadReplicaDBCluster",
        "RemoveFromGlobalCluster",
        "RestoreDBClusterFromSnapshot",
        "RestoreDBClusterToPointInTime",
    ),
    "resourcegroupstaggingapi": MotoCoverage("resourcegroupstaggingapi"),
    "route53": MotoCoverage("route53"),
    "s3": MotoCoverage("s3"),
    "s3control": MotoCoverage("s3control"),
    # Nothing here would start what a schedule names, so none can be made: there are none, and that is answered.
    "scheduler": _only("scheduler", "GetSchedule", "GetScheduleGroup", "ListScheduleGroups", "ListSchedules"),
    "secretsmanager": MotoCoverage("secretsmanager"),
    "service-quotas": MotoCoverage(None),
    "servicediscovery": MotoCoverage("servicediscovery"),
    "sns": MotoCoverage("sns"),
    "sqs": MotoCoverage("sqs"),
    "ssm": _except("ssm", "SendCommand", "StartSession"),
    "sts": _except("sts", "GetCallerIdentity", "GetSessionToken", "GetFederationToken", "DecodeAuthorizationMessage"),
    "wafv2": MotoCoverage("wafv2"),
}


def is_spoken(service: str) -> bool:
    """Whether this cloud answers anything of a service (botocore's name), be it one that another package registered."""
    return service in SERVICES or any(registered == service for registered, _ in OPERATIONS)


def coverage(service: str) -> MotoCoverage:
    return SERVICES.get(service) or MotoCoverage(None)


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
