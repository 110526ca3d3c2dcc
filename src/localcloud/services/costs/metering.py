"""What the cloud uses: a rate for everything that exists, and counts for everything that happens.

``rates`` looks at the cloud (under its lock) and says how much of what an hour costs; tasks are metered by their own
times, to the second. What isn't metered: data transfer, image storage, log storage, WAF, CloudTrail, Container
Insights' share beyond its metrics, backups' size before they end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.services.costs.ledger import Item, tags_of

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

GIB = 1 << 30
ECS = "Amazon Elastic Container Service"
RDS = "Amazon Relational Database Service"
CACHE = "Amazon ElastiCache"
ELB = "Amazon Elastic Load Balancing"
EC2_OTHER = "EC2 - Other"
VPC = "Amazon Virtual Private Cloud"
CLOUDWATCH = "AmazonCloudWatch"
KMS = "AWS Key Management Service"
S3 = "Amazon Simple Storage Service"
SECRETS = "AWS Secrets Manager"
SQS = "Amazon Simple Queue Service"
SNS = "Amazon Simple Notification Service"

LEAST_TASK = timedelta(minutes=1)
"""Fargate charges for a minute at least, from the begin of the image's pull to the task's end."""
UNPAID_DATABASE = ("creating", "deleting", "stopped", "failed", "incompatible-parameters")
RDS_STORAGE = {"gp2": "GP2", "gp3": "GP3"}

REQUESTS: dict[tuple[str, bool], Item] = {
    ("kms", True): Item(KMS, "ap-southeast-2-KMS-Requests"),
    ("kms", False): Item(KMS, "ap-southeast-2-KMS-Requests"),
    ("s3", True): Item(S3, "APS2-Requests-Tier2", "GetObject"),
    ("s3", False): Item(S3, "APS2-Requests-Tier1", "PutObject"),
    ("secretsmanager", True): Item(SECRETS, "APS2-AWSSecretsManagerAPIRequest"),
    ("secretsmanager", False): Item(SECRETS, "APS2-AWSSecretsManagerAPIRequest"),
    ("sqs", True): Item(SQS, "APS2-Requests-RBP"),
    ("sqs", False): Item(SQS, "APS2-Requests-RBP"),
    ("sns", True): Item(SNS, "APS2-Requests-Tier1"),
    ("sns", False): Item(SNS, "APS2-Requests-Tier1"),
}
"""What a call to a service counts as, by whether it only reads (S3 charges reading less)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So much of an item while it exists."""

    item: Item
    amount: float
    """Per hour; per month where ``monthly``."""
    monthly: bool = False


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """A task: what it takes from when to when."""

    cpus: float
    gib: float
    begin: datetime
    end: datetime | None
    tags: tuple[tuple[str, str], ...]

    def hours(self, begin: datetime, end: datetime) -> float:
        """How long of this interval is charged."""
        until = end if self.end is None else min(end, max(self.end, self.begin + LEAST_TASK))
        return max(0.0, (until - max(begin, self.begin)).total_seconds()) / 3600


def task_items(paid: UsageRecord) -> tuple[Item, Item]:
    return (
        Item(ECS, "APS2-Fargate-vCPU-Hours:perCPU", "FargateTask", paid.tags),
        Item(ECS, "APS2-Fargate-GB-Hours", "FargateTask", paid.tags),
    )


def tasks(cloud: Cloud) -> list[UsageRecord]:
    """Every task that was begun and isn't forgotten yet (stopped ones are kept for an hour). Hold the cloud's lock."""
    from localcloud.services.ecs import Clusters

    if not cloud.has(Clusters):
        return []
    return [
        UsageRecord(
            task.cpu / 1024,
            task.memory / 1024,
            task.pull_started_at,
            task.execution_stopped_at or task.stopped_at,
            tags_of(task.tags),
        )
        for task in cloud.part(Clusters).state.tasks.values()
        if task.pull_started_at
    ]


def rates(cloud: Cloud) -> list[Rate]:
    """Of everything that exists now. Hold the cloud's lock."""
    return [
        *_databases(cloud),
        *_caches(cloud),
        *_balancers(cloud),
        *_network(cloud),
        *_monitoring(cloud),
        *_stored(cloud),
    ]


