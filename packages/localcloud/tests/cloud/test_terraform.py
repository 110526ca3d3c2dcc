"""Terraform, unchanged roots, against the cloud: apply, a plan without changes, destroy, and nothing left.

One story, in order, as the provider's own waits make it minutes long (a database 80 s, each bucket's lifecycle rules
55 s, each load balancer 60 s). Any operation that the cloud lacks fails it through the log.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from localcloud.backends import certificates
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.snapshot import Snapshots
from localcloud.front.identity import Identity
from localcloud.services.ecr import images as ecr
from omc.terraform import Terraform, find_terraform
from support.stack import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[4]
BOOTSTRAP = [
    "-var=environment=staging",
    "-var=github_repository=example/ohmycoins",
    "-var=github_owner_id=1",
    "-var=github_repository_id=2",
]


@dataclass(frozen=True, slots=True)
class Root:
    """One Terraform root, copied to a folder where it may write."""

    terraform: Terraform
    folder: Path
    environment: dict[str, str]

    def run(self, verb: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        command = [str(self.terraform.executable), verb, "-input=false", "-no-color", *arguments]
        run = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert run.returncode in codes, run.stdout[-3000:] + run.stderr[-3000:]
        return run

    def init(self, *arguments: str) -> None:
        self.run("init", *self.terraform.init_arguments(), *arguments)

    def outputs(self) -> dict[str, Any]:
        command = [str(self.terraform.executable), "output", "-json"]
        run = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True)
        return {name: held["value"] for name, held in json.loads(run.stdout).items()}


@pytest.fixture
def roots(tmp_path: Path, cloud: Cloud) -> Callable[[str], Root]:
    shutil.copytree(
        ROOT / "infrastructure/terraform", tmp_path / "infrastructure", ignore=shutil.ignore_patterns(".terraform*")
    )
    terraform, identity = find_terraform(), cloud.part(Identity)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment = {
        **kept,
        "AWS_ENDPOINT_URL": cloud.settings.endpoint,
        "AWS_REGION": cloud.settings.region,
        "AWS_ACCESS_KEY_ID": identity.access_key_id,
        "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
    }
    return lambda name: Root(terraform, tmp_path / "infrastructure" / name, environment)


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
    bootstrap.run("apply", "-auto-approve", *BOOTSTRAP)
    assert "No changes" in bootstrap.run("plan", "-detailed-exitcode", *BOOTSTRAP).stdout

    images = {}
    for name in ("backend", "frontend"):
        pushed = ecr.push(aws("ecr"), cloud.settings.state, ROOT / "apps" / name, f"ohmycoins/{name}")
        images[name] = pushed.uri
    # What RDS and Container Insights wrote after an earlier destroy.
    leftovers = [
        "/aws/rds/instance/ohmycoins-staging/postgresql",
        "/aws/ecs/containerinsights/ohmycoins-staging/performance",
    ]
    for name in leftovers:
        aws("logs").create_log_group(logGroupName=name)
    staging = roots("environments/staging")
    staging.init(f"-backend-config=bucket={bootstrap.outputs()['state_bucket']}")
    provided = ["-var-file=local.tfvars", f"-var=images={json.dumps(images)}"]
    assert "2 imported" in staging.run("apply", "-auto-approve", *provided).stdout
    for name in leftovers:
        [taken_in] = aws("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert taken_in["retentionInDays"] > 0
        assert taken_in["kmsKeyId"]

    def held_lock() -> float:
        cloud.part(Snapshots).save(cloud)
        return cloud.part(Snapshots).held_lock

    assert any(held_lock() < 2 for _ in range(3)), "goal: 0.1 s on an idle machine"
    assert "No changes" in staging.run("plan", "-detailed-exitcode", *provided).stdout

    staging.run("destroy", "-auto-approve", *provided)
    remaining = left(aws)
    bootstrapped = {kind for kind in ("buckets", "images", "keys' names", "roles") if kind in remaining}
    assert set(remaining) - set(untouched) == bootstrapped, remaining
    eventually("all processes of the stack have ended", lambda: processes(cloud) == own_processes, within=60)

    _empty(aws("s3"), bootstrap.outputs()["state_bucket"])
    _forget_images(aws("ecr"))
    bootstrap.run("destroy", "-auto-approve", *BOOTSTRAP)
    assert left(aws) == untouched


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


DOMAIN = "app.example.com"
UNDER_A_NAME = """
provider "aws" {{}}

