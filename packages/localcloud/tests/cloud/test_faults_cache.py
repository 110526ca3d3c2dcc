"""Faults of the cache: each symptom is to be seen through the AWS API, and gone once the fault is stopped."""

from __future__ import annotations

import json
import time

import pytest
import redis

from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from localcloud.faults.workers import KEY_PREFIX
from localcloud.services.elasticache import Caches
from support.data_layer import Cache, Clients, below, newest
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def single(shared_cloud: Cloud, shared_aws: Clients) -> Cache:
    return Cache(shared_cloud, shared_aws, "shop", 1)


@pytest.fixture(scope="module")
def pair(shared_cloud: Cloud, shared_aws: Clients) -> Cache:
    return Cache(shared_cloud, shared_aws, "pair", 2)


def metric(cache: Cache, name: str, statistic: str = "Average") -> float | None:
    member = f"{cache.name}-001"
    return newest(cache.aws("cloudwatch"), "AWS/ElastiCache", name, statistic, CacheClusterId=member)


def status(cache: Cache, member: str) -> str:
    [shown] = cache.elasticache.describe_cache_clusters(CacheClusterId=member)["CacheClusters"]
    return str(shown["CacheClusterStatus"])


def answers(cache: Cache) -> bool:
    try:
        with cache.connect() as client:
            return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def refused(cache: Cache) -> bool:
    """Whether nobody listens there: a gate is closed a moment after the word that its server is down."""
    try:
        cache.connect().ping()
    except (redis.ConnectionError, redis.TimeoutError) as problem:
        return "refused" in str(problem)
    return False


def rounds(cache: Cache) -> int:
    """How many times the metrics of all caches were published so far."""
    return int(cache.cloud.loops()["elasticache-metrics"]["runs"])


def test_a_dead_node_refuses_its_clients_until_it_is_recovered(single: Cache) -> None:
    faults, caches = single.cloud.part(StackFaults), single.cloud.part(Caches)
    eventually("the cache answers", lambda: answers(single))
    faults.begin("cache-stopped", {"cache": "shop"})
    eventually("the node is being modified", lambda: status(single, "shop-001") == "modifying")
    eventually(
        "the node is being recovered", lambda: single.event_messages("shop-001")[-1] == "Recovering cache nodes 0001"
    )
    eventually("the node refuses connections", lambda: refused(single))
    before = rounds(single)
    # One that was under way may still tell of the node.
    eventually("a round of metrics is over", lambda: rounds(single) > before)
    last, before = int(time.time()) + 1, rounds(single)  # the second that has begun may hold its last sample
    eventually("another round of metrics has begun and is over", lambda: rounds(single) > before + 1)
    seen = single.aws("cloudwatch").get_metric_statistics(
        Namespace="AWS/ElastiCache",
        MetricName="CurrConnections",
        Dimensions=[{"Name": "CacheClusterId", "Value": "shop-001"}],
        StartTime=last,
        EndTime=last + 60,
        Period=1,
        Statistics=["SampleCount"],
    )
    assert seen["Datapoints"] == []
    assert not caches.lives("shop-001")
    faults.end("cache-stopped")
    eventually("the cache answers again", lambda: answers(single))
    eventually("the node is available", lambda: status(single, "shop-001") == "available")
    assert single.event_messages("shop-001")[-1] == "Finished recovery for cache nodes 0001"
    eventually("the node has metrics again", lambda: metric(single, "CurrConnections") is not None)


def test_a_replica_takes_over_from_a_dead_primary(pair: Cache) -> None:
    faults = pair.cloud.part(StackFaults)
    primary = next(name for name, role in pair.roles().items() if role == "primary")
    replica = next(name for name in pair.roles() if name != primary)
    faults.begin("cache-stopped", {"cache": "pair"})
    eventually("the replica is the primary", lambda: pair.roles()[replica] == "primary")
    assert f"Failover from primary node {primary} to replica node {replica} completed" in pair.event_messages("pair")
    eventually("the cache answers", lambda: answers(pair))
    eventually("the former primary is being modified", lambda: status(pair, primary) == "modifying")
    faults.end("cache-stopped")
    eventually("the former primary is available", lambda: status(pair, primary) == "available")
    assert pair.roles()[primary] == "replica"


def test_a_greedy_tenant_throws_the_others_keys_out(single: Cache) -> None:
    faults = single.cloud.part(StackFaults)
    faults.begin("cache-evicting", {"cache": "shop", "per_second": "500"})
    eventually("keys are thrown out", lambda: (metric(single, "Evictions", "Sum") or 0) > 34)
    eventually("the hit rate falls", lambda: below(metric(single, "CacheHitRate"), 70))
    eventually("the memory is full", lambda: (metric(single, "DatabaseMemoryUsagePercentage") or 0) > 90)
    faults.end("cache-evicting")
    eventually("no more keys are thrown out", lambda: metric(single, "Evictions", "Sum") == 0)
    eventually("the memory is free again", lambda: below(metric(single, "DatabaseMemoryUsagePercentage"), 50))
    with single.connect() as client:
        assert list(client.scan_iter(f"{KEY_PREFIX}*")) == []
    running = [process.name for process in single.cloud.part(Supervisor).running()]
    assert [each for each in running if each.startswith("fault ")] == []


def test_the_engine_log_tells_of_a_restart(single: Cache) -> None:
    single.available()

    def engine_messages() -> list[str]:
        events = single.aws("logs").filter_log_events(logGroupName="/shop/engine")["events"]
        records = [json.loads(event["message"]) for event in events]
        assert {each["CacheClusterId"] for each in records} <= {"shop-001"}
        return [each["Message"] for each in records]

    eventually(
        "the engine log tells of the start",
        lambda: any(line.startswith("Ready to accept connections") for line in engine_messages()),
    )


def test_a_member_that_is_not_there_cannot_be_stopped(single: Cache) -> None:
    with pytest.raises(AwsError, match="shop has no member 'shop-009'; it has shop-001"):
        single.cloud.part(StackFaults).begin("cache-stopped", {"cache": "shop", "member": "shop-009"})
