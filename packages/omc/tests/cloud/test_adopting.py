"""A stack that omc has never seen, made by plain calls in a local cloud: omc init, and the file is true of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.front.identity import Identity
from omc.config import load
from support.ecs_cluster import SERVER, WAITER, create_cluster
from support.running_cloud import running_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An adopter's folder, beside the state of a local cloud in which acme-prod runs: api behind a load balancer, and
    a worker without a port, in a cluster of another name."""
    folder = tmp_path_factory.mktemp("acme")
    with running_cloud(folder / ".localcloud", REGION) as cloud:
        identity, settings = cloud.part(Identity), cloud.settings
        session = boto3.Session(identity.access_key_id, identity.secret_access_key, region_name=REGION)
        aws: Any = partial(session.client, endpoint_url=settings.endpoint)
        reach = {
            "endpoint": settings.endpoint,
            "region": REGION,
            "account": settings.account,
            "access_key_id": identity.access_key_id,
            "secret_access_key": identity.secret_access_key,
            "port_shift": settings.port_shift,
        }
        (folder / ".localcloud/cloud.json").write_text(json.dumps(reach))
        built = create_cluster(cloud, aws, folder / "apps")
        elb = aws("elbv2")
        subnet = aws("ec2").describe_subnets(SubnetIds=built.subnets[:1])["Subnets"][0]
        group = elb.create_target_group(
            Name="acme-api-prod",
            Protocol="HTTP",
            Port=8000,
            TargetType="ip",
            VpcId=subnet["VpcId"],
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        balancer = elb.create_load_balancer(Name="edge", Subnets=built.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=8080,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        server, waiter = built.push("server", SERVER), built.push("waiter", WAITER)
        behind = [{"targetGroupArn": group, "containerName": "app", "containerPort": 8000}]
        built.create_service("acme-prod-api", built.register("acme-api", server), loadBalancers=behind)
        built.create_service("acme-prod-worker", built.register("acme-worker", waiter, portMappings=[]))
        scaling = aws("application-autoscaling")
        resource = {
            "ServiceNamespace": "ecs",
            "ResourceId": "service/rehearsal/acme-prod-api",
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        scaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=3)
        scaling.put_scaling_policy(
            **resource,
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 60.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            },
        )
        for name in ("acme-prod-api", "acme-prod-worker"):
            built.steady(name)
        yield folder


def omc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    return subprocess.run(
        [sys.executable, "-m", "omc", *arguments],
        cwd=folder,
        env=inherited,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_running_stack_is_adopted_by_one_command_and_its_morning_check_is_true(folder: Path) -> None:
    made = omc(folder, "init", "--local-state", ".localcloud", "--yes")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Next: omc check morning --env prod" in made.stdout
    prod = load(folder / "omc.toml").environments["prod"]
    api, worker = prod.services
    assert (prod.cluster, prod.load_balancer, prod.database, prod.cache) == ("rehearsal", "edge", "", "")
    assert (api.ecs_service, api.family, api.port, api.target_groups) == (
        "acme-prod-api",
        "acme-api",
        8000,
        ("acme-api-prod",),
    )
    assert (api.minimum, api.maximum, api.cpu_target) == (1, 3, 60)
    assert prod.alarm_prefix == "acme-prod-"  # and not that of the alarms that autoscaling makes for itself
    assert (worker.ecs_service, worker.port, worker.target_groups) == ("acme-prod-worker", None, ())
    shown = omc(folder, "stack", "show", "--env", "prod")
    assert "the same: names" in shown.stdout, shown.stdout + shown.stderr
    again = omc(folder, "init", "--local-state", ".localcloud")
    assert again.stdout == "", again.stderr

    def checked() -> dict[str, Any] | None:
        answer = omc(folder, "check", "morning", "--env", "prod", "--output", "json")
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    report = eventually("the morning check is ok", checked, 240)
    print(json.dumps(report, indent=1)[:3000])
