"""The cache's maintenance: a failover, another node type, other replicas, a newer version, Valkey for Redis, a member's
reboot, and AWS's service updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.cache_group import CacheGroup, CacheSettings, CacheTypes, CacheVersions
from omc.facts.pending import Waits
from omc.model.arguments.data_stores import (
    ApplyUpdate,
    CopyCacheParameters,
    FailOverCache,
    ModifyCache,
    RebootMember,
    SetReplicas,
)
from omc.model.plan import Plan, Risk, Step, step, undo_by
from omc.model.requests import (
    CacheApplyRequest,
    CacheFailoverRequest,
    CacheRebootRequest,
    CacheScaleRequest,
    CacheUpgradeRequest,
    CacheValkeyRequest,
)
from omc.procedures.data_stores import Cache, planned, serves_again, takes_ongoing, terraform

MOST_REPLICAS = 4
"""As Terraform's module has it: an alarm takes ten metrics, and the hit rate reads two of each of five members."""
SCALE_DEADLINE = 3 * 3600.0
FAILOVER_DEADLINE = 1800.0
UPDATE_DEADLINE = 6 * 3600.0
CACHE_MODULE = "infrastructure/terraform/modules/cache/main.tf"
WRITES_FAIL = (
    "Writes fail for some seconds while a replica takes over, and reads go on (ElastiCache's guide, upgrading engine "
    "versions)."
)
ALONE = "It has one member, which is away meanwhile, and may come back empty."
READS_THROUGH = "The application goes on without its cache, slower, with more load on the database."


def _interruption(now: Cache, what: str) -> str:
    return f"{now.name} {what}. {WRITES_FAIL if len(now.cache.members) > 1 else ALONE} {READS_THROUGH}"


# -- failover -------------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_failover(request: CacheFailoverRequest, now: Cache) -> Plan:
    """A replica becomes the primary."""
    record, name = now.record, now.name
    if len(now.cache.members) < 2 or record.get("AutomaticFailover") != "enabled":
        raise Refused(
            f"{name} has nothing to fail over to: it needs a replica, and automatic failover. Add one: "
            f"omc cache scale --replicas 1 --env {now.environment.name}"
        )
    shard = str(record["NodeGroups"][0]["NodeGroupId"])
    return planned(
        "cache-failover",
        request,
        now,
        after=serves_again(now),
        title=f"Fail the cache {name} over to a replica",
        steps=[
            step(
                "failover",
                FailOverCache(group=name, node_group=shard, primary=now.cache.primary),
                title=f"Have a replica take the place of {now.cache.primary}, and wait until all members are back",
                before=now.cache.primary,
                deadline=FAILOVER_DEADLINE,
            )
        ],
        interruption=_interruption(now, "fails over"),
        notes=(
            "AWS means this call for tests, takes it for 15 shards in 24 hours, and may block it in a large event (API "
            "reference, TestFailover).",
            "What the replica hadn't received yet is lost: it is a cache, and is filled again.",
            "It can't be undone as such; another failover makes some replica the primary again. Nothing of Terraform's "
            "changes.",
        ),
    )


# -- scale ----------------------------------------------------------------------------------------------------------


@takes_ongoing
def plan_scale(request: CacheScaleRequest, now: Cache, types: CacheTypes) -> Plan:
    """Another node type, another number of replicas, or both."""
    record, name = now.record, now.name
    steps: list[Step] = []
    lines: list[str] = []
    notes: list[str] = []
    there, replicas = len(now.cache.members) - 1, request.replicas
    if not request.node_type and replicas is None:
        raise WrongUse("Say what it should become: a node type, --replicas N, or both.")
    if replicas is not None and not 0 <= replicas <= MOST_REPLICAS:
        raise WrongUse(f"A cache has 0 to {MOST_REPLICAS} replicas here, not {replicas}.")
    before = str(record.get("CacheNodeType", ""))
    is_typed = bool(request.node_type) and request.node_type != before
    if is_typed:
        if request.node_type not in (*types.up, *types.down):
            names = ", ".join((*types.up, *types.down)) or "nothing else"
            raise Refused(f"ElastiCache doesn't make a {before} a {request.node_type}. It can become: {names}.")
        if request.node_type in types.down:
            notes.append("A smaller node evicts what doesn't fit into its memory.")
        steps.append(_type_step(name, before, request.node_type))
        lines.append(f'cache.node_type = "{request.node_type}"')
    if replicas is not None and replicas != there:
        counting = list(_replica_steps(name, there, replicas, record))
        # A new replica first, so that the change of the type has something to fail over to.
        steps = [*counting, *steps] if replicas > there else [*steps, *counting]
        lines.append(f"cache.members = {replicas + 1}")
        notes.append("A replica that is added copies the primary; one that is removed is gone with what it holds.")
    if not steps:
        raise NothingToDo(f"{name} is so already: {there} replicas, {before}.")
    return planned(
        "cache-scale",
        request,
        now,
        after=serves_again(now),
        along=now.waiting(Waits.WINDOW),
        title=f"Scale the cache {name}: {', '.join(step.after for step in steps if step.after)}",
        steps=steps,
        interruption=_interruption(now, "gets other nodes") if is_typed else "",
        notes=(
            *notes,
            "Undone by omc runs undo: what was before is set again, with the same interruption.",
            terraform(now.environment, ", ".join(lines)),
        ),
    )


