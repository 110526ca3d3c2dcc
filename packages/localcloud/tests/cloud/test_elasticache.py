"""A replication group is real Valkey behind TLS: endpoints, replicas, failover, eviction, metrics, deletion."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import timedelta
from typing import Any

import pytest
import redis

from localcloud.backends import certificates, tools
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.services.elasticache import Caches
from localcloud.services.elasticache.measure import Measurements
from support.data_layer import Cache, Clients
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def single(shared_cloud: Cloud, shared_aws: Clients) -> Cache:
    return Cache(shared_cloud, shared_aws, "shop", 1)


@pytest.fixture(scope="module")
def pair(shared_cloud: Cloud, shared_aws: Clients) -> Cache:
    return Cache(shared_cloud, shared_aws, "pair", 2)


def test_the_cache_is_real_and_speaks_tls(single: Cache) -> None:
    with single.connect() as client:
        assert client.set("coin", "BTC") is True
        assert client.get("coin") == "BTC"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    with pytest.raises(redis.ConnectionError), single.connect(ssl=False) as client:
        client.ping()


def test_the_clients_of_the_runbook_connect(single: Cache) -> None:
    endpoint = single.shown()["NodeGroups"][0]["PrimaryEndpoint"]
    state = single.cloud.settings.state
    environment = {"PATH": "/usr/bin:/bin", "SSL_CERT_FILE": str(certificates.bundle(state))}

    def run(name: str, *words: str) -> tuple[int, str]:
        command = [str(tools.client_folder(state) / name), *words]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=90)
        return done.returncode, (done.stdout + done.stderr).strip()

    where = ("-h", endpoint["Address"], "-p", str(endpoint["Port"]))
    assert run("redis-cli", *where, "--tls", "SET", "by", "hand") == (0, "OK")
    assert run("redis-cli", *where, "--tls", "GET", "by") == (0, "hand")
    assert run("redis-cli", *where, "--tls", "NONSENSE")[1].startswith("ERR unknown command")
    assert run("redis-cli", *where, "PING")[0] == 1  # without TLS
    code, message = run("nc", "-zv", endpoint["Address"], str(endpoint["Port"]))
    assert code == 0
    assert "succeeded" in message
    assert run("nc", "-zv", endpoint["Address"], "1")[0] == 1


def test_members_are_cache_clusters_and_the_group_is_not(single: Cache) -> None:
    shown = single.elasticache.describe_cache_clusters(CacheClusterId="shop-001", ShowCacheNodeInfo=True)
    member = shown["CacheClusters"][0]
    assert member["CacheClusterStatus"] == "available"
    assert member["ReplicationGroupId"] == "shop"
    assert member["EngineVersion"] == "7.1.0"
    endpoint = member["CacheNodes"][0]["Endpoint"]
    with single.connect(host=endpoint["Address"], port=endpoint["Port"]) as client:
        assert client.ping() is True
    with pytest.raises(single.elasticache.exceptions.CacheClusterNotFoundFault, match="CacheCluster not found: shop"):
        single.elasticache.describe_cache_clusters(CacheClusterId="shop")
    assert "CacheNodes" not in single.elasticache.describe_cache_clusters(CacheClusterId="shop-001")["CacheClusters"][0]


def test_a_full_cache_evicts_and_says_so(single: Cache) -> None:
    caches, measurements = single.cloud.part(Caches), Measurements()  # those of the cloud are taken by its loop too

    def take() -> dict[str, float]:
        process = caches.process("shop-001")
        assert process is not None
        samples = measurements.take(caches.server("shop-001"), process, True, "cache.t4g.micro")
        return {name: value for name, value, _ in samples}

    take()
    with single.connect() as client:
        for n in range(300):
            client.set(f"k{n}", "x" * 60_000)
        for n in range(300):
            client.get(f"k{n}")
        record = take()
    assert 280 < record["CPUCreditBalance"] <= 288
    assert record["Evictions"] > 50
    assert record["CacheHits"] + record["CacheMisses"] == 300
    assert record["CacheMisses"] > 50
    assert 80 < record["DatabaseMemoryUsagePercentage"] <= 100
    assert record["CurrConnections"] >= 1
    assert 0 < record["CurrItems"] < 300


def test_metrics_are_published_for_the_member(single: Cache) -> None:
    def names() -> set[str]:
        metrics = single.aws("cloudwatch").list_metrics(
            Namespace="AWS/ElastiCache", Dimensions=[{"Name": "CacheClusterId", "Value": "shop-001"}]
        )["Metrics"]
        return {metric["MetricName"] for metric in metrics}

    eventually(
        "the member's metrics are published",
        lambda: {"CacheHits", "CacheMisses", "Evictions", "EngineCPUUtilization"} <= names(),
        60,
    )
    group = single.aws("cloudwatch").list_metrics(
        Namespace="AWS/ElastiCache", Dimensions=[{"Name": "CacheClusterId", "Value": "shop"}]
    )
    assert group["Metrics"] == []


def test_parameters_apply_to_the_running_server(single: Cache) -> None:
    single.set("maxmemory-policy", "noeviction")
    with single.connect() as client:
        eventually(
            "the server has the parameter",
            lambda: client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction",
        )
    single.set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(single.elasticache.exceptions.ClientError, match="is not one of"):
        single.set("maxmemory-policy", "sometimes")
    with pytest.raises(single.elasticache.exceptions.ClientError, match="cannot be found"):
        single.set("max-memory-policy", "allkeys-lru")


def test_slow_commands_reach_the_log_group(single: Cache) -> None:
    single.available()
    single.set("slowlog-log-slower-than", "0")
    with single.connect() as client:
        eventually(
            "the server has the parameter",
            lambda: client.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"] == "0",
        )
        client.set("slow", "one")

    def found() -> bool:
        events = single.aws("logs").filter_log_events(logGroupName="/shop/slow")["events"]
        return any(json.loads(event["message"])["Command"] == "SET slow one" for event in events)

    eventually("the slow command is in the log group", found)
    single.set("slowlog-log-slower-than", "10000")


def test_a_reboot_empties_the_node_and_the_group_stays(single: Cache) -> None:
    single.available()
    with single.connect() as client:
        client.set("coin", "ETH")
    before = single.cloud.part(Caches).process("shop-001")
    with pytest.raises(single.elasticache.exceptions.CacheClusterNotFoundFault):
        single.elasticache.reboot_cache_cluster(CacheClusterId="nobody", CacheNodeIdsToReboot=["0001"])
    with pytest.raises(single.elasticache.exceptions.ClientError, match="0002"):
        single.elasticache.reboot_cache_cluster(CacheClusterId="shop-001", CacheNodeIdsToReboot=["0002"])
    answer = single.elasticache.reboot_cache_cluster(CacheClusterId="shop-001", CacheNodeIdsToReboot=["0001"])
    assert answer["CacheCluster"]["CacheClusterStatus"] == "rebooting cluster nodes"
    eventually(
        "the node says that it restarted", lambda: "Cache node 0001 restarted" in single.event_messages("shop-001")
    )
    eventually("the node runs", lambda: single.cloud.part(Caches).lives("shop-001"))
    assert single.cloud.part(Caches).process("shop-001") is not before
    single.available()
    with single.connect() as client:
        assert client.get("coin") is None


def test_replicas_copy_and_take_over(pair: Cache) -> None:
    assert pair.roles() == {"pair-001": "primary", "pair-002": "replica"}
    with pair.connect() as client:
        client.set("coin", "ETH")
    with pair.connect("ReaderEndpoint") as reader:
        eventually("the replica has the value", lambda: reader.get("coin") == "ETH")
        with pytest.raises(redis.ReadOnlyError):
            reader.set("coin", "no")
    process = pair.cloud.part(Caches).process("pair-001")
    assert process is not None
    process.send(signal.SIGKILL)
    eventually("the replica is the primary", lambda: pair.roles() == {"pair-001": "replica", "pair-002": "primary"})

    def writable() -> bool:
        try:
            with pair.connect() as client:
                return bool(client.set("after", "1")) and client.get("coin") == "ETH"
        except redis.RedisError:
            return False

    eventually("the new primary can be written to", writable)
    events = pair.elasticache.describe_events(SourceIdentifier="pair")["Events"]
    assert any(
        each["Message"] == "Failover from primary node pair-001 to replica node pair-002 completed" for each in events
    )
    pair.available()
    # Who died is a replica by name long before it is started again; until then nobody could take over.
    eventually(
        "the former primary is recovered",
        lambda: "Finished recovery for cache nodes 0001" in pair.event_messages("pair-001"),
    )
    eventually("the recovery is over", lambda: not pair.cloud.part(Caches)._jobs["pair"].is_alive())
    queue = queue_of_a_topic(pair)
    pair.elasticache.test_failover(ReplicationGroupId="pair", NodeGroupId="0001")
    eventually(
        "the former primary is the primary again",
        lambda: pair.roles() == {"pair-001": "primary", "pair-002": "replica"},
    )
    eventually("the failover is over", lambda: not pair.cloud.part(Caches)._jobs["pair"].is_alive())
    [message] = pair.aws("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"]) == {"ElastiCache:FailoverComplete": "pair-001"}


def queue_of_a_topic(cache: Cache) -> str:
    """A queue that gets what the cache tells to its topic."""
    topic = cache.aws("sns").create_topic(Name="cache-events")["TopicArn"]
    url = cache.aws("sqs").create_queue(QueueName="cache-events")["QueueUrl"]
    arn = cache.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    cache.aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    cache.elasticache.modify_replication_group(
        ReplicationGroupId="pair", NotificationTopicArn=topic, ApplyImmediately=True
    )
    cache.available()
    eventually("the change is made", lambda: not cache.cloud.part(Caches)._jobs["pair"].is_alive())
    return str(url)


def test_replicas_come_and_go(pair: Cache) -> None:
    pair.available()
    pair.elasticache.increase_replica_count(ReplicationGroupId="pair", NewReplicaCount=2, ApplyImmediately=True)
    eventually("the second replica is there", lambda: pair.shown()["Status"] == "available" and len(pair.roles()) == 3)
    pair.elasticache.decrease_replica_count(ReplicationGroupId="pair", NewReplicaCount=1, ApplyImmediately=True)
    eventually("the second replica is gone", lambda: pair.shown()["Status"] == "available" and len(pair.roles()) == 2)
    with pytest.raises(pair.elasticache.exceptions.ClientError, match="at least 2 members"):
        pair.elasticache.decrease_replica_count(ReplicationGroupId="pair", NewReplicaCount=0, ApplyImmediately=True)


def test_redis_becomes_valkey_of_what_is_offered_and_never_goes_back(pair: Cache) -> None:
    client = pair.elasticache
    offered = client.describe_cache_engine_versions(Engine="valkey")["CacheEngineVersions"]
    [version] = [each for each in offered if each["CacheParameterGroupFamily"] == "valkey8"]
    types = client.list_allowed_node_type_modifications(ReplicationGroupId="pair")
    assert (types["ScaleDownModifications"], types["ScaleUpModifications"][0]) == ([], "cache.t4g.small")
    pair.available()
    client.modify_replication_group(
        ReplicationGroupId="pair",
        Engine="valkey",
        EngineVersion=version["EngineVersion"],
        CacheParameterGroupName="default.valkey8",
        ApplyImmediately=True,
    )
    eventually("it is Valkey", lambda: (pair.shown()["Status"], pair.shown()["Engine"]) == ("available", "valkey"))
    with pytest.raises(client.exceptions.ClientError, match="valkey to redis is not supported"):
        client.modify_replication_group(ReplicationGroupId="pair", Engine="redis", ApplyImmediately=True)


def test_a_node_type_waits_for_the_window_unless_it_is_to_apply_immediately(single: Cache) -> None:
    def change(**more: object) -> None:
        single.elasticache.modify_replication_group(ReplicationGroupId="shop", **more)

    def member() -> Any:
        return single.elasticache.describe_cache_clusters(CacheClusterId="shop-001")["CacheClusters"][0]

    day = f"{single.cloud.now() + timedelta(days=3):%a}".lower()
    change(PreferredMaintenanceWindow=f"{day}:00:00-{day}:01:00", CacheNodeType="cache.t4g.small")
    assert member()["PreferredMaintenanceWindow"] == f"{day}:00:00-{day}:01:00"
    assert (member()["CacheNodeType"], member()["PendingModifiedValues"]) == (
        "cache.t4g.micro",
        {"CacheNodeType": "cache.t4g.small"},
    )
    change(CacheNodeType="cache.t4g.micro")
    assert member()["PendingModifiedValues"] == {}, "asking for what is in force takes it back"
    assert single.elasticache.describe_update_actions(ReplicationGroupIds=["shop"])["UpdateActions"] == []
    change(CacheNodeType="cache.t4g.small", ApplyImmediately=True)
    eventually("the member has the new node type", lambda: member()["CacheNodeType"] == "cache.t4g.small")
    assert member()["PendingModifiedValues"] == {}


def test_a_service_update_restarts_the_members_and_keeps_what_they_hold(single: Cache) -> None:
    waiting = {"ServiceUpdateStatus": "available", "UpdateActionStatus": "not-applied"}
    caches = single.cloud.part(Caches)
    caches.updates["shop"] = [{"ServiceUpdateName": "update-1", **waiting}]
    with single.connect() as client:
        client.set("coin", "BTC")

    def apply(update: str, *groups: str) -> Any:
        return single.elasticache.batch_apply_update_action(ServiceUpdateName=update, ReplicationGroupIds=list(groups))

    with pytest.raises(single.elasticache.exceptions.ServiceUpdateNotFoundFault):
        apply("update-2", "shop")
    before = caches.process("shop-001")
    answer = apply("update-1", "shop", "nobody")
    assert [each["UpdateActionStatus"] for each in answer["ProcessedUpdateActions"]] == ["waiting-to-start"]
    assert [each["ErrorType"] for each in answer["UnprocessedUpdateActions"]] == ["ReplicationGroupNotFoundFault"]

    def action() -> Any:
        shown = single.elasticache.describe_update_actions(ReplicationGroupIds=["shop"], ServiceUpdateName="update-1")
        return shown["UpdateActions"][0]

    eventually("the update is complete", lambda: action()["UpdateActionStatus"] == "complete")
    assert (action()["NodesUpdated"], action()["ReplicationGroupId"]) == ("1/1", "shop")
    assert caches.process("shop-001") is not before, "the member is another process"
    with single.connect() as client:
        assert client.get("coin") == "BTC"
    assert apply("update-1", "shop")["UnprocessedUpdateActions"][0]["ErrorType"] == "InvalidParameterValue"


def test_tags_can_be_changed(single: Cache) -> None:
    arn = single.shown()["ARN"]
    single.elasticache.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "c", "Value": "d"}])
    single.elasticache.remove_tags_from_resource(ResourceName=arn, TagKeys=["a"])
    assert single.elasticache.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "c", "Value": "d"}]


def test_delete_leaves_nothing(cloud: Cloud, aws: Clients) -> None:
    cache = Cache(cloud, aws, "gone", 2)
    cache.elasticache.delete_replication_group(ReplicationGroupId="gone")
    eventually("the group is gone", lambda: cache.elasticache.describe_replication_groups()["ReplicationGroups"] == [])
    with pytest.raises(cache.elasticache.exceptions.ReplicationGroupNotFoundFault):
        cache.shown()
    cache.elasticache.delete_cache_parameter_group(CacheParameterGroupName="gone")
    cache.elasticache.delete_cache_subnet_group(CacheSubnetGroupName="gone")
    left = [each.name for each in cloud.part(Supervisor).running()]
    assert [name for name in left if "valkey" in name or "haproxy" in name] == []
    assert list((cloud.settings.state / "elasticache").iterdir()) == []
    assert aws("ec2").describe_network_interfaces()["NetworkInterfaces"] == []
