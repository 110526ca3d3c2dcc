"""After down and up the services are there, their tasks are started anew, and the old ones tell the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud.core import addresses
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.front.identity import Identity
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.running_cloud import cloud_at

pytestmark = pytest.mark.cloud


def clients(cloud: Cloud) -> Any:
    identity = cloud.part(Identity)

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
            service,
            endpoint_url=cloud.settings.endpoint,
            region_name=cloud.settings.region,
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )

    return client


def test_services_come_back_with_new_tasks_and_without_a_new_deployment(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with cloud_at(state) as cloud:
        cluster = create_cluster(cloud, clients(cloud), tmp_path)
        cluster.create_service("kept", cluster.register("kept", cluster.push("kept", SERVER)), desired=2)
        before = cluster.steady("kept")
        old = cluster.tasks("kept")
        processes = cloud.part(Supervisor).running()
        assert len([process for process in processes if process.name.startswith("task ")]) == 2
    assert all(process.poll() is not None for process in processes)

    with cloud_at(state) as cloud:
        again = EcsCluster(cloud, clients(cloud), tmp_path, cluster.subnets, cluster.group, cluster.repository)
        after = again.steady("kept")
        assert [d["id"] for d in after["deployments"]] == [d["id"] for d in before["deployments"]]
        assert after["events"][-1]["id"] == before["events"][-1]["id"]
        new = again.tasks("kept")
        assert len(new) == 2
        assert not {task["taskArn"] for task in new} & {task["taskArn"] for task in old}
        ended = again.task(old[0]["taskArn"])
        assert ended["lastStatus"] == "STOPPED"
        assert ended["stopCode"] == "TerminationNotice"
        assert ended["stoppedReason"] == "The local cloud was stopped while this task was running"
        interfaces = again.aws("ec2").describe_network_interfaces()["NetworkInterfaces"]
        tasks_interfaces = [one for one in interfaces if ":attachment/" in one["Description"]]
        assert len(tasks_interfaces) == 2  # the old tasks' interfaces are gone
    home = addresses.load(state)
    assert home is not None
    addresses.release(home.settings.state)
