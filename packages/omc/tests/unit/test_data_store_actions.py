"""Actions on the database and the cache against a small AWS that keeps what it is told: what is there already is not
done again, also after a death between the effect and its note; states that lead nowhere end a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

import omc.actions.ecs
import omc.actions.elasticache
import omc.actions.rds  # noqa: F401 - all three for their registrations
from omc.actions.action import Outcome, Verdict, action_named
from omc.errors import AwsRefused, NotFound, Unknown
from omc.model.arguments.base import Arguments
from omc.model.arguments.data_stores import (
    ApplyMaintenance,
    ApplyUpdate,
    CopyCacheParameters,
    CreateGreen,
    DeleteGreen,
    DeleteOldInstance,
    FailOverCache,
    ModifyCache,
    ModifyInstance,
    RebootInstance,
    RebootMember,
    RotateMasterSecret,
    SetParameters,
    SetReplicas,
    SwitchToGreen,
)
from support.fake_gateway import FakeGateway, context
from support.release_facts import NOW

DB, GROUP, PARAMETERS, SECRET = "ohmycoins-staging", "ohmycoins-staging-redis", "postgres17-ours", "arn:secret"
ARN = "arn:aws:rds:ap-southeast-2:123456789012:db:ohmycoins-staging"


@dataclass
class World:
    """What AWS holds. A call changes it at once, or leaves work that ``settle`` does."""

    instance: dict[str, Any] = field(
        default_factory=lambda: {
            "DBInstanceIdentifier": DB,
            "DBInstanceStatus": "available",
            "DBInstanceClass": "db.t4g.micro",
            "DbiResourceId": "db-A",
            "AvailabilityZone": "a",
            "MultiAZ": False,
            "PendingModifiedValues": {},
            "MasterUserSecret": {"SecretArn": SECRET, "SecretStatus": "active"},
            "DBParameterGroups": [{"DBParameterGroupName": PARAMETERS, "ParameterApplyStatus": "in-sync"}],
        }
    )
    group: dict[str, Any] = field(
        default_factory=lambda: {
            "ReplicationGroupId": GROUP,
            "Status": "available",
            "CacheNodeType": "cache.t4g.micro",
            "AutomaticFailover": "enabled",
            "MultiAZ": "enabled",
            "MemberClusters": ["m-001", "m-002"],
        }
    )
    primary: str = "m-001"
    member_status: str = "available"
    values: dict[str, str] = field(default_factory=dict)
    cache_values: dict[str, str] | None = None
    version: str = "v1"
    events: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=lambda: ["system-update"])
    update: str = "not-applied"
    green: dict[str, Any] | None = None
    old: dict[str, Any] | None = None
    later: list[Callable[[], Any]] = field(default_factory=list)
    gateway: FakeGateway = field(init=False)

    def __post_init__(self) -> None:
        rds = {name: getattr(self, name) for name in dir(self) if name.startswith(("describe_db", "modify_db"))}
        answers: dict[tuple[str, str], Any] = {("rds", name): function for name, function in rds.items()}
        answers |= {
            ("rds", "describe_events"): self.told,
            ("rds", "reboot_db_instance"): self.reboot,
            ("rds", "reset_db_parameter_group"): self.reset,
            ("rds", "describe_pending_maintenance_actions"): lambda _: {
                "PendingMaintenanceActions": [
                    {"PendingMaintenanceActionDetails": [{"Action": each} for each in self.announced]}
                ]
            },
            ("rds", "apply_pending_maintenance_action"): lambda params: self.announced.remove(params["ApplyAction"]),
            ("rds", "describe_blue_green_deployments"): lambda _: {
                "BlueGreenDeployments": [self.green] if self.green else []
            },
            ("rds", "create_blue_green_deployment"): self.create_green,
            ("rds", "switchover_blue_green_deployment"): self.switch,
            ("rds", "delete_blue_green_deployment"): self.delete_green,
            ("rds", "delete_db_instance"): self.delete_old,
            ("secretsmanager", "describe_secret"): lambda _: {"VersionIdsToStages": {self.version: ["AWSCURRENT"]}},
            ("secretsmanager", "rotate_secret"): self.rotate,
            ("elasticache", "describe_replication_groups"): self.shown_group,
            ("elasticache", "describe_cache_clusters"): self.members,
            ("elasticache", "modify_replication_group"): self.modify_group,
            ("elasticache", "increase_replica_count"): self.count,
            ("elasticache", "decrease_replica_count"): self.count,
            ("elasticache", "test_failover"): self.fail_over,
            ("elasticache", "reboot_cache_cluster"): self.reboot_member,
            ("elasticache", "describe_events"): self.told,
            ("elasticache", "describe_update_actions"): lambda _: {
                "UpdateActions": [{"UpdateActionStatus": self.update}]
            },
            ("elasticache", "batch_apply_update_action"): self.apply_update,
            ("elasticache", "describe_cache_parameters"): self.cache_parameters,
            ("elasticache", "create_cache_parameter_group"): self.create_parameters,
            ("elasticache", "modify_cache_parameter_group"): self.set_cache_parameters,
        }
        self.gateway = FakeGateway(answers)

    def settle(self) -> None:
        for each in self.later:
            each()
        self.later = []

    # -- RDS

    def describe_db_instances(self, params: Any) -> Any:
        name = params.get("DBInstanceIdentifier")
        if name == DB:
            return {"DBInstances": [dict(self.instance)]}
        if self.old and name == self.old["DBInstanceIdentifier"]:
            return {"DBInstances": [self.old]}
        raise NotFound("There is none.", "DBInstanceNotFound")

    def modify_db_instance(self, params: Any) -> Any:
        self.instance |= {"DBInstanceStatus": "modifying"}
        wanted = {key: value for key, value in params.items() if key in ("DBInstanceClass", "AllocatedStorage")}
        self.instance["PendingModifiedValues"] = wanted
        self.later.append(
            lambda: self.instance.update({**wanted, "DBInstanceStatus": "available", "PendingModifiedValues": {}})
        )

    def reboot(self, params: Any) -> Any:
        self.instance["DBInstanceStatus"] = "rebooting"

        def up() -> None:
            self.instance["DBInstanceStatus"] = "available"
            self.instance["DBParameterGroups"][0]["ParameterApplyStatus"] = "in-sync"
            if params["ForceFailover"]:
                self.instance["AvailabilityZone"] = "b"
            self.events.append("DB instance restarted")

        self.later.append(up)

    def told(self, params: Any) -> Any:
        return {"Events": [{"Message": each, "Date": NOW} for each in self.events]}

    def describe_db_parameters(self, params: Any) -> Any:
        return {"Parameters": [{"ParameterName": key, "ParameterValue": value} for key, value in self.values.items()]}

    def modify_db_parameter_group(self, params: Any) -> Any:
        for each in params["Parameters"]:
            self.values[each["ParameterName"]] = each["ParameterValue"]
            if each["ApplyMethod"] == "pending-reboot":
                self.instance["DBParameterGroups"][0]["ParameterApplyStatus"] = "pending-reboot"

    def reset(self, params: Any) -> Any:
        for each in params["Parameters"]:
            self.values.pop(each["ParameterName"], None)

    def rotate(self, params: Any) -> Any:
        self.instance["MasterUserSecret"]["SecretStatus"] = "rotating"

        def done() -> None:
            self.version = "v2"
            self.instance["MasterUserSecret"]["SecretStatus"] = "active"

        self.later.append(done)

    def create_green(self, params: Any) -> Any:
        self.green = {"BlueGreenDeploymentIdentifier": "bgd-1", "Status": "PROVISIONING", "Target": "arn:green"}
        green = self.green
        self.later.append(lambda: green.update({"Status": "AVAILABLE"}))

    def switch(self, params: Any) -> Any:
        assert self.green is not None
        green = self.green
        green["Status"] = "SWITCHOVER_IN_PROGRESS"
        self.later.append(lambda: green.update({"Status": "SWITCHOVER_COMPLETED"}))

    def delete_green(self, params: Any) -> Any:
        assert self.green is not None
        assert ("DeleteTarget" in params) is (self.green["Status"] != "SWITCHOVER_COMPLETED")
        self.green = None

    def delete_old(self, params: Any) -> Any:
        assert params["FinalDBSnapshotIdentifier"].startswith(f"{DB}-old1-last-")
        self.old = None

    # -- ElastiCache

    def shown_group(self, params: Any) -> Any:
        shard = [
            {"CacheClusterId": each, "CurrentRole": "primary" if each == self.primary else "replica"}
            for each in self.group["MemberClusters"]
        ]
        return {
            "ReplicationGroups": [{**self.group, "NodeGroups": [{"NodeGroupId": "0001", "NodeGroupMembers": shard}]}]
        }

    def members(self, params: Any) -> Any:
        return {
            "CacheClusters": [
                {"CacheClusterId": each, "CacheClusterStatus": self.member_status, "EngineVersion": "7.1.0"}
                for each in self.group["MemberClusters"]
            ]
        }

    def modify_group(self, params: Any) -> Any:
        self.group["Status"] = "modifying"
        self.later.append(lambda: self.group.update({"CacheNodeType": params["CacheNodeType"], "Status": "available"}))

    def count(self, params: Any) -> Any:
        self.group["Status"] = "modifying"
        names = [f"m-{number:03d}" for number in range(1, params["NewReplicaCount"] + 2)]
        self.later.append(lambda: self.group.update({"MemberClusters": names, "Status": "available"}))

    def fail_over(self, params: Any) -> Any:
        self.events.append("Test Failover API called for node group 0001")
        self.later.append(lambda: setattr(self, "primary", "m-002"))

    def reboot_member(self, params: Any) -> Any:
        self.member_status = "rebooting cluster nodes"

        def up() -> None:
            self.member_status = "available"
            self.events.append("Cache node 0001 restarted")

        self.later.append(up)

    def apply_update(self, params: Any) -> Any:
        self.update = "in-progress"
        self.later.append(lambda: setattr(self, "update", "complete"))
        return {"UnprocessedUpdateActions": []}

    def cache_parameters(self, params: Any) -> Any:
        if self.cache_values is None:
            raise NotFound("There is none.", "CacheParameterGroupNotFound")
        return {
            "Parameters": [{"ParameterName": key, "ParameterValue": value} for key, value in self.cache_values.items()]
        }

    def create_parameters(self, params: Any) -> Any:
        self.cache_values = {}

    def set_cache_parameters(self, params: Any) -> Any:
        assert self.cache_values is not None
        self.cache_values |= {each["ParameterName"]: each["ParameterValue"] for each in params["ParameterNameValues"]}


def as_it_is(world: World) -> World:
    return world


def started(world: World) -> World:
    world.create_green({})
    world.settle()
    return world


def switched(world: World) -> World:
    started(world).switch({})
    world.settle()
    world.old = {"DBInstanceIdentifier": f"{DB}-old1", "DBInstanceStatus": "available", "DbiResourceId": "db-OLD"}
    return world


CASES: tuple[tuple[Arguments, str, Callable[[World], World], str], ...] = (
    (
        ModifyInstance(instance=DB, settings={"DBInstanceClass": "db.t4g.small"}),
        "modify_db_instance",
        as_it_is,
        "is available with DBInstanceClass db.t4g.small",
    ),
    (RebootInstance(instance=DB), "reboot_db_instance", as_it_is, "has restarted and is available"),
    (RebootInstance(instance=DB, failover=True), "reboot_db_instance", as_it_is, "available, in b now"),
    (
        SetParameters(
            group=PARAMETERS,
            instance=DB,
            values={"max_connections": "9"},
            methods={"max_connections": "pending-reboot"},
        ),
        "modify_db_parameter_group",
        as_it_is,
        "a reboot brings it into force",
    ),
    (RotateMasterSecret(instance=DB, secret=SECRET, version="v1"), "rotate_secret", as_it_is, "is rotated"),
    (
        ApplyMaintenance(instance=DB, arn=ARN, action="system-update"),
        "apply_pending_maintenance_action",
        as_it_is,
        "AWS announces it no more",
    ),
    (
        CreateGreen(name="g", instance=DB, arn=ARN, version="18.1", parameter_group="p"),
        "create_blue_green_deployment",
        as_it_is,
        "on 18.1 is there and follows",
    ),
    (
        SwitchToGreen(name="g", instance=DB, timeout_seconds=300),
        "switchover_blue_green_deployment",
        started,
        "is the copy now",
    ),
    (DeleteGreen(name="g"), "delete_blue_green_deployment", started, "is deleted"),
    (DeleteGreen(name="g"), "delete_blue_green_deployment", switched, "is deleted"),
    (
        DeleteOldInstance(instance=f"{DB}-old1", resource="db-OLD"),
        "delete_db_instance",
        switched,
        "a last snapshot of it is kept",
    ),
    (
        ModifyCache(group=GROUP, settings={"CacheNodeType": "cache.t4g.small"}),
        "modify_replication_group",
        as_it_is,
        "with CacheNodeType cache.t4g.small",
    ),
    (SetReplicas(group=GROUP, replicas=2), "increase_replica_count", as_it_is, "has 3 members: m-001, m-002, m-003"),
    (SetReplicas(group=GROUP, replicas=0), "decrease_replica_count", as_it_is, "has 1 members: m-001"),
    (FailOverCache(group=GROUP, node_group="0001", primary="m-001"), "test_failover", as_it_is, "m-002 is the primary"),
    (RebootMember(group=GROUP, member="m-001"), "reboot_cache_cluster", as_it_is, "m-001 has restarted"),
    (ApplyUpdate(group=GROUP, update="u"), "batch_apply_update_action", as_it_is, "is complete"),
    (
        CopyCacheParameters(source="a", name="b", family="valkey8", values={"maxmemory-policy": "x"}),
        "create_cache_parameter_group",
        as_it_is,
        "is there",
    ),
)


def made(prepare: Callable[[World], World]) -> World:
    world = prepare(World())
    world.gateway.requests.clear()
    return world


@pytest.mark.parametrize(("arguments", "call", "prepare", "sentence"), CASES)
@pytest.mark.parametrize("dies", ["never", "before its note", "before the end"])
def test_an_effect_is_made_once_whenever_its_process_dies(
    arguments: Arguments, call: str, prepare: Callable[[World], World], sentence: str, dies: str
) -> None:
    world, action = made(prepare), action_named(arguments.ACTION)
    state: dict[str, Any] = {}
    first = context(world.gateway, state=state)
    assert not action.is_applied(first, arguments)
    note = action.apply(first, arguments)
    if dies != "before its note":
        state |= note
    if dies == "before the end":
        world.settle()
    again = context(world.gateway, state=state)
    if dies != "never":
        assert action.is_applied(again, arguments), "who takes over must not do it again"
    outcome: Outcome | None = action.poll(again, arguments)
    if outcome is None:
        world.settle()
        outcome = action.poll(again, arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.sentence
    assert sentence in outcome.sentence
    assert len(world.gateway.calls(call)) == 1
    assert action.commands(world.gateway.environment, arguments)


def test_a_value_that_waits_for_a_window_is_not_taken_for_one_that_is_applied() -> None:
    world = World()
    world.instance["PendingModifiedValues"] = {"DBInstanceClass": "db.t4g.small"}
    arguments = ModifyInstance(instance=DB, settings={"DBInstanceClass": "db.t4g.small"})
    assert not action_named("rds.modify_instance").is_applied(context(world.gateway), arguments)


def test_a_change_that_rds_gave_up_fails_with_its_own_words() -> None:
    world, arguments = World(), ModifyInstance(instance=DB, settings={"DBInstanceClass": "db.t4g.small"})
    world.events = ["Unable to modify the class: there is no capacity"]
    poll = action_named("rds.modify_instance").poll
    long_ago = (NOW - timedelta(minutes=10)).isoformat()
    outcome = poll(context(world.gateway, state={"asked_at": long_ago}, now=lambda: NOW), arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.FAILED
    assert "RDS gave it up. RDS said last: Unable to modify" in outcome.sentence
    just_now = context(world.gateway, state={"asked_at": NOW.isoformat()}, now=lambda: NOW)
    assert poll(just_now, arguments) is None


@pytest.mark.parametrize("status", ["failed", "incompatible-parameters", "storage-full"])
def test_a_status_that_leads_nowhere_ends_the_step(status: str) -> None:
    world = World()
    world.instance["DBInstanceStatus"] = status
    for arguments in (ModifyInstance(instance=DB, settings={"DBInstanceClass": "x"}), RebootInstance(instance=DB)):
        outcome = action_named(arguments.ACTION).poll(context(world.gateway), arguments)
        assert outcome is not None
        assert (outcome.verdict, status in outcome.sentence) == (Verdict.FAILED, True)


def test_storage_is_there_while_it_is_still_optimized() -> None:
    world = World()
    world.instance |= {"AllocatedStorage": 30, "DBInstanceStatus": "storage-optimization"}
    arguments = ModifyInstance(instance=DB, settings={"AllocatedStorage": 30})
    outcome = action_named("rds.modify_instance").poll(context(world.gateway), arguments)
    assert outcome is not None
    assert (outcome.verdict, "still being optimized" in outcome.sentence) == (Verdict.SUCCEEDED, True)


def test_a_standby_must_be_back_before_a_change_has_succeeded() -> None:
    world, arguments = World(), ModifyInstance(instance=DB, settings={"DBInstanceClass": "db.t4g.micro"})
    world.instance["MultiAZ"] = True
    action = action_named("rds.modify_instance")
    assert action.poll(context(world.gateway), arguments) is None
    world.instance["SecondaryAvailabilityZone"] = "b"
    assert action.poll(context(world.gateway), arguments) is not None


def test_a_busy_instance_and_group_take_the_call_later() -> None:
    for arguments, operation, code in (
        (
            ModifyInstance(instance=DB, settings={"DBInstanceClass": "x"}),
            ("rds", "modify_db_instance"),
            "InvalidDBInstanceState",
        ),
        (
            FailOverCache(group=GROUP, node_group="0001", primary="m-001"),
            ("elasticache", "test_failover"),
            "InvalidReplicationGroupState",
        ),
    ):
        world = World()
        world.gateway.answers[operation] = AwsRefused("It is busy.", code)
        with pytest.raises(Unknown, match="doesn't take it now"):
            action_named(arguments.ACTION).apply(context(world.gateway), arguments)


def test_parameters_are_set_back_to_the_engines_own() -> None:
    world = World()
    world.values = {"log_lock_waits": "1"}
    arguments = SetParameters(
        group=PARAMETERS, instance=DB, values={"log_lock_waits": None}, methods={"log_lock_waits": "immediate"}
    )
    action, now = action_named("rds.set_parameters"), context(world.gateway)
    assert not action.is_applied(now, arguments)
    action.apply(now, arguments)
    assert world.values == {}
    outcome = action.poll(now, arguments)
    assert outcome is not None
    assert outcome.verdict is Verdict.SUCCEEDED


def test_a_switchover_that_rds_takes_back_fails() -> None:
    world = started(World())
    arguments = SwitchToGreen(name="g", instance=DB, timeout_seconds=300)
    action, now = action_named("rds.switch_to_green"), context(world.gateway)
    action.apply(now, arguments)
    assert action.poll(now, arguments) is None
    assert world.green is not None
    world.green["Status"] = "AVAILABLE"
    outcome = action.poll(now, arguments)
    assert outcome is not None
    assert "took the switchover" in outcome.sentence


def test_an_update_that_elasticache_does_not_take_is_refused_with_its_reason() -> None:
    world = World()
    world.gateway.answers["elasticache", "batch_apply_update_action"] = {
        "UnprocessedUpdateActions": [{"ErrorType": "x", "ErrorMessage": "It isn't available"}]
    }
    with pytest.raises(AwsRefused, match="It isn't available"):
        action_named("elasticache.apply_update").apply(context(world.gateway), ApplyUpdate(group=GROUP, update="u"))
