"""Terraform, unchanged roots, against the cloud: apply, a plan without changes, destroy, and nothing left.

One story, as the provider's own waits make it minutes long (a database 80 s, each bucket's lifecycle rules
55 s). Any operation that the cloud lacks fails it through the log.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.snapshot import Snapshots
from localcloud.services.ecr import images as ecr
from support.terraform_root import Root, root_at
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[4]
BOOTSTRAP = [
    "-var=environment=staging",
    "-var=github_repository=example/ohmycoins",
    "-var=github_owner_id=1",
    "-var=github_repository_id=2",
]


LEFTOVERS = (
    "/aws/rds/instance/ohmycoins-staging/postgresql",
    "/aws/ecs/containerinsights/ohmycoins-staging/performance",
)
"""What RDS and Container Insights wrote after an earlier destroy."""


@pytest.fixture
def roots(tmp_path: Path, cloud: Cloud, provider: Mapping[str, str]) -> Callable[[str], Root]:
    """Bootstrap has providers of its own: it is applied while staging is."""
    shutil.copytree(
        ROOT / "infrastructure/terraform", tmp_path / "infrastructure", ignore=shutil.ignore_patterns(".terraform*")
    )
    shared = {"environments/staging": provider}
    return lambda name: root_at(tmp_path / "infrastructure" / name, cloud, shared.get(name, {}))


def left(aws: Any) -> dict[str, list[str]]:
    """Everything that AWS would still hold, and bill, by kind; what AWS itself keeps for a while isn't counted."""
    ec2, iam = aws("ec2"), aws("iam")
    gone = {"deleted", "deleting"}
    nats = ec2.describe_nat_gateways()["NatGateways"]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    found = {
        "alarms": [alarm["AlarmName"] for kind in aws("cloudwatch").describe_alarms().values()
                   if isinstance(kind, list) for alarm in kind],
        "caches": [group["ReplicationGroupId"] for group in
                   aws("elasticache").describe_replication_groups()["ReplicationGroups"]],
        "clusters": aws("ecs").list_clusters()["clusterArns"],
        "dashboards": [entry["DashboardName"] for entry in aws("cloudwatch").list_dashboards()["DashboardEntries"]],
        "databases": [one["DBInstanceIdentifier"] for one in aws("rds").describe_db_instances()["DBInstances"]],
        "elastic addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "endpoints": [one["VpcEndpointId"] for one in endpoints if one.get("State", "").lower() not in gone],
        "flow logs": [one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]],
        "images": [one["repositoryName"] for one in aws("ecr").describe_repositories()["repositories"]],
        "keys' names": [one["AliasName"] for one in aws("kms").list_aliases()["Aliases"]
                        if not one["AliasName"].startswith("alias/aws/")],
        "load balancers": [one["LoadBalancerName"] for one in aws("elbv2").describe_load_balancers()["LoadBalancers"]],
        "log groups": [one["logGroupName"] for one in aws("logs").describe_log_groups()["logGroups"]],
        "nat gateways": [one["NatGatewayId"] for one in nats if one["State"] not in gone],
        "policies": [one["PolicyName"] for one in iam.list_policies(Scope="Local")["Policies"]],
        "queues": aws("sqs").list_queues().get("QueueUrls", []),
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]
                  if not one["Path"].startswith("/aws-service-role/")],
        "rules": [one["Name"] for one in aws("events").list_rules()["Rules"]],
        "saved queries": [one["name"] for one in aws("logs").describe_query_definitions()["queryDefinitions"]],
        "scaling targets": [one["ResourceId"] for one in aws("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="ecs")["ScalableTargets"]],
        "secrets": [one["Name"] for one in aws("secretsmanager").list_secrets()["SecretList"]],
        "target groups": [one["TargetGroupName"] for one in aws("elbv2").describe_target_groups()["TargetGroups"]],
        "topics": [one["TopicArn"] for one in aws("sns").list_topics()["Topics"]],
        "trails": [one["Name"] for one in aws("cloudtrail").describe_trails()["trailList"]],
        "buckets": [one["Name"] for one in aws("s3").list_buckets()["Buckets"]],
        "vpcs": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "web acls": [one["Name"] for one in aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]],
    }  # fmt: skip
    return {kind: names for kind, names in found.items() if names}