def _type_step(name: str, before: str, after: str) -> Step:
    return step(
        "type",
        ModifyCache(group=name, settings={"CacheNodeType": after}),
        title=f"Change the node type of {name}, and wait until all members are available",
        before=before,
        after=after,
        undo=undo_by(ModifyCache(group=name, settings={"CacheNodeType": before}), f"back to {before}"),
        deadline=SCALE_DEADLINE,
    )


def _replica_steps(name: str, there: int, wanted: int, record: Mapping[str, Any]) -> Iterator[Step]:
    """Failover and Multi-AZ as Terraform's module has them: on with the first replica, off before the last goes."""
    on, off = ({"AutomaticFailoverEnabled": value, "MultiAZEnabled": value} for value in (True, False))
    if wanted == 0 and record.get("AutomaticFailover") == "enabled":
        yield step(
            "failover-off",
            ModifyCache(group=name, settings=off),
            title="Turn automatic failover off, which needs a replica",
            undo=undo_by(ModifyCache(group=name, settings=on), "automatic failover is on again"),
            deadline=SCALE_DEADLINE,
        )
    yield step(
        "replicas",
        SetReplicas(group=name, replicas=wanted),
        title=f"{'Add' if wanted > there else 'Remove'} replicas, and wait until all members are available",
        before=f"{there} replicas",
        after=f"{wanted} replica{'' if wanted == 1 else 's'}",
        undo=undo_by(SetReplicas(group=name, replicas=there), f"{there} replicas again"),
        deadline=SCALE_DEADLINE,
    )
    if wanted > 0 and record.get("AutomaticFailover") != "enabled":
        yield step(
            "failover-on",
            ModifyCache(group=name, settings=on),
            title="Turn automatic failover on, to another zone",
            undo=undo_by(ModifyCache(group=name, settings=off), "automatic failover is off again"),
            deadline=SCALE_DEADLINE,
        )


# -- versions -------------------------------------------------------------------------------------------------------


