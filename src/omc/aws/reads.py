"""Which operations are reads. Whatever is not listed here can't be sent by code that may only read.

An operation is a read when its service is one that omc reads, its name begins with a reading verb, and it is not among
the exceptions: answers that hold secrets, or names that promise a read and change something. A download URL of a layer
(ecr GetDownloadUrlForLayer) is a read: it leads to an image, which holds no secret, and no answer is recorded.
"""

from __future__ import annotations

import re

SERVICES = frozenset(
    {
        *("acm", "application-autoscaling", "budgets", "ce", "cloudtrail", "cloudwatch", "ec2", "ecr", "ecs"),
        *("elasticache", "elbv2", "events", "iam", "kms", "logs", "pi", "rds", "s3", "secretsmanager"),
        *("service-quotas", "sns", "sqs", "ssm", "sts", "wafv2"),
    }
)
READING = re.compile(r"(Describe|Get|List|Lookup|Filter|BatchGet|Head)[A-Z]\w*")
ALSO_READS = frozenset(
    {
        ("ecr", "BatchCheckLayerAvailability"),
        ("logs", "StartQuery"),  # starts a reading; nothing of the account's changes
        ("logs", "StopQuery"),
        ("logs", "TestMetricFilter"),
        ("iam", "SimulatePrincipalPolicy"),
    }
)
NOT_READS = frozenset(
    {
        ("secretsmanager", "GetSecretValue"),
        ("secretsmanager", "BatchGetSecretValue"),
        ("ssm", "GetParameter"),
        ("ssm", "GetParameters"),
        ("ssm", "GetParametersByPath"),
        ("ssm", "GetParameterHistory"),
        ("ssm", "GetAccessToken"),
        ("ec2", "GetPasswordData"),
        ("ec2", "GetConsoleOutput"),
        ("ec2", "GetConsoleScreenshot"),
        ("ecr", "GetAuthorizationToken"),
        ("s3", "GetObject"),  # state files and logs: read by what needs them, with a right of its own
        ("sts", "GetFederationToken"),
        ("sts", "GetSessionToken"),
        ("sts", "GetDelegatedAccessToken"),
        ("sts", "GetWebIdentityToken"),
        ("acm", "GetAcmeExternalAccountBindingCredentials"),
        ("kms", "GetParametersForImport"),
    }
)


def is_read(service: str, operation: str) -> bool:
    """Whether code that may only read may send this operation (botocore's names)."""
    name = (service, operation)
    if name in NOT_READS:
        return False
    return name in ALSO_READS or (service in SERVICES and READING.fullmatch(operation) is not None)
