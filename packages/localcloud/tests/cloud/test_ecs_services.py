"""Services and their deployments: rolling updates, the circuit breaker, targets, scaling, deletion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.waiting import eventually

pytestmark = pytest.mark.cloud
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture(scope="module")
def cluster(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> EcsCluster:
    return create_cluster(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def image(cluster: EcsCluster) -> str:
    return cluster.push("server", SERVER)


def target_group(cluster: EcsCluster, name: str) -> str:
    """A target group behind a load balancer of its own, with ELB's quickest health checks."""
    balancing = cluster.aws("elbv2")
    group = balancing.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=8000,
        TargetType="ip",
        VpcId=cluster.aws("ec2").describe_subnets(SubnetIds=cluster.subnets[:1])["Subnets"][0]["VpcId"],
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    balancing.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]
    )
    balancer = balancing.create_load_balancer(Name=name, Subnets=cluster.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    balancing.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=8080,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return str(group)


def behind(group: str) -> list[dict[str, Any]]:
    return [{"targetGroupArn": group, "containerName": "app", "containerPort": 8000}]


def test_a_service_reaches_a_steady_state_and_replaces_a_task_that_is_stopped(cluster: EcsCluster, image: str) -> None:
    created = cluster.create_service("steady", cluster.register("steady", image), desired=2)
    assert created["status"] == "ACTIVE"
    assert [d["status"] for d in created["deployments"]] == ["PRIMARY"]
    assert created["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    service = cluster.steady("steady")
    assert service["pendingCount"] == 0
    deployment = service["deployments"][0]
    assert deployment["rolloutStateReason"] == f"ECS deployment {deployment['id']} completed."
    eventually(
        "the service says that it is steady",
        lambda: cluster.messages("steady")[0] == "(service steady) has reached a steady state.",
    )
    started = [message for message in cluster.messages("steady") if "has started 2 tasks: (task " in message]
    assert len(started) == 1

    before = cluster.tasks("steady")
    zones = {task["availabilityZone"] for task in before}
    assert len(zones) == 2  # spread over the subnets
    cluster.ecs.stop_task(cluster="rehearsal", task=before[0]["taskArn"])
    eventually(
        "another task has taken its place",
        lambda: {t["taskArn"] for t in cluster.tasks("steady")} != {t["taskArn"] for t in before},
    )
    cluster.steady("steady")
    assert before[1]["taskArn"] in {task["taskArn"] for task in cluster.tasks("steady")}
    cluster.ecs.delete_service(cluster="rehearsal", service="steady", force=True)


def test_a_rolling_update_ends_on_the_new_revision_only(cluster: EcsCluster, image: str) -> None:
    first = cluster.register("rolling", image, environment=[{"name": "GREETING", "value": "one"}])
    cluster.create_service("rolling", first, desired=2)
    cluster.steady("rolling")
    second = cluster.register("rolling", image, environment=[{"name": "GREETING", "value": "two"}])
    updated = cluster.ecs.update_service(cluster="rehearsal", service="rolling", taskDefinition="rolling")["service"]
    assert updated["taskDefinition"] == second
    assert [(d["status"], d["taskDefinition"]) for d in updated["deployments"]] == [
        ("PRIMARY", second),
        ("ACTIVE", first),
    ]
    cluster.steady("rolling")
    assert {task["taskDefinitionArn"] for task in cluster.tasks("rolling")} == {second}
    old = [task for task in cluster.tasks("rolling", "STOPPED") if task["taskDefinitionArn"] == first]
    assert {task["stopCode"] for task in old} == {"ServiceSchedulerInitiated"}
    assert all(task["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/") for task in old)
    history = cluster.ecs.list_service_deployments(cluster="rehearsal", service="rolling")["serviceDeployments"]
    assert [record["status"] for record in history] == ["SUCCESSFUL", "SUCCESSFUL"]
    cluster.ecs.delete_service(cluster="rehearsal", service="rolling", force=True)


def test_a_broken_revision_trips_the_breaker_and_is_rolled_back(cluster: EcsCluster, image: str) -> None:
    good = cluster.register("broken", image)
    cluster.create_service("broken", good, desired=1, deploymentConfiguration=BREAKER)
    cluster.steady("broken")
    bad = cluster.register("broken", cluster.push("crash", "raise SystemExit('no')"))
    updated = cluster.ecs.update_service(cluster="rehearsal", service="broken", taskDefinition=bad)["service"]
    failed = updated["deployments"][0]["id"]
    eventually(
        "the deployment has failed",
        lambda: (
            f"(service broken) (deployment {failed}) deployment failed: tasks failed to start."
            in cluster.messages("broken")
        ),
    )
    service = cluster.steady("broken")
    assert service["taskDefinition"] == good
    assert service["deployments"][0]["id"] != failed
    assert any(m.startswith("(service broken) rolling back to deployment ecs-svc/") for m in cluster.messages("broken"))
    history = cluster.ecs.list_service_deployments(cluster="rehearsal", service="broken")["serviceDeployments"]
    assert [record["status"] for record in history] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    detail = cluster.ecs.describe_service_deployments(serviceDeploymentArns=[history[0]["serviceDeploymentArn"]])
    record = detail["serviceDeployments"][0]
    assert record["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert record["rollback"]["serviceRevisionArn"] == history[1]["targetServiceRevisionArn"]
    revisions = cluster.ecs.describe_service_revisions(
        serviceRevisionArns=[history[0]["targetServiceRevisionArn"], history[1]["targetServiceRevisionArn"]]
    )["serviceRevisions"]
    assert [revision["taskDefinition"] for revision in revisions] == [bad, good]
    assert revisions[1]["containerImages"][0]["imageDigest"].startswith("sha256:")
    dead = [task for task in cluster.tasks("broken", "STOPPED") if task["taskDefinitionArn"] == bad]
    assert {task["containers"][0]["exitCode"] for task in dead} == {1}
    cluster.ecs.delete_service(cluster="rehearsal", service="broken", force=True)


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(cluster: EcsCluster) -> None:
    bad = cluster.register("hopeless", f"{cluster.repository}:never-pushed")
    cluster.create_service("hopeless", bad, desired=1, deploymentConfiguration=BREAKER)
    eventually(
        "the deployment has failed", lambda: cluster.service("hopeless")["deployments"][0]["rolloutState"] == "FAILED"
    )
    deployment = cluster.service("hopeless")["deployments"][0]
    assert deployment["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert deployment["failedTasks"] == 3
    eventually("no task is left", lambda: not cluster.tasks("hopeless"))
    assert cluster.service("hopeless")["runningCount"] == 0
    cluster.ecs.delete_service(cluster="rehearsal", service="hopeless", force=True)


def test_targets_are_registered_checked_and_drained(cluster: EcsCluster, image: str) -> None:
    group = target_group(cluster, "drained")
    definition = cluster.register("drained", image)
    cluster.create_service("drained", definition, desired=1, loadBalancers=behind(group))
    balancing = cluster.aws("elbv2")

    def states() -> list[str]:
        found = balancing.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in found]

    cluster.steady("drained")
    eventually("the target is healthy", lambda: states() == ["healthy"])
    assert f"(service drained) registered 1 targets in (target-group {group})" in cluster.messages("drained")
    cluster.ecs.update_service(cluster="rehearsal", service="drained", desiredCount=0)
    eventually("no target is left", lambda: states() == [])
    eventually("no task is left", lambda: not cluster.tasks("drained"))
    assert f"(service drained) deregistered 1 targets in (target-group {group})" in cluster.messages("drained")
    assert "(service drained) has begun draining connections on 1 tasks." in cluster.messages("drained")
    cluster.ecs.delete_service(cluster="rehearsal", service="drained")


def test_a_task_that_fails_its_load_balancer_checks_is_replaced(cluster: EcsCluster, image: str) -> None:
    group = target_group(cluster, "failing")
    definition = cluster.register("failing", image, environment=[{"name": "BROKEN", "value": "1"}])
    cluster.create_service("failing", definition, desired=1, loadBalancers=behind(group))
    stopped = eventually("a task is stopped", lambda: cluster.tasks("failing", "STOPPED"), 120)
    assert stopped[0]["stopCode"] == "ServiceSchedulerInitiated"
    assert stopped[0]["stoppedReason"] == f"Task failed ELB health checks in (target-group {group})"
    assert any(f"is unhealthy in (target-group {group})" in message for message in cluster.messages("failing"))
    assert cluster.service("failing")["deployments"][0]["failedTasks"] >= 1
    cluster.ecs.delete_service(cluster="rehearsal", service="failing", force=True)


def test_scaling_changes_the_count_and_begins_no_deployment(cluster: EcsCluster, image: str) -> None:
    cluster.create_service("scaled", cluster.register("scaled", image), desired=1)
    before = cluster.steady("scaled")["deployments"][0]["id"]
    cluster.ecs.update_service(cluster="rehearsal", service="scaled", desiredCount=3)
    after = cluster.steady("scaled")
    assert (after["runningCount"], after["deployments"][0]["id"]) == (3, before)
    cluster.ecs.update_service(cluster="rehearsal", service="scaled", desiredCount=1)
    eventually("one task is left", lambda: len(cluster.tasks("scaled")) == 1)
    cluster.ecs.update_service(cluster="rehearsal", service="scaled", forceNewDeployment=True)
    assert cluster.service("scaled")["deployments"][0]["id"] != before
    cluster.ecs.delete_service(cluster="rehearsal", service="scaled", force=True)


def test_a_deployment_can_be_stopped_and_rolled_back_by_hand(cluster: EcsCluster, image: str) -> None:
    good = cluster.register("halted", image)
    cluster.create_service("halted", good, desired=1)
    cluster.steady("halted")
    bad = cluster.register("halted", f"{cluster.repository}:never-pushed")
    cluster.ecs.update_service(cluster="rehearsal", service="halted", taskDefinition=bad)
    record = cluster.ecs.list_service_deployments(cluster="rehearsal", service="halted")["serviceDeployments"][0]
    cluster.ecs.stop_service_deployment(serviceDeploymentArn=record["serviceDeploymentArn"], stopType="ROLLBACK")

    def status() -> str:
        arn = record["serviceDeploymentArn"]
        found = cluster.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return str(found[0]["status"])

    eventually("the deployment is rolled back", lambda: status() == "ROLLBACK_SUCCESSFUL")
    assert cluster.steady("halted")["taskDefinition"] == good
    with pytest.raises(ClientError) as again:
        cluster.ecs.stop_service_deployment(serviceDeploymentArn=record["serviceDeploymentArn"])
    assert again.value.response["Error"]["Code"] == "ConflictException"
    cluster.ecs.delete_service(cluster="rehearsal", service="halted", force=True)


def test_a_deleted_service_drains_and_a_cluster_with_services_stays(cluster: EcsCluster, image: str) -> None:
    cluster.create_service("gone", cluster.register("gone", image), desired=1)
    cluster.steady("gone")
    with pytest.raises(ClientError) as contains:
        cluster.ecs.delete_cluster(cluster="rehearsal")
    assert contains.value.response["Error"]["Code"] == "ClusterContainsServicesException"
    with pytest.raises(ClientError) as scaled:
        cluster.ecs.delete_service(cluster="rehearsal", service="gone")
    assert scaled.value.response["Error"]["Message"] == "The service cannot be stopped while it is scaled above 0."
    cluster.ecs.delete_service(cluster="rehearsal", service="gone", force=True)
    assert cluster.service("gone")["status"] in ("DRAINING", "INACTIVE")
    eventually("the service is inactive", lambda: cluster.service("gone")["status"] == "INACTIVE")
    with pytest.raises(ClientError) as inactive:
        cluster.ecs.update_service(cluster="rehearsal", service="gone", desiredCount=1)
    assert inactive.value.response["Error"]["Code"] == "ServiceNotActiveException"
    missing = cluster.ecs.describe_services(cluster="rehearsal", services=["never"])
    assert [failure["reason"] for failure in missing["failures"]] == ["MISSING"]


def test_what_a_service_uses_is_measured_from_its_processes(cluster: EcsCluster) -> None:
    burner = cluster.push("burner", "import os\nos.fork()\nwhile True: pass")  # two, for their share of a busy machine
    cluster.create_service("measured", cluster.register("measured", burner), desired=1)
    cluster.steady("measured")
    watch = cluster.aws("cloudwatch")

    def highest(namespace: str, metric: str) -> float:
        now = cluster.cloud.now()
        points = watch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[
                {"Name": "ClusterName", "Value": "rehearsal"},
                {"Name": "ServiceName", "Value": "measured"},
            ],
            StartTime=now - timedelta(minutes=20),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return float(max((point["Maximum"] for point in points), default=0.0))

    # A whole CPU, of a quarter that it was given.
    assert eventually("the processor time is measured", lambda: highest("AWS/ECS", "CPUUtilization") > 100, 120)
    assert eventually("the running task is counted", lambda: highest("ECS/ContainerInsights", "RunningTaskCount") == 1)
    assert 0 < highest("AWS/ECS", "MemoryUtilization") < 20
    cluster.ecs.delete_service(cluster="rehearsal", service="measured", force=True)