def _version_of(cache: CacheGroup) -> str:
    return next((each.version for each in cache.members), "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _known(versions: CacheVersions, engine: str, wanted: str) -> tuple[str, str]:
    """The version as ElastiCache takes it, and its parameter group family."""
    for version, family in versions.families.get(engine, {}).items():
        if _numbers(version) == _numbers(wanted):
            return version, family
    names = ", ".join(versions.families.get(engine, {})) or "none"
    raise Refused(f"ElastiCache has no {engine} {wanted}. It has: {names}.")


@takes_ongoing
def plan_upgrade(request: CacheUpgradeRequest, now: Cache, versions: CacheVersions) -> Plan:
    """A newer version of the same engine, of the same parameter group family."""
    record, name = now.record, now.name
    engine, before = str(record.get("Engine", "redis")), _version_of(now.cache)
    after, family = _known(versions, engine, request.version)
    if _numbers(after) == _numbers(before):
        raise NothingToDo(f"{name} runs {engine} {before} already.")
    if _numbers(after) < _numbers(before):
        raise Refused(f"{name} runs {engine} {before}, and ElastiCache never goes back to an older version.")
    family_now = next((known for version, known in versions.families[engine].items() if version == before), "")
    if family_now and family_now != family:
        raise Refused(
            f"{engine} {after} wants a parameter group of {family}, and {name} has one of {family_now}. Make the "
            f"version and the group together, by Terraform: omc infra apply --env {now.environment.name}"
        )
    return planned(
        "cache-upgrade",
        request,
        now,
        after=serves_again(now),
        along=now.waiting(Waits.WINDOW),
        title=f"Upgrade the cache {name} to {engine} {after}",
        steps=[
            step(
                "upgrade",
                ModifyCache(group=name, settings={"EngineVersion": after}),
                title=f"Upgrade {name}, and wait until all members are available with it",
                before=before,
                after=after,
                deadline=SCALE_DEADLINE,
            )
        ],
        interruption=_interruption(now, "is upgraded"),
        risk=Risk.DESTRUCTIVE,
        notes=(
            "It can't be undone: ElastiCache goes back to no older version but by a new replication group.",
            terraform(now.environment, f'engine_version = "{after}"', CACHE_MODULE),
        ),
    )


@takes_ongoing
def plan_valkey(request: CacheValkeyRequest, now: Cache, versions: CacheVersions, settings: CacheSettings) -> Plan:
    """Valkey in the place of Redis, with what was set for Redis."""
    record, name = now.record, now.name
    if record.get("Engine") == "valkey":
        raise NothingToDo(f"{name} is Valkey already ({_version_of(now.cache)}).")
    after, family = _known(versions, "valkey", request.version)
    group = f"default.{family}" if not settings.values else f"{name}-{family}"
    steps = [
        step(
            "valkey",
            ModifyCache(
                group=name,
                settings={"Engine": "valkey", "EngineVersion": after, "CacheParameterGroupName": group},
            ),
            title=f"Make {name} Valkey {after}, and wait until all members are available with it",
            before=f"redis {_version_of(now.cache)}",
            after=f"valkey {after}",
            deadline=SCALE_DEADLINE,
        )
    ]
    if settings.values:
        copy = CopyCacheParameters(source=settings.group, name=group, family=family, values=settings.values)
        steps.insert(0, step("parameters", copy, title=f"Make a parameter group {group} as {settings.group} is"))
    what = f'engine = "valkey", engine_version = "{after}", and a parameter group {group} of the family {family}'
    return planned(
        "cache-valkey",
        request,
        now,
        after=serves_again(now),
        along=now.waiting(Waits.WINDOW),
        title=f"Make the cache {name} Valkey {after}",
        steps=steps,
        interruption=_interruption(now, "changes its engine"),
        risk=Risk.DESTRUCTIVE,
        notes=(
            "It can't be undone: ElastiCache makes no Redis of a Valkey.",
            terraform(now.environment, what, CACHE_MODULE),
            *(
                (
                    "Terraform doesn't know that group yet: terraform import "
                    f"module.stack.module.cache.aws_elasticache_parameter_group.this {group}",
                )
                if settings.values
                else ()
            ),
        ),
    )


# -- reboot and AWS's updates ---------------------------------------------------------------------------------------


@takes_ongoing
def plan_reboot(request: CacheRebootRequest, now: Cache) -> Plan:
    """One member, which loses what it holds."""
    record, name = now.record, now.name
    names = [each.name for each in now.cache.members]
    if request.member not in names:
        raise WrongUse(f"{name} has no member {request.member}; it has {', '.join(names)}.")
    if record.get("ClusterEnabled"):
        raise Refused("AWS reboots no member of a cache with cluster mode (API reference, RebootCacheCluster).")
    is_primary = request.member == now.cache.primary
    losing = "the primary, and with it the whole cache, begins empty" if is_primary else "it copies the primary again"
    return planned(
        "cache-reboot",
        request,
        now,
        after=serves_again(now),
        title=f"Reboot {request.member} of the cache {name}",
        steps=[
            step(
                "reboot",
                RebootMember(group=name, member=request.member),
                title=f"Restart {request.member}, and wait until it is available",
                deadline=FAILOVER_DEADLINE,
            )
        ],
        interruption=(
            f"{request.member}, the primary of {name}, restarts: a momentary outage, after which the cache is empty. "
            f"{READS_THROUGH}"
            if is_primary
            else ""
        ),
        notes=(
            f"What the member holds is lost (API reference, RebootCacheCluster): {losing}.",
            "It can't be undone, and changes nothing. Nothing of Terraform's changes.",
        ),
    )


@takes_ongoing
def plan_apply(request: CacheApplyRequest, now: Cache) -> Plan:
    """AWS's service updates, now."""
    name = now.record["ReplicationGroupId"]
    chosen = now.announced(request.update, "service update")
    return planned(
        "cache-apply",
        request,
        now,
        after=serves_again(now),
        title=f"Apply AWS's service updates of the cache {name}: {', '.join(each.name for each in chosen)}",
        steps=[
            step(
                f"apply-{each.name}",
                ApplyUpdate(group=name, update=each.name),
                title=f"Apply the {each.what}, and wait until it is complete",
                deadline=UPDATE_DEADLINE,
            )
            for each in chosen
        ],
        interruption=_interruption(now, "is updated, a node after the other"),
        notes=("It can't be undone. Nothing of Terraform's changes.",),
    )
