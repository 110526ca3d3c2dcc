"""Log groups, databases, caches, trails, secrets, keys and buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.aws.batches import batches
from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound
from omc.facts.expected import Thing
from omc.facts.listings.common import Facts, Wanted, common_prefix, fact, named

LOG_GROUPS_A_CALL = 50
"""DescribeLogGroups takes so many names."""


def log_groups(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    logs = aws.client("logs")
    for some in batches(named(wanted, "name"), LOG_GROUPS_A_CALL):
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupIdentifiers=list(some)):
            for one in page["logGroups"]:
                values = {"retention_in_days": one.get("retentionInDays"), "kms_key_id": one.get("kmsKeyId", "")}
                yield Thing("aws_cloudwatch_log_group", {"name": one.get("logGroupName"), **values})


def databases(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """The environment's own is read already; others are listed as well."""
    payload = fact(facts.pending).database
    every: list[Mapping[str, Any]] = [payload] if payload else []
    if set(named(wanted, "identifier")) - {str(one["DBInstanceIdentifier"]) for one in every}:
        pages = aws.client("rds").get_paginator("describe_db_instances").paginate()
        every = [dict(one) for page in pages for one in page["DBInstances"]]
    for one in every:
        groups = [group["DBParameterGroupName"] for group in one.get("DBParameterGroups") or ()]
        yield Thing(
            "aws_db_instance",
            {
                "identifier": one["DBInstanceIdentifier"],
                "backup_retention_period": one.get("BackupRetentionPeriod"),
                "deletion_protection": one.get("DeletionProtection"),
                "multi_az": one.get("MultiAZ"),
                "instance_class": one.get("DBInstanceClass"),
                "publicly_accessible": one.get("PubliclyAccessible"),
                "vpc_security_group_ids": [group["VpcSecurityGroupId"] for group in one.get("VpcSecurityGroups") or ()],
                "parameter_group_name": groups[0] if groups else None,
                "performance_insights_enabled": one.get("PerformanceInsightsEnabled"),
            },
        )


def caches(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:
    """The environment's own is read already; others are listed as well, without their members' security groups."""
    payload = fact(facts.pending).cache
    every: list[Mapping[str, Any]] = [payload] if payload else []
    others = set(named(wanted, "replication_group_id")) - {aws.environment.cache}
    if others:
        pages = aws.client("elasticache").get_paginator("describe_replication_groups").paginate()
        every += [one for page in pages for one in page["ReplicationGroups"] if one["ReplicationGroupId"] in others]
    for one in every:
        groups = one.get("SecurityGroups")
        yield Thing(
            "aws_elasticache_replication_group",
            {
                "replication_group_id": one["ReplicationGroupId"],
                "snapshot_retention_limit": one.get("SnapshotRetentionLimit"),
                "automatic_failover_enabled": one.get("AutomaticFailover") in ("enabled", "enabling"),
                "multi_az_enabled": one.get("MultiAZ") == "enabled",
                "node_type": one.get("CacheNodeType"),
                "num_cache_clusters": len(one.get("MemberClusters") or ()),
                "security_group_ids": [group["SecurityGroupId"] for group in groups] if groups else None,
            },
        )


def trails(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    cloudtrail, names = aws.client("cloudtrail"), set(named(wanted, "name"))
    for one in cloudtrail.describe_trails(includeShadowTrails=False)["trailList"]:
        if one["Name"] in names:
            yield Thing(
                "aws_cloudtrail",
                {
                    "name": one["Name"],
                    "enable_logging": bool(cloudtrail.get_trail_status(Name=one["TrailARN"]).get("IsLogging")),
                    "is_multi_region_trail": one.get("IsMultiRegionTrail"),
                    "enable_log_file_validation": one.get("LogFileValidationEnabled"),
                    "s3_bucket_name": one.get("S3BucketName"),
                },
            )


def secrets(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """Those that wait for their deletion are not listed."""
    names = named(wanted, "name")
    prefix = common_prefix(names)
    filters: Any = [{"Key": "name", "Values": [prefix]}] if prefix else []
    for page in aws.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=filters):
        for one in page["SecretList"]:
            yield Thing("aws_secretsmanager_secret", {"name": one.get("Name")})


def keys(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """A call for each: no listing shows a key's state."""

    def described(key: str) -> list[Thing]:
        try:
            response: Any = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
        except NotFound:
            return []
        return [Thing("aws_kms_key", {"key_id": response["KeyId"], "_state": response.get("KeyState")})]

    for some in parallel_map(described, named(wanted, "key_id")):
        yield from some


def roles(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    """With whom they trust, which the listing shows; it doesn't show their policies."""
    names = set(named(wanted, "name"))
    for page in aws.client("iam").get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1000}):
        for one in page["Roles"]:
            if one["RoleName"] in names:
                trust: Any = one.get("AssumeRolePolicyDocument") or {}
                yield Thing("aws_iam_role", {"name": one["RoleName"], "assume_role_policy": trust})


def buckets(aws: Gateway, wanted: Wanted, facts: Facts) -> Iterator[Thing]:  # noqa: ARG001
    for page in aws.client("s3").get_paginator("list_buckets").paginate():
        for one in page["Buckets"]:
            yield Thing("aws_s3_bucket", {"bucket": one.get("Name")})
