"""omc's facts and actions of scaling against a local cloud: limits, counts, healthy tasks, and tasks that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.faults import Faults, fault
from localcloud.front.identity import Identity
from omc.actions.action import Context, Outcome, Verdict, action_named
from omc.aws.gateway import Access, Gateway
from omc.config import Environment, load
from omc.errors import Unreachable
from omc.facts.definitions import read_definitions
from omc.facts.quotas import read_quotas
from omc.facts.scaling import ScalableTarget, Scaling, read_scaling
from omc.facts.services import read_services
from omc.model.arguments.scaling import SetCapacity
from support.ecs_cluster import SERVER, EcsCluster, create_cluster
from support.running_cloud import running_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud

STACK = (Path(__file__).parents[4] / "omc.toml").read_text()


@pytest.fixture(scope="module")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def shared_aws(shared_cloud: Cloud) -> Callable[..., Any]:
    identity = shared_cloud.part(Identity)
    session = boto3.Session(
        identity.access_key_id, identity.secret_access_key, region_name=shared_cloud.settings.region
    )
    return partial(session.client, endpoint_url=shared_cloud.settings.endpoint)


@pytest.fixture(scope="module")
def cluster(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> EcsCluster:
    built = create_cluster(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))
    image = built.push("server", SERVER)
    built.create_service("backend", built.register("ohmycoins-backend", image), desired=1)
    built.create_service("frontend", built.register("ohmycoins-frontend", image, cpu="512", memory="1024"), desired=0)
    shared_aws("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/rehearsal/backend",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=1,
        MaxCapacity=3,
    )
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    file = tmp_path_factory.mktemp("stack") / "omc.toml"
    file.write_text(STACK.replace("[environments.staging]", '[environments.staging]\ncluster = "rehearsal"'))
    return load(file).environments["staging"]


@pytest.fixture(scope="module")
def gateway(shared_cloud: Cloud, environment: Environment) -> Gateway:
    identity = shared_cloud.part(Identity)
    access = Access(shared_cloud.settings.endpoint, identity.access_key_id, identity.secret_access_key)
    return Gateway(environment, access, writes=True)


def context_of(gateway: Gateway) -> Context:
    memory: dict[str, Any] = {}
    return Context(
        gateway=gateway,
        environment=gateway.environment,
        run="run",
        step="step",
        token="0" * 32,
        now=lambda: datetime.now(UTC),
        checkpoint=memory.update,
        state=memory,
        report=lambda _: None,
        cancelled=lambda: False,
        store=None,  # type: ignore[arg-type]  # nothing of it is in the record
    )


def carried_out(gateway: Gateway, name: str, arguments: SetCapacity) -> Outcome:
    """As the engine does it: look, perform, watch."""
    action, context = action_named(name), context_of(gateway)
    if not action.is_applied(context, arguments):
        context.checkpoint(action.apply(context, arguments))
    outcome = eventually("the action has an outcome", lambda: action.poll(context, arguments), 120)
    assert action.is_applied(context, arguments), "the effect is there"
    return outcome


def test_limits_and_the_quota_are_read(cluster: EcsCluster, environment: Environment, gateway: Gateway) -> None:
    scaling = read_scaling(gateway, environment)
    assert scaling.of("backend") == ScalableTarget("backend", 1, 3, suspended=False, policies=())
    assert scaling.of("frontend") is None
    services = read_services(gateway, environment)
    quotas = read_quotas(gateway, services, read_definitions(gateway, environment, services))
    assert (quotas.vcpus, quotas.each_task) == (64.0, {"backend": 0.25, "frontend": 0.5})
    assert quotas.wanted == sum(service.desired for service in services.services if service.name == "backend") * 0.25


def wish(count: int, minimum: int | None = None, maximum: int | None = None, **more: Any) -> SetCapacity:
    """What is asked for; without limits, of a service that has no autoscaler."""
    wanted = {"service": "frontend", "minimum": minimum, "maximum": maximum, "at_least": count, "at_most": count}
    return SetCapacity(**wanted | more)


def test_limits_then_the_count_and_it_stays(cluster: EcsCluster, environment: Environment, gateway: Gateway) -> None:
    two = wish(2, 2, 3, service="backend", settle_seconds=3)
    done = carried_out(gateway, "scaling.set", two)
    assert (done.verdict, done.sentence) == (Verdict.SUCCEEDED, "backend: 2 tasks run and are healthy.")
    assert read_scaling(gateway, environment) == Scaling((ScalableTarget("backend", 2, 3, False, ()),))
    back = carried_out(gateway, "scaling.set", wish(1, 1, 3, service="backend"))
    assert back.sentence == "backend: 1 task runs and is healthy."
    overruled = action_named("scaling.set").poll(context_of(gateway), two)
    assert overruled is not None
    assert (overruled.verdict, "between 1 and 3" in overruled.sentence) == (Verdict.SUPERSEDED, True)


def test_within_limits_a_count_is_left_alone(cluster: EcsCluster, gateway: Gateway) -> None:
    desired = cluster.service("backend")["desiredCount"]
    done = carried_out(gateway, "scaling.set", wish(0, 1, 4, service="backend", at_most=3))
    assert done.verdict is Verdict.SUCCEEDED
    assert cluster.service("backend")["desiredCount"] == desired


def test_a_count_that_somebody_else_lowers_meanwhile_is_not_ours(cluster: EcsCluster, gateway: Gateway) -> None:
    action, context = action_named("scaling.set"), context_of(gateway)
    arguments = wish(2)
    assert not action.is_applied(context, arguments)
    context.checkpoint(action.apply(context, arguments))
    cluster.ecs.update_service(cluster="rehearsal", service="frontend", desiredCount=0)
    outcome = action.poll(context, arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUPERSEDED
    assert "frontend wants 0 tasks now" in outcome.sentence


@pytest.mark.parametrize("seconds", [0, 2])
def test_new_tasks_that_fail_are_reported_with_their_cause(cluster: EcsCluster, gateway: Gateway, seconds: int) -> None:
    """However long they run, and however slow whoever looks: they never stay for the settle time."""
    source = f"import time\n\ntime.sleep({seconds})\nraise SystemExit(3)\n"
    broken = cluster.register("ohmycoins-frontend", cluster.push(f"broken-{seconds}", source))
    cluster.ecs.update_service(cluster="rehearsal", service="frontend", desiredCount=0, taskDefinition=broken)
    action, context = action_named("scaling.set"), context_of(gateway)
    arguments = wish(2, settle_seconds=60)
    assert not action.is_applied(context, arguments)
    context.checkpoint(action.apply(context, arguments))
    outcome = eventually("the action has an outcome", lambda: action.poll(context, arguments), 120)
    assert outcome.verdict is Verdict.FAILED
    assert "app exited with 3" in outcome.sentence
    cluster.ecs.update_service(cluster="rehearsal", service="frontend", desiredCount=0)


def test_a_call_whose_answer_was_lost_is_not_made_again_by_itself(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], cluster: EcsCluster, gateway: Gateway
) -> None:
    """It may have been obeyed: somebody has to look first."""
    rule = {"operation": "UpdateService", "kind": "lost", "containing": "frontend", "count": 1, "seconds": 0.1}
    shared_cloud.part(Faults).replace([fault(rule)])
    with pytest.raises(Unreachable):
        gateway.client("ecs").update_service(cluster="rehearsal", service="frontend", forceNewDeployment=True)
    events = shared_aws("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "UpdateService"}]
    )["Events"]
    forced = [event for event in events if '"forceNewDeployment": true' in event["CloudTrailEvent"]]
    assert len(forced) == 1


def test_the_aws_commands_do_the_same(gateway: Gateway) -> None:
    assert action_named("scaling.set").commands(gateway.environment, wish(4, 4, 10, service="backend")) == [
        "aws application-autoscaling register-scalable-target --service-namespace ecs "
        "--resource-id service/rehearsal/backend --scalable-dimension ecs:service:DesiredCount "
        "--min-capacity 4 --max-capacity 10 --region ap-southeast-2",
        "aws ecs update-service --cluster rehearsal --service backend --desired-count 4 --region ap-southeast-2",
    ]
