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

ACTIONS: Mapping[tuple[str, str], str] = {
    ("s3", "ListObjects"): "s3:ListBucket",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "ListObjectVersions"): "s3:ListBucketVersions",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "s3:GetLifecycleConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
}
"""Where the action isn't called like the operation."""

_SAID = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)")


def action_for(service: str, operation: str, said: str = "") -> str:
    """``ecs:DescribeServices`` — as AWS's own message ``said`` names it, else by the table."""
    if found := _SAID.search(said):
        return found[1]
    return ACTIONS.get((service, operation)) or f"{PREFIXES.get(service, service)}:{operation}"
