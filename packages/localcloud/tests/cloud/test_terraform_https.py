"""The load balancer's module under a name of one's own: certificate, record and listeners, and a browser's trust."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from localcloud.backends import certificates
from localcloud.core.cloud import Cloud
from support.terraform_root import root_at
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]

TERRAFORM = Path(__file__).parents[4] / "infrastructure/terraform"
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


def test_https_under_a_name_of_ones_own(cloud: Cloud, aws: Any, tmp_path: Path, provider: Mapping[str, str]) -> None:
    """The zone is there; certificate, proof, record and listeners are as the load balancer's module makes them."""
    zone = aws("route53").create_hosted_zone(Name="example.com", CallerReference="zone")["HostedZone"]["Id"]
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{cloud.settings.region}{zone_letter}"
        )
        for n, zone_letter in enumerate("ab")
    ]
    root = root_at(tmp_path / "named", cloud, provider)
    root.folder.mkdir()
    shutil.copytree(TERRAFORM / "modules", tmp_path / "modules", ignore=shutil.ignore_patterns(".terraform*"))
    shutil.copy(TERRAFORM / "bootstrap/versions.tf", root.folder)
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
    root.apply()
    root.assert_no_difference()

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

    eventually("the name is answered for over HTTPS", answers)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        https(address, port, "other.example.com", trusted)
    plain = HTTPConnection(address, cloud.settings.real_port(80), timeout=10)
    with closing(plain):
        plain.request("GET", "/prices?at=1", headers={"Host": DOMAIN})
        redirect = plain.getresponse()
    assert (redirect.status, redirect.getheader("Location")) == (301, f"https://{DOMAIN}:443/prices?at=1")