def _databases(cloud: Cloud) -> Iterator[Rate]:
    from localcloud.services.rds import Databases

    if not cloud.has(Databases):
        return
    provisioned = 0.0
    for instance in cloud.part(Databases).instances.values():
        record, tags = instance.record, tags_of(instance.record.get("TagList"))
        multi = bool(record.get("MultiAZ"))
        operation = "CreateDBInstance:0014"  # PostgreSQL
        if instance.status not in UNPAID_DATABASE:
            usage = f"APS2-{'Multi-AZUsage' if multi else 'InstanceUsage'}:{record['DBInstanceClass']}"
            yield Rate(Item(RDS, usage, operation, tags), 1.0)
        if instance.status not in ("creating", "deleting"):
            kind = RDS_STORAGE.get(str(record.get("StorageType")), str(record.get("StorageType")).upper())
            usage = f"APS2-RDS:{'Multi-AZ-' if multi else ''}{kind}-Storage"
            size = float(record["AllocatedStorage"])
            provisioned += size
            yield Rate(Item(RDS, usage, operation, tags), size, monthly=True)
    # As much backup storage as is provisioned is free.
    charged = _backups(cloud) / GIB - provisioned
    if charged > 0:
        yield Rate(Item(RDS, "APS2-RDS:ChargedBackupUsage", "CreateDBInstance:0014"), charged, monthly=True)


_backup_sizes: dict[tuple[str, Any], int] = {}


def _backups(cloud: Cloud) -> int:
    """Bytes of all snapshots. A finished one never changes, so each is measured once."""
    from localcloud.services.rds import Databases
    from localcloud.services.rds.snapshots import folder_name

    total = 0
    for record in cloud.part(Databases).snapshots.values():
        if record.get("Status") != "available":
            continue
        key = (str(record["DBSnapshotArn"]), record["SnapshotCreateTime"])
        if key not in _backup_sizes:
            _backup_sizes[key] = _size(cloud.settings.state / "rds-snapshots" / folder_name(record))
        total += _backup_sizes[key]
    return total


def _size(folder: Path) -> int:
    return sum((Path(path) / name).lstat().st_size for path, _, names in os.walk(folder) for name in names)


def _caches(cloud: Cloud) -> Iterator[Rate]:
    from localcloud.services.elasticache import Caches

    if not cloud.has(Caches):
        return
    for group in cloud.part(Caches).groups.values():
        paid = len([member for member in group.members if member.status not in ("creating", "deleting")])
        if paid:
            usage = f"APS2-NodeUsage:{group.settings.get('CacheNodeType', 'cache.t4g.micro')}"
            yield Rate(Item(CACHE, usage, "CreateCacheCluster:0002", tags_of(group.tags)), float(paid))


def _balancers(cloud: Cloud) -> Iterator[Rate]:
    for balancer in cloud.moto("elbv2").load_balancers.values():
        tags = tags_of(balancer.tags)
        yield Rate(Item(ELB, "APS2-LoadBalancerUsage", "LoadBalancing:Application", tags), 1.0)
        if balancer.scheme == "internet-facing":
            addresses = float(len(balancer.subnets))
            yield Rate(Item(VPC, "APS2-PublicIPv4:InUseAddress", "LoadBalancer", tags), addresses)


def _network(cloud: Cloud) -> Iterator[Rate]:
    ec2 = cloud.moto("ec2")
    for gateway in ec2.nat_gateways.values():
        if gateway.state == "available":
            yield Rate(Item(EC2_OTHER, "APS2-NatGateway-Hours", "NatGateway", _ec2_tags(gateway)), 1.0)
    for address in ec2.addresses:
        used = address.association_id or address.instance or address.eni
        usage = f"APS2-PublicIPv4:{'InUseAddress' if used else 'IdleAddress'}"
        yield Rate(Item(VPC, usage, "AllocateAddressVPC", _ec2_tags(address)), 1.0)
    for endpoint in ec2.vpc_end_points.values():
        if endpoint.vpc_endpoint_type == "Interface" and endpoint.state == "available":
            zones = float(len(endpoint.subnet_ids or ()) or 1)
            yield Rate(Item(VPC, "APS2-VpcEndpoint-Hours", "VpcEndpoint", _ec2_tags(endpoint)), zones)


def _ec2_tags(resource: Any) -> tuple[tuple[str, str], ...]:
    return tags_of([{"Key": tag["key"], "Value": tag["value"]} for tag in resource.get_tags()])


