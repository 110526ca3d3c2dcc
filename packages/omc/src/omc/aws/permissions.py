"""The IAM action that an operation needs, for messages and for the policy of a role that may only read."""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIXES: Mapping[str, str] = {
    "application-autoscaling": "application-autoscaling",
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
}
"""botocore's service name to IAM's prefix, where they differ or look as if they should."""

_OTHERWISE: Mapping[str, Mapping[str, str]] = {
    "budgets": {
        "ViewBudget": "DescribeBudget DescribeBudgets DescribeBudgetPerformanceHistory DescribeNotificationsForBudget "
        "DescribeSubscribersForNotification DescribeBudgetNotificationsForAccount",
        "ModifyBudget": "CreateBudget UpdateBudget DeleteBudget CreateNotification UpdateNotification "
        "DeleteNotification CreateSubscriber UpdateSubscriber DeleteSubscriber",
    },
    "kms": {"ReEncryptFrom": "ReEncrypt"},
    "s3": {
        "ListBucket": "ListObjects ListObjectsV2 HeadBucket",
        "ListBucketVersions": "ListObjectVersions",
        "ListAllMyBuckets": "ListBuckets",
        "ListBucketMultipartUploads": "ListMultipartUploads",
        "ListMultipartUploadParts": "ListParts",
        "GetObject": "HeadObject",
        "PutObject": "CopyObject CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload",
        "DeleteObject": "DeleteObjects",
        "GetAccelerateConfiguration": "GetBucketAccelerateConfiguration",
        "GetAnalyticsConfiguration": "GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations",
        "GetBucketCORS": "GetBucketCors",
        "GetBucketNotification": "GetBucketNotificationConfiguration",
        "GetBucketObjectLockConfiguration": "GetObjectLockConfiguration",
        "GetBucketPublicAccessBlock": "GetPublicAccessBlock",
        "GetEncryptionConfiguration": "GetBucketEncryption",
        "GetIntelligentTieringConfiguration": "GetBucketIntelligentTieringConfiguration "
        "ListBucketIntelligentTieringConfigurations",
        "GetInventoryConfiguration": "GetBucketInventoryConfiguration ListBucketInventoryConfigurations",
        "GetLifecycleConfiguration": "GetBucketLifecycle GetBucketLifecycleConfiguration",
        "GetMetricsConfiguration": "GetBucketMetricsConfiguration ListBucketMetricsConfigurations",
        "GetReplicationConfiguration": "GetBucketReplication",
        "PutAccelerateConfiguration": "PutBucketAccelerateConfiguration",
        "PutBucketCORS": "PutBucketCors DeleteBucketCors",
        "PutBucketNotification": "PutBucketNotificationConfiguration",
        "PutBucketObjectLockConfiguration": "PutObjectLockConfiguration",
        "PutBucketPublicAccessBlock": "PutPublicAccessBlock DeletePublicAccessBlock",
        "PutEncryptionConfiguration": "PutBucketEncryption DeleteBucketEncryption",
        "PutLifecycleConfiguration": "PutBucketLifecycle PutBucketLifecycleConfiguration DeleteBucketLifecycle",
        "PutReplicationConfiguration": "PutBucketReplication DeleteBucketReplication",
    },
    "sns": {"Publish": "PublishBatch"},
    "sqs": {
        "SendMessage": "SendMessageBatch",
        "DeleteMessage": "DeleteMessageBatch",
        "ChangeMessageVisibility": "ChangeMessageVisibilityBatch",
    },
}
"""A service's actions to the operations that need them, where these aren't called alike. Source: AWS's Service
Authorization Reference, from knowledge; what AWS itself says in a denial goes first."""

ACTIONS: Mapping[tuple[str, str], str] = {
    (service, operation): f"{service}:{action}"
    for service, actions in _OTHERWISE.items()
    for action, operations in actions.items()
    for operation in operations.split()
}

_DENIAL = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)")


def action_for(service: str, operation: str, message: str = "") -> str:
    """``ecs:DescribeServices`` — as AWS's own message ``said`` names it, else by the table."""
    if found := _DENIAL.search(message):
        return found[1]
    return ACTIONS.get((service, operation)) or f"{PREFIXES.get(service, service)}:{operation}"