def processes(cloud: Cloud) -> set[str]:
    return {process.name for process in cloud.part(Supervisor).running()}


def test_apply_plan_destroy(cloud: Cloud, aws: Any, roots: Callable[[str], Root]) -> None:
    untouched, own_processes = left(aws), processes(cloud)
    bootstrap = roots("bootstrap")
    bootstrap.init()
    with ThreadPoolExecutor(1) as beside:
        bootstrapped = beside.submit(bootstrap.apply, *BOOTSTRAP)
        # The rest of it is waiting for the bucket's lifecycle rules, which staging doesn't need.
        eventually("the bucket and the repositories are there", lambda: bootstrapped.done() or is_begun(aws))
        staging, provided = prepared(cloud, aws, roots)
        assert "2 imported" in staging.apply(*provided)
        bootstrapped.result()
    for name in LEFTOVERS:
        [taken_in] = aws("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert taken_in["retentionInDays"] > 0
        assert taken_in["kmsKeyId"]
    assert_the_snapshot_holds_no_call_up(cloud)
    bootstrap.assert_no_difference(*BOOTSTRAP)
    staging.assert_no_difference(*provided)

    staging.destroy(*provided)
    remaining = left(aws)
    of_bootstrap = {kind for kind in ("buckets", "images", "keys' names", "roles") if kind in remaining}
    assert set(remaining) - set(untouched) == of_bootstrap, remaining
    eventually("all processes of the stack have ended", lambda: processes(cloud) == own_processes)

    _empty(aws("s3"), bootstrap.outputs()["state_bucket"])
    _forget_images(aws("ecr"))
    bootstrap.destroy(*BOOTSTRAP)
    assert left(aws) == untouched


def is_begun(aws: Any) -> bool:
    s3 = aws("s3")
    versioned = [s3.get_bucket_versioning(Bucket=one["Name"]).get("Status") for one in s3.list_buckets()["Buckets"]]
    return versioned == ["Enabled"] and len(aws("ecr").describe_repositories()["repositories"]) == 3


def prepared(cloud: Cloud, aws: Any, roots: Callable[[str], Root]) -> tuple[Root, list[str]]:
    """Staging, ready to be applied, and its variables: with images, and with what an earlier destroy left."""
    images = {}
    for name in ("backend", "frontend"):
        pushed = ecr.push(aws("ecr"), cloud.settings.state, ROOT / "apps" / name, f"ohmycoins/{name}")
        images[name] = pushed.uri
    for name in LEFTOVERS:
        aws("logs").create_log_group(logGroupName=name)
    [bucket] = aws("s3").list_buckets()["Buckets"]
    staging = roots("environments/staging")
    staging.init(f"-backend-config=bucket={bucket['Name']}")
    return staging, ["-var-file=local.tfvars", f"-var=images={json.dumps(images)}"]


def assert_the_snapshot_holds_no_call_up(cloud: Cloud) -> None:
    def held_lock() -> float:
        cloud.part(Snapshots).save(cloud)
        return cloud.part(Snapshots).held_lock

    assert any(held_lock() < 2 for _ in range(3)), "goal: 0.1 s on an idle machine"


def _empty(s3: Any, bucket: str) -> None:
    """A bucket that holds Terraform's states is protected from a destroy by what is in it."""
    versions = s3.list_object_versions(Bucket=bucket)
    for one in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])


def _forget_images(client: Any) -> None:
    for repository in client.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        held = client.list_images(repositoryName=name)["imageIds"]
        if held:
            client.batch_delete_image(repositoryName=name, imageIds=held)