def _monitoring(cloud: Cloud) -> Iterator[Rate]:
    from localcloud.services.cloudwatch import Metrics

    if not cloud.has(Metrics):
        return
    metrics = cloud.part(Metrics)
    amounts = {"AlarmMonitorUsage": 0, "HighResAlarmMonitorUsage": 0, "CompositeAlarmMonitorUsage": 0}
    for alarm in metrics.alarms.described():
        if "AlarmRule" in alarm:
            amounts["CompositeAlarmMonitorUsage"] += 1
            continue
        # An alarm on an expression is charged for each metric in it.
        watched = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
        period = min((int(each["Period"]) for each in watched), default=int(alarm.get("Period") or 60))
        amounts["HighResAlarmMonitorUsage" if period < 60 else "AlarmMonitorUsage"] += len(watched) or 1
    for name, amount in amounts.items():
        if amount:
            yield Rate(Item(CLOUDWATCH, f"APS2-CW:{name}", "Unknown"), float(amount), monthly=True)
    recent = cloud.now().timestamp() - 3600
    custom = metrics.store.metrics(active_since=recent, matches=lambda each: not each.namespace.startswith("AWS/"))
    if custom:
        yield Rate(Item(CLOUDWATCH, "APS2-CW:MetricMonitorUsage", "MetricStorage"), float(len(custom)), monthly=True)
    if metrics.dashboards:
        dashboards = Item(CLOUDWATCH, "DashboardsUsageHour", "DashboardHour")
        yield Rate(dashboards, float(len(metrics.dashboards)), monthly=True)


def _stored(cloud: Cloud) -> Iterator[Rate]:
    for key in cloud.moto("kms").keys.values():
        if key.key_manager == "CUSTOMER" and key.key_state != "PendingDeletion":
            tags = tags_of(cloud.moto("kms").tagger.get_tag_dict_for_resource(key.id))
            yield Rate(Item(KMS, "ap-southeast-2-KMS-Keys", "", tags), 1.0, monthly=True)
    for secret in cloud.moto("secretsmanager").secrets.values():
        if secret.deleted_date is None:
            item = Item(SECRETS, "APS2-AWSSecretsManager-Secrets", "", tags_of(secret.tags))
            yield Rate(item, 1.0, monthly=True)
    buckets = cloud.moto("s3", "aws")
    for bucket in buckets.buckets.values():
        # The newest version of each key; what is deleted in a versioned bucket has a marker for it, without a size.
        stored = sum(getattr(key, "size", 0) for key in bucket.keys.values())
        if stored:
            tags = tags_of(buckets.tagger.get_tag_dict_for_resource(bucket.arn))
            yield Rate(Item(S3, "APS2-TimedStorage-ByteHrs", "StandardStorage", tags), stored / GIB, monthly=True)


def balancers(cloud: Cloud) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """CloudWatch's name and the tags of each load balancer. Hold the cloud's lock."""
    return [
        (balancer.arn.partition(":loadbalancer/")[2], tags_of(balancer.tags))
        for balancer in cloud.moto("elbv2").load_balancers.values()
    ]


LCU_BYTES = float(GIB)
"""Of processed data an hour are one load balancer capacity unit, and so are 3,000 active connections."""
LCU_CONNECTIONS = 3000
SETTLED = timedelta(seconds=10)
"""The load balancer's metrics are complete after that."""


def capacity(cloud: Cloud, name: str, begin: datetime, end: datetime) -> float:
    """LCU-hours that a load balancer's traffic took in an interval.

    The largest of bytes and active connections; new connections and rule evaluations aren't counted, so it is a lower
    bound.
    """
    from localcloud.services.cloudwatch import Metrics
    from localcloud.services.cloudwatch.store import Metric

    if not cloud.has(Metrics):
        return 0.0
    start, until = int((begin - SETTLED).timestamp()), int((end - SETTLED).timestamp())
    store, hours = cloud.part(Metrics).store, (until - start) / 3600
    if hours <= 0:
        return 0.0
    found = {}
    for metric in ("ProcessedBytes", "ActiveConnectionCount"):
        series = Metric.of("AWS/ApplicationELB", metric, {"LoadBalancer": name})
        found[metric] = list(store.read(series, start=start, end=until, period=1, published=False).values())
    moved = sum(summary.total for summary in found["ProcessedBytes"]) / LCU_BYTES
    connections = found["ActiveConnectionCount"]
    active = sum(each.total for each in connections) / max(1.0, sum(each.count for each in connections))
    return max(moved, active / LCU_CONNECTIONS * hours if connections else 0.0)
