"""Which operations are reads. Whatever is not listed here can't be sent by code that may only read.

An operation is a read when its service is one that omc reads, its name begins with a reading verb, and it is not among
the exceptions: names that hand something out, answers that hold secrets, or names that promise a read and change
something. A download URL of a layer
(ecr GetDownloadUrlForLayer) is a read: it leads to an image, which holds no secret, and no answer is recorded.
"""

from __future__ import annotations

import re

SERVICES = frozenset(
    {
        *("acm", "application-autoscaling", "athena", "budgets", "ce", "cloudtrail", "cloudwatch", "ec2", "ecr", "ecs"),
        *("elasticache", "elbv2", "events", "iam", "kms", "logs", "pi", "rds", "s3", "secretsmanager"),
        *("scheduler", "service-quotas", "sns", "sqs", "ssm", "sts", "wafv2"),
    }
)
READING = re.compile(r"(Describe|Get|List|Lookup|Filter|BatchGet|Head)[A-Z]\w*")
HANDING_OUT = re.compile(
    r"(Batch)?Get\w*(Secret|SecretValue|Password|Tokens?|Credentials?|PrivateKey)|Get\w*Decrypted\w*"
)
"""Names that say so themselves, also those of a botocore newer than the one that the tests know."""
ALSO_READS = frozenset(
    {
        ("ecr", "BatchCheckLayerAvailability"),
        ("logs", "StartQuery"),  # starts a reading; nothing of the account's changes
        ("logs", "StopQuery"),
        ("logs", "TestMetricFilter"),
        ("sns", "CheckIfPhoneNumberIsOptedOut"),
        ("iam", "SimulatePrincipalPolicy"),  # says what would be allowed, and does none of it
    }
)
NOT_READS = frozenset(
    {
        # hand out a right to something
        ("athena", "GetSessionEndpoint"),
        ("kms", "GetParametersForImport"),
        ("ssm", "GetDeployablePatchSnapshotForInstance"),
        ("wafv2", "ListAPIKeys"),
        # answer with what people keep secret there
        ("ec2", "DescribeVerifiedAccessTrustProviders"),
        ("ec2", "DescribeVpnConnections"),
        ("ec2", "GetPasswordData"),
        ("ec2", "GetVpnConnectionDeviceSampleConfiguration"),
        ("events", "DescribeConnection"),
        ("iam", "ListVirtualMFADevices"),
        ("rds", "DescribeOptionGroups"),
        ("ssm", "GetParameter"),
        ("ssm", "GetParameterHistory"),
        ("ssm", "GetParameters"),
        ("ssm", "GetParametersByPath"),
        # answer with content in which secrets often are: what machines start with and print, parameters of commands
        ("ec2", "DescribeBundleTasks"),
        ("ec2", "DescribeConversionTasks"),
        ("ec2", "DescribeImportImageTasks"),
        ("ec2", "DescribeImportSnapshotTasks"),
        ("ec2", "DescribeInstanceAttribute"),
        ("ec2", "DescribeLaunchTemplateVersions"),
        ("ec2", "DescribeSpotFleetRequests"),
        ("ec2", "DescribeSpotInstanceRequests"),
        ("ec2", "GetConsoleOutput"),
        ("ec2", "GetConsoleScreenshot"),
        ("ec2", "GetInstanceUefiData"),
        ("ec2", "GetLaunchTemplateData"),
        ("ssm", "DescribeAssociation"),
        ("ssm", "DescribeMaintenanceWindowExecutionTaskInvocations"),
        ("ssm", "DescribeMaintenanceWindowTasks"),
        ("ssm", "GetCommandInvocation"),
        ("ssm", "GetMaintenanceWindowExecutionTask"),
        ("ssm", "GetMaintenanceWindowExecutionTaskInvocation"),
        ("ssm", "GetMaintenanceWindowTask"),
        ("ssm", "GetPatchBaseline"),
        ("ssm", "ListAssociationVersions"),
        ("ssm", "ListCommandInvocations"),
        ("ssm", "ListCommands"),
        ("s3", "GetObject"),  # state files and logs: read by what needs them, with a right of its own
        ("s3", "GetObjectAnnotation"),
        ("s3", "GetObjectTorrent"),
        ("wafv2", "GetSampledRequests"),  # users' requests, with their cookies
    }
)
"""Each beside others of its kind; ``tests/unit/test_aws_guard.py`` holds the rest of botocore's models against it."""


def is_read(service: str, operation: str) -> bool:
    """Whether code that may only read may send this operation (botocore's names)."""
    name = (service, operation)
    if name in NOT_READS or HANDING_OUT.fullmatch(operation):
        return False
    return name in ALSO_READS or (service in SERVICES and READING.fullmatch(operation) is not None)