module "load_balancer" {{
  source = "../modules/load-balancer"

  name                 = "web-local"
  account_id           = "{account}"
  vpc_id               = "{vpc}"
  subnet_ids           = {subnets}
  security_group_id    = "{group}"
  services             = {{ web = {{ port = 80, health_path = "/" }} }}
  default_service      = "web"
  domain_name          = "{domain}"
  zone_id              = "{zone}"
  deregistration_delay = 5
  deletion_protection  = false
  log_retention_days   = 7
}}
"""


def https(address: str, port: int, name: str, trusted: Path) -> int:
    """The status of a GET, as a browser does it that was told ``name``."""
    context = ssl.create_default_context(cafile=str(trusted))
    with closing(HTTPConnection(name)) as connection, closing(socket.create_connection((address, port), 10)) as plain:
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        connection.request("GET", "/")
        return connection.getresponse().status


def test_https_under_a_name_of_ones_own(cloud: Cloud, aws: Any, roots: Callable[[str], Root]) -> None:
    """The zone is there; certificate, proof, record and listeners are as the load balancer's module makes them."""
    zone = aws("route53").create_hosted_zone(Name="example.com", CallerReference="zone")["HostedZone"]["Id"]
    ec2, root = aws("ec2"), roots("named")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{cloud.settings.region}{zone_letter}"
        )
        for n, zone_letter in enumerate("ab")
    ]
    root.folder.mkdir()
    shutil.copy(root.folder.parent / "bootstrap/versions.tf", root.folder)
    text = UNDER_A_NAME.format(
        account=cloud.settings.account,
        vpc=vpc,
        subnets=json.dumps([each["Subnet"]["SubnetId"] for each in made]),
        group=ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"],
        domain=DOMAIN,
        zone=zone.rpartition("/")[2],
    )
    (root.folder / "main.tf").write_text(text)
    root.init()
    root.run("apply", "-auto-approve")
    assert "No changes" in root.run("plan", "-detailed-exitcode").stdout

    records = {record["Name"].rstrip("."): record for record in aws("route53").list_resource_record_sets(
        HostedZoneId=zone)["ResourceRecordSets"]}  # fmt: skip
    [held] = aws("acm").list_certificates()["CertificateSummaryList"]
    certificate = aws("acm").describe_certificate(CertificateArn=held["CertificateArn"])["Certificate"]
    [proof] = [option["ResourceRecord"] for option in certificate["DomainValidationOptions"]]
    assert certificate["Status"] == "ISSUED"
    assert records[proof["Name"].rstrip(".")]["ResourceRecords"] == [{"Value": proof["Value"]}]
    host = records[DOMAIN]["AliasTarget"]["DNSName"].rstrip(".")
    [balancer] = aws("elbv2").describe_load_balancers()["LoadBalancers"]
    assert host.endswith(balancer["DNSName"])

    address, port = balancer["DNSName"], cloud.settings.real_port(443)
    trusted = certificates.bundle(cloud.settings.state)

    def answers() -> bool:
        try:
            return https(address, port, DOMAIN, trusted) == 503  # nobody is registered behind it
        except ConnectionError:
            return False

    eventually("the name is answered for over HTTPS", answers, within=30)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        https(address, port, "other.example.com", trusted)
    plain = HTTPConnection(address, cloud.settings.real_port(80), timeout=10)
    with closing(plain):
        plain.request("GET", "/prices?at=1", headers={"Host": DOMAIN})
        redirect = plain.getresponse()
    assert (redirect.status, redirect.getheader("Location")) == (301, f"https://{DOMAIN}:443/prices?at=1")
