"""A stack that is nothing like ours stands in the local cloud: another region, Aurora, FARGATE_SPOT."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from localcloud.backends import certificates
from localcloud.core.cloud import Cloud
from support.acme_stack import CLUSTER, ENVIRONMENT, REGION, SERVICES, Acme, make_acme, push_release
from support.running_cloud import smallest_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud

CLUSTER_ID = {"DBClusterIdentifier": ENVIRONMENT}
MEMBER_ID = {"DBInstanceIdentifier": f"{ENVIRONMENT}-1"}
AURORA_CLASS = {"DBInstanceClass": "db.r6g.large", "Engine": "aurora-postgresql"}


@dataclass(frozen=True, slots=True)
class World:
    cloud: Cloud
    aws: Callable[..., Any]
    acme: Acme

    def client(self, service: str, /) -> Any:
        return self.aws(service)

    def cluster(self) -> dict[str, Any]:
        found = self.aws("rds").describe_db_clusters(DBClusterIdentifier=ENVIRONMENT)["DBClusters"]
        return dict(found[0])

    def writer(self) -> str:
        members = self.cluster()["DBClusterMembers"]
        return str(next(each["DBInstanceIdentifier"] for each in members if each["IsClusterWriter"]))

    def is_available(self) -> bool:
        instances = self.aws("rds").describe_db_instances()["DBInstances"]
        states = {self.cluster()["Status"], *(each["DBInstanceStatus"] for each in instances)}
        return states == {"available"}

    def ask(self, host: str, statement: str) -> Any:
        arn = self.cluster()["MasterUserSecret"]["SecretArn"]
        secret = json.loads(self.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        bundle = str(certificates.bundle(self.cloud.settings.state))
        with psycopg.connect(
            host=host, port=5432, dbname="acme", user=secret["username"], password=secret["password"],
            sslmode="verify-full", sslrootcert=bundle,
        ) as connection:  # fmt: skip
            answer = connection.execute(statement.encode())
            row = answer.fetchone() if answer.description else None
        return row[0] if row else None


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, clients_of: Callable[[Cloud], Callable[..., Any]]
) -> Iterator[World]:
    state = tmp_path_factory.mktemp("acme") / "state"
    with smallest_cloud(state, "rds", "sns", region=REGION) as cloud:
        aws = clients_of(cloud)

        class Clients:
            def client(self, service: str, /) -> Any:
                return aws(service)

        made = World(cloud, aws, make_acme(Clients(), state))
        eventually("the cluster and its members are available", made.is_available, 60)
        yield made


def test_its_services_run_and_are_healthy_in_every_target_group(world: World) -> None:
    ecs, elb = world.aws("ecs"), world.aws("elbv2")

    def settled() -> bool:
        found = ecs.describe_services(cluster=CLUSTER, services=list(SERVICES.values()))["services"]
        healths = [
            each["TargetHealth"]["State"]
            for arn in world.acme.target_groups.values()
            for each in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        ]
        return all(each["runningCount"] == each["desiredCount"] for each in found) and healths == ["healthy"] * 6

    eventually("two tasks are healthy in each of the three target groups", settled, 60)
    tasks = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICES["worker"])["taskArns"]
    assert ecs.describe_tasks(cluster=CLUSTER, tasks=tasks)["tasks"][0]["capacityProviderName"] == "FARGATE_SPOT"


def test_each_endpoint_of_the_cluster_leads_to_its_postgresql(world: World) -> None:
    shown = world.cluster()
    instances = world.aws("rds").describe_db_instances()["DBInstances"]
    hosts = [shown["Endpoint"], shown["ReaderEndpoint"], *(each["Endpoint"]["Address"] for each in instances)]
    assert len(set(hosts)) == 4
    world.ask(hosts[0], "CREATE TABLE coins (n int)")

    def answers(host: str) -> bool:
        try:
            return bool(world.ask(host, "SELECT 1"))
        except psycopg.OperationalError:
            return False  # its certificate is being made

    for host in hosts:
        eventually(f"{host} has a certificate of its own", lambda host=host: answers(host), 60)  # type: ignore[misc]
    assert [world.ask(each, "SELECT count(*) FROM coins") for each in hosts] == [0, 0, 0, 0]
    assert {each["DBClusterIdentifier"] for each in instances} == {ENVIRONMENT}


def test_a_failover_makes_the_reader_the_writer_and_says_so(world: World) -> None:
    rds, before = world.aws("rds"), world.writer()
    rds.failover_db_cluster(DBClusterIdentifier=ENVIRONMENT)
    eventually("another member is the writer", lambda: world.writer() != before and world.is_available(), 60)
    assert world.ask(world.cluster()["Endpoint"], "SELECT 1") == 1
    told = [each["Message"] for each in rds.describe_events(SourceType="db-cluster", Duration=60)["Events"]]
    assert f"Completed failover to DB instance: {world.writer()}" in told


def test_metrics_have_the_clusters_dimensions(world: World) -> None:
    cloudwatch = world.aws("cloudwatch")

    def names(**dimensions: str) -> set[str]:
        wanted = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        return {
            each["MetricName"]
            for each in cloudwatch.list_metrics(Namespace="AWS/RDS", Dimensions=wanted)["Metrics"]
            if len(each["Dimensions"]) == len(wanted)
        }

    wanted = {"AuroraReplicaLag", "CPUUtilization", "DatabaseConnections", "VolumeBytesUsed"}
    eventually("the cluster is measured", lambda: wanted <= names(DBClusterIdentifier=ENVIRONMENT), 90)
    assert "DatabaseConnections" in names(DBClusterIdentifier=ENVIRONMENT, Role="WRITER")
    assert "FreeStorageSpace" not in names(DBInstanceIdentifier=world.writer())


def test_snapshots_of_the_cluster_are_the_clusters(world: World) -> None:
    rds = world.aws("rds")
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="before", DBClusterIdentifier=ENVIRONMENT)

    def kinds() -> list[str]:
        found = rds.describe_db_cluster_snapshots(DBClusterIdentifier=ENVIRONMENT)["DBClusterSnapshots"]
        return sorted(each["SnapshotType"] for each in found if each["Status"] == "available")

    eventually("both snapshots are there", lambda: kinds() == ["automated", "manual"], 60)
    assert rds.describe_db_snapshots()["DBSnapshots"] == []
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="before")
    assert kinds() == ["automated"]


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("delete_db_cluster", {**CLUSTER_ID, "SkipFinalSnapshot": True}, "InvalidParameterCombination"),
        ("describe_db_clusters", {"DBClusterIdentifier": "none"}, "DBClusterNotFoundFault"),
        ("failover_db_cluster", {**CLUSTER_ID, "TargetDBInstanceIdentifier": "none"}, "InvalidDBInstanceState"),
        ("stop_db_instance", MEMBER_ID, "InvalidParameterCombination"),
        ("modify_db_instance", {**MEMBER_ID, "MultiAZ": True}, "InvalidParameterCombination"),
        ("create_db_instance", {"DBInstanceIdentifier": "lone", **AURORA_CLASS}, "InvalidParameterCombination"),
        ("create_db_cluster", {**CLUSTER_ID, "Engine": "aurora-mysql", "MasterUsername": "a"}, "InvalidParameterValue"),
    ],
)
def test_what_aurora_refuses_is_refused(world: World, call: str, arguments: dict[str, Any], code: str) -> None:
    rds = world.aws("rds")
    with pytest.raises(rds.exceptions.ClientError) as refusal:
        getattr(rds, call)(**arguments)
    assert refusal.value.response["Error"]["Code"] == code


def test_a_release_that_was_told_to_be_unhealthy_is_rolled_back_and_a_file_tells_the_next(world: World) -> None:
    ecs = world.aws("ecs")
    bad = push_release(world, world.cloud.settings.state, "web", "2", fail="unhealthy")
    first = ecs.describe_task_definition(taskDefinition=world.acme.definitions["web"])["taskDefinition"]
    keep = ("family", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn", "requiresCompatibilities")
    containers = [{**first["containerDefinitions"][0], "image": bad}]
    made = ecs.register_task_definition(**{key: first[key] for key in keep}, containerDefinitions=containers)
    revision = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(
        cluster=CLUSTER, service=SERVICES["web"], taskDefinition=revision, healthCheckGracePeriodSeconds=0
    )

    def state() -> set[str]:
        found = ecs.list_service_deployments(cluster=CLUSTER, service=SERVICES["web"])["serviceDeployments"]
        return {each["status"] for each in found}

    eventually("the circuit breaker has rolled the release back", lambda: "ROLLBACK_SUCCESSFUL" in state(), 120)
    balancer = world.aws("elbv2").describe_load_balancers()["LoadBalancers"][0]["DNSName"]
    port = world.cloud.settings.real_port(80)
    with urllib.request.urlopen(f"http://{balancer}:{port}/", timeout=10) as answer:
        assert json.load(answer)["release"] == "web-1"
