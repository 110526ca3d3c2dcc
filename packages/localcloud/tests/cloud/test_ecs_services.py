"""Services and their deployments: rolling updates, the circuit breaker, targets, scaling, deletion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_world import SERVER, World, build
from localcloud.core.cloud import Cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture(scope="module")
def world(shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def image(world: World) -> str:
    return world.push("server", SERVER)


def target_group(world: World, name: str) -> str:
    """A target group behind a load balancer of its own, with ELB's quickest health checks."""
    balancing = world.aws("elbv2")
    group = balancing.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=8000,
        TargetType="ip",
        VpcId=world.aws("ec2").describe_subnets(SubnetIds=world.subnets[:1])["Subnets"][0]["VpcId"],
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    balancing.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]
    )
    balancer = balancing.create_load_balancer(Name=name, Subnets=world.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    balancing.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=8080,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return str(group)


def behind(group: str) -> list[dict[str, Any]]:
    return [{"targetGroupArn": group, "containerName": "app", "containerPort": 8000}]


def test_a_service_reaches_a_steady_state_and_replaces_a_task_that_is_stopped(world: World, image: str) -> None:
    created = world.create_service("steady", world.register("steady", image), desired=2)
    assert created["status"] == "ACTIVE"
    assert [d["status"] for d in created["deployments"]] == ["PRIMARY"]
    assert created["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    service = world.steady("steady")
    assert service["pendingCount"] == 0
    deployment = service["deployments"][0]
    assert deployment["rolloutStateReason"] == f"ECS deployment {deployment['id']} completed."
    eventually(
        "the service says that it is steady",
        lambda: world.messages("steady")[0] == "(service steady) has reached a steady state.",
    )
    started = [message for message in world.messages("steady") if "has started 2 tasks: (task " in message]
    assert len(started) == 1

    before = world.tasks("steady")
    zones = {task["availabilityZone"] for task in before}
    assert len(zones) == 2  # spread over the subnets
    world.ecs.stop_task(cluster="rehearsal", task=before[0]["taskArn"])
    eventually(
        "another task has taken its place",
        lambda: {t["taskArn"] for t in world.tasks("steady")} != {t["taskArn"] for t in before},
    )
    world.steady("steady")
    assert before[1]["taskArn"] in {task["taskArn"] for task in world.tasks("steady")}
    world.ecs.delete_service(cluster="rehearsal", service="steady", force=True)


def test_a_rolling_update_ends_on_the_new_revision_only(world: World, image: str) -> None:
    first = world.register("rolling", image, environment=[{"name": "GREETING", "value": "one"}])
    world.create_service("rolling", first, desired=2)
    world.steady("rolling")
    second = world.register("rolling", image, environment=[{"name": "GREETING", "value": "two"}])
    updated = world.ecs.update_service(cluster="rehearsal", service="rolling", taskDefinition="rolling")["service"]
    assert updated["taskDefinition"] == second
    assert [(d["status"], d["taskDefinition"]) for d in updated["deployments"]] == [
        ("PRIMARY", second),
        ("ACTIVE", first),
    ]
    world.steady("rolling")
    assert {task["taskDefinitionArn"] for task in world.tasks("rolling")} == {second}
    old = [task for task in world.tasks("rolling", "STOPPED") if task["taskDefinitionArn"] == first]
    assert {task["stopCode"] for task in old} == {"ServiceSchedulerInitiated"}
    assert all(task["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/") for task in old)
    history = world.ecs.list_service_deployments(cluster="rehearsal", service="rolling")["serviceDeployments"]
    assert [record["status"] for record in history] == ["SUCCESSFUL", "SUCCESSFUL"]
    world.ecs.delete_service(cluster="rehearsal", service="rolling", force=True)


def test_a_broken_revision_trips_the_breaker_and_is_rolled_back(world: World, image: str) -> None:
    good = world.register("broken", image)
    world.create_service("broken", good, desired=1, deploymentConfiguration=BREAKER)
    world.steady("broken")
    bad = world.register("broken", world.push("crash", "raise SystemExit('no')"))
    updated = world.ecs.update_service(cluster="rehearsal", service="broken", taskDefinition=bad)["service"]
    failed = updated["deployments"][0]["id"]
    eventually(
        "the deployment has failed",
        lambda: (
            f"(service broken) (deployment {failed}) deployment failed: tasks failed to start."
            in world.messages("broken")
        ),
    )
    service = world.steady("broken")
    assert service["taskDefinition"] == good
    assert service["deployments"][0]["id"] != failed
    assert any(m.startswith("(service broken) rolling back to deployment ecs-svc/") for m in world.messages("broken"))
    history = world.ecs.list_service_deployments(cluster="rehearsal", service="broken")["serviceDeployments"]
    assert [record["status"] for record in history] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    detail = world.ecs.describe_service_deployments(serviceDeploymentArns=[history[0]["serviceDeploymentArn"]])
    record = detail["serviceDeployments"][0]
    assert record["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    assert record["rollback"]["serviceRevisionArn"] == history[1]["targetServiceRevisionArn"]
    revisions = world.ecs.describe_service_revisions(
        serviceRevisionArns=[history[0]["targetServiceRevisionArn"], history[1]["targetServiceRevisionArn"]]
    )["serviceRevisions"]
    assert [revision["taskDefinition"] for revision in revisions] == [bad, good]
    assert revisions[1]["containerImages"][0]["imageDigest"].startswith("sha256:")
    dead = [task for task in world.tasks("broken", "STOPPED") if task["taskDefinitionArn"] == bad]
    assert {task["containers"][0]["exitCode"] for task in dead} == {1}
    world.ecs.delete_service(cluster="rehearsal", service="broken", force=True)


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(world: World) -> None:
    bad = world.register("hopeless", f"{world.repository}:never-pushed")
    world.create_service("hopeless", bad, desired=1, deploymentConfiguration=BREAKER)
    eventually(
        "the deployment has failed", lambda: world.service("hopeless")["deployments"][0]["rolloutState"] == "FAILED"
    )
    deployment = world.service("hopeless")["deployments"][0]
    assert deployment["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert deployment["failedTasks"] == 3
    eventually("no task is left", lambda: not world.tasks("hopeless"))
    assert world.service("hopeless")["runningCount"] == 0
    world.ecs.delete_service(cluster="rehearsal", service="hopeless", force=True)


def test_targets_are_registered_checked_and_drained(world: World, image: str) -> None:
    group = target_group(world, "drained")
    definition = world.register("drained", image)
    world.create_service("drained", definition, desired=1, loadBalancers=behind(group))
    balancing = world.aws("elbv2")

    def states() -> list[str]:
        found = balancing.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in found]

    world.steady("drained")
    eventually("the target is healthy", lambda: states() == ["healthy"])
    assert f"(service drained) registered 1 targets in (target-group {group})" in world.messages("drained")
    world.ecs.update_service(cluster="rehearsal", service="drained", desiredCount=0)
    eventually("no target is left", lambda: states() == [])
    eventually("no task is left", lambda: not world.tasks("drained"))
    assert f"(service drained) deregistered 1 targets in (target-group {group})" in world.messages("drained")
    assert "(service drained) has begun draining connections on 1 tasks." in world.messages("drained")
    world.ecs.delete_service(cluster="rehearsal", service="drained")


def test_a_task_that_fails_its_load_balancer_checks_is_replaced(world: World, image: str) -> None:
    group = target_group(world, "failing")
    definition = world.register("failing", image, environment=[{"name": "BROKEN", "value": "1"}])
    world.create_service("failing", definition, desired=1, loadBalancers=behind(group))
    stopped = eventually("a task is stopped", lambda: world.tasks("failing", "STOPPED"), 120)
    assert stopped[0]["stopCode"] == "ServiceSchedulerInitiated"
    assert stopped[0]["stoppedReason"] == f"Task failed ELB health checks in (target-group {group})"
    assert any(f"is unhealthy in (target-group {group})" in message for message in world.messages("failing"))
    assert world.service("failing")["deployments"][0]["failedTasks"] >= 1
    world.ecs.delete_service(cluster="rehearsal", service="failing", force=True)


def test_scaling_changes_the_count_and_begins_no_deployment(world: World, image: str) -> None:
    world.create_service("scaled", world.register("scaled", image), desired=1)
    before = world.steady("scaled")["deployments"][0]["id"]
    world.ecs.update_service(cluster="rehearsal", service="scaled", desiredCount=3)
    after = world.steady("scaled")
    assert (after["runningCount"], after["deployments"][0]["id"]) == (3, before)
    world.ecs.update_service(cluster="rehearsal", service="scaled", desiredCount=1)
    eventually("one task is left", lambda: len(world.tasks("scaled")) == 1)
    world.ecs.update_service(cluster="rehearsal", service="scaled", forceNewDeployment=True)
    assert world.service("scaled")["deployments"][0]["id"] != before
    world.ecs.delete_service(cluster="rehearsal", service="scaled", force=True)


def test_a_deployment_can_be_stopped_and_rolled_back_by_hand(world: World, image: str) -> None:
    good = world.register("halted", image)
    world.create_service("halted", good, desired=1)
    world.steady("halted")
    bad = world.register("halted", f"{world.repository}:never-pushed")
    world.ecs.update_service(cluster="rehearsal", service="halted", taskDefinition=bad)
    record = world.ecs.list_service_deployments(cluster="rehearsal", service="halted")["serviceDeployments"][0]
    world.ecs.stop_service_deployment(serviceDeploymentArn=record["serviceDeploymentArn"], stopType="ROLLBACK")

    def status() -> str:
        arn = record["serviceDeploymentArn"]
        found = world.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return str(found[0]["status"])

    eventually("the deployment is rolled back", lambda: status() == "ROLLBACK_SUCCESSFUL")
    assert world.steady("halted")["taskDefinition"] == good
    with pytest.raises(ClientError) as again:
        world.ecs.stop_service_deployment(serviceDeploymentArn=record["serviceDeploymentArn"])
    assert again.value.response["Error"]["Code"] == "ConflictException"
    world.ecs.delete_service(cluster="rehearsal", service="halted", force=True)


def test_a_deleted_service_drains_and_a_cluster_with_services_stays(world: World, image: str) -> None:
    world.create_service("gone", world.register("gone", image), desired=1)
    world.steady("gone")
    with pytest.raises(ClientError) as contains:
        world.ecs.delete_cluster(cluster="rehearsal")
    assert contains.value.response["Error"]["Code"] == "ClusterContainsServicesException"
    with pytest.raises(ClientError) as scaled:
        world.ecs.delete_service(cluster="rehearsal", service="gone")
    assert scaled.value.response["Error"]["Message"] == "The service cannot be stopped while it is scaled above 0."
    world.ecs.delete_service(cluster="rehearsal", service="gone", force=True)
    assert world.service("gone")["status"] in ("DRAINING", "INACTIVE")
    eventually("the service is inactive", lambda: world.service("gone")["status"] == "INACTIVE")
    with pytest.raises(ClientError) as inactive:
        world.ecs.update_service(cluster="rehearsal", service="gone", desiredCount=1)
    assert inactive.value.response["Error"]["Code"] == "ServiceNotActiveException"
    missing = world.ecs.describe_services(cluster="rehearsal", services=["never"])
    assert [failure["reason"] for failure in missing["failures"]] == ["MISSING"]


def test_what_a_service_uses_is_measured_from_its_processes(world: World) -> None:
    burner = world.push("burner", "import os\nos.fork()\nwhile True: pass")  # two, for their share of a busy machine
    world.create_service("measured", world.register("measured", burner), desired=1)
    world.steady("measured")
    watch = world.aws("cloudwatch")

    def highest(namespace: str, metric: str) -> float:
        now = world.cloud.now()
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
    world.ecs.delete_service(cluster="rehearsal", service="measured", force=True)
