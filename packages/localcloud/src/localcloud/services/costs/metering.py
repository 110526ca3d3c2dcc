"""What the cloud uses: a rate for everything that exists, and counts for everything that happens.

Services register what of theirs costs (``registry.billable``); ``rates`` adds what moto alone keeps. Tasks are metered
by their own times, to the second. What isn't metered: data transfer, image storage, log storage, WAF, CloudTrail,
Container Insights' share beyond its metrics, backups' size before they end.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core.billing import (
    EC2_OTHER,
    ECS,
    ELB,
    GIB,
    KMS,
    S3,
    SECRETS,
    SNS,
    SQS,
    VPC,
    Charge,
    Item,
    Rate,
    UsageRecord,
    tags_of,
)
from localcloud.core.interfaces import MetricSink
from localcloud.core.registry import BILLABLE

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

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


def task_items(paid: UsageRecord) -> tuple[Item, Item]:
    return (
        Item(ECS, "APS2-Fargate-vCPU-Hours:perCPU", "FargateTask", paid.tags),
        Item(ECS, "APS2-Fargate-GB-Hours", "FargateTask", paid.tags),
    )


def charges(cloud: Cloud) -> list[Charge]:
    """Of everything that exists now, and of every task that isn't forgotten. Hold the cloud's lock."""
    return [*rates(cloud), *(charge for registered in BILLABLE for charge in registered(cloud))]


def rates(cloud: Cloud) -> list[Rate]:
    """Of what moto alone keeps. Hold the cloud's lock."""
    return [
        *_balancers(cloud),
        *_network(cloud),
        *_stored(cloud),
    ]


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
    if not cloud.has(MetricSink):
        return 0.0
    start, until = int((begin - SETTLED).timestamp()), int((end - SETTLED).timestamp())
    metrics, hours = cloud.part(MetricSink), (until - start) / 3600
    if hours <= 0:
        return 0.0
    dimensions = {"LoadBalancer": name}
    moved, _ = metrics.taken("AWS/ApplicationELB", "ProcessedBytes", dimensions, start, until)
    connections, samples = metrics.taken("AWS/ApplicationELB", "ActiveConnectionCount", dimensions, start, until)
    active = connections / max(1.0, samples)
    return max(moved / LCU_BYTES, active / LCU_CONNECTIONS * hours)
