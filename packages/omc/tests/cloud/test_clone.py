"""A copy of a stack that omc has never seen is the same stack again, and no secret is in its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud import recorded as maker
from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from omc.aws.gateway import Access, Gateway
from omc.config import Environment, load
from omc.local import recorded as recorded_stacks
from omc.local import recording
from support.acme_stack import REGION, SERVICES, make_acme
from support.running_cloud import smallest_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud

STACK = """
name = "acme"
time_zone = "Europe/Berlin"
[environments.source]
local_state = "source"
prefix = "acme-prod"
region = "eu-central-1"
cluster = "acme"
database_cluster = "acme-prod"
cache = ""
load_balancer = "acme-public"
alarm_prefix = "acme-"
[environments.local]
local_state = "copy"
prefix = "acme-prod"
region = "eu-central-1"
cluster = "acme"
database_cluster = "acme-prod"
cache = ""
load_balancer = "acme-public"
alarm_prefix = "acme-"
[services.api]
ecs_service = "acme-prod-api"
family = "acme-api"
container = "app"
log_group = "/acme/prod/api"
target_group = ["acme-api", "acme-api-partners"]
port = 8080
minimum = 2
maximum = 6
cpu_target = 60
[services.web]
ecs_service = "acme-prod-web"
family = "acme-web"
container = "app"
log_group = "/acme/prod/web"
target_group = "acme-web"
port = 3000
minimum = 2
maximum = 4
cpu_target = 60
[services.worker]
ecs_service = "acme-prod-worker"
family = "acme-worker"
container = "app"
log_group = "/acme/prod/worker"
[jobs.cleanup]
family = "acme-cleanup"
"""


@dataclass(frozen=True, slots=True)
class Session:
    cloud: Cloud

    def client(self, service: str, /) -> Any:
        identity, settings = self.cloud.part(Identity), self.cloud.settings
        return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
            service,
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )


@dataclass(frozen=True, slots=True)
class Copy:
    source: dict[str, Any]
    copied: dict[str, Any]
    cloud: Cloud
    environment: Environment


def record(environment: Environment, cloud: Cloud) -> dict[str, Any]:
    identity = cloud.part(Identity)
    access = Access(cloud.settings.endpoint, identity.access_key_id, identity.secret_access_key)
    return recording.record(Gateway(environment, access))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("clone")
    file = folder / "omc.toml"
    file.write_text(STACK)
    environments = load(file).environments
    with smallest_cloud(folder / "source", "rds", "sns", region=REGION) as cloud:
        make_acme(Session(cloud), cloud.settings.state)
        source = record(environments["source"], cloud)
    recorded_stacks.require_alike(source, environments["local"])
    with smallest_cloud(folder / "copy", "rds", "sns", region=REGION) as cloud:
        maker.make(source, Session(cloud).client, cloud.settings.state, cloud.settings.account)
        yield Copy(source, record(environments["local"], cloud), cloud, environments["local"])


def test_the_copy_is_described_as_its_source_is(copy: Copy) -> None:
    own = ("recorded_at", "environment")
    assert {k: v for k, v in copy.copied.items() if k not in own} == {
        k: v for k, v in copy.source.items() if k not in own
    }
    assert copy.source["left_out"] == []
    assert [each["serviceName"] for each in copy.source["services"]] == list(SERVICES.values())


def test_the_copy_runs_and_its_targets_are_healthy(copy: Copy) -> None:
    session = Session(copy.cloud)
    ecs, elb = session.client("ecs"), session.client("elbv2")

    def settled() -> bool:
        found = ecs.describe_services(cluster="acme", services=list(SERVICES.values()))["services"]
        healths = [
            each["TargetHealth"]["State"]
            for group in elb.describe_target_groups()["TargetGroups"]
            for each in elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        ]
        return all(each["runningCount"] == each["desiredCount"] for each in found) and healths == ["healthy"] * 6

    eventually("two tasks are healthy in each target group of the copy", settled, 90)


def test_no_secrets_value_is_in_the_file(copy: Copy, tmp_path: Path) -> None:
    file = tmp_path / "acme.stack.json"
    recorded_stacks.write(copy.copied, file)
    assert recorded_stacks.read(file) == copy.copied
    assert file.stat().st_mode & 0o077 == 0
    manager = Session(copy.cloud).client("secretsmanager")
    text = file.read_text()
    for each in manager.list_secrets()["SecretList"]:
        secret = manager.get_secret_value(SecretId=each["ARN"])["SecretString"]
        assert secret not in text
        assert json.loads(secret)["password"] not in text


def test_a_stand_in_holds_connections_to_the_copys_database(copy: Copy) -> None:
    logs = Session(copy.cloud).client("logs")

    def is_connected() -> bool:
        events = logs.filter_log_events(logGroupName="/acme/prod/api", filterPattern='"connections"')["events"]
        return any("connections" in json.loads(each["message"]).get("database", "") for each in events)

    eventually("a stand-in says that it is connected", is_connected, 60)
