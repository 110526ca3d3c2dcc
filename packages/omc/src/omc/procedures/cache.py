"""The cache's maintenance: a failover, another node type, other replicas, a newer version, Valkey for Redis, a member's
reboot, and AWS's service updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from omc.config import Environment
from omc.config.stores import required_cache
from omc.errors import NothingToDo, Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarms
from omc.facts.cache_group import CacheGroup, CacheSettings, CacheTypes, CacheVersions
from omc.facts.incidents import OpenIncidents
from omc.facts.pending import Pending
from omc.facts.scope import Scope
from omc.facts.services import Services
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
from omc.procedures.data_stores import (
    busy,
    comes_along,
    examined,
    joined,
    serving,
    terraform,
    texts,
    waiting,
)
from omc.procedures.preconditions.table import Verb

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


def required_group(cache: CacheGroup, environment: Environment) -> Mapping[str, Any]:
    """``Refused`` where there is no replication group of the name, or a serverless cache."""
    required_cache(environment)
    if cache.record is None:
        raise Refused(f"There is no replication group {environment.cache} in {environment.region}.")
    return cache.record


def _planned(
    procedure: str,
    request: Any,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
    *,
    title: str,
    steps: list[Step],
    interruption: str,
    notes: tuple[str, ...],
    brings_along: bool = True,
    refusals: tuple[str, ...] = (),
    risk: Risk = Risk.HIGH,
) -> Plan:
    """What the plans of the cache have in common."""
    record = required_group(cache, environment)
    along = waiting(pending, "cache", reboot=False) if brings_along else ()
    if along and not interruption:
        interruption = f"What waits for {environment.cache} is applied along: {'; '.join(texts(along))}."
    found = examined(
        Verb.CACHE, request.override, environment, scope, services, alarms, incidents, active, interruption
    )
    return Plan(
        procedure=procedure,
        environment=environment.name,
        request=asdict(request),
        title=title,
        risk=risk,
        steps=(*steps, *serving(services, environment)),
        preconditions={
            "group": record.get("ARN", environment.cache),
            "members": sorted(each.name for each in cache.members),
            "primary": cache.primary,
            "node_type": record.get("CacheNodeType", ""),
            "comes_along": texts(along),
        },
        notes=joined(
            found.overridden,
            found.notes,
            (f"Expected interruption: {interruption or 'none.'}",),
            comes_along(along),
            notes,
        ),
        refusals=(*found.refusals, *busy("cache", environment.cache, str(record["Status"])), *refusals),
        undo_on_failure=False,
    )


def _interruption(cache: CacheGroup, environment: Environment, what: str) -> str:
    return f"{environment.cache} {what}. {WRITES_FAIL if len(cache.members) > 1 else ALONE} {READS_THROUGH}"


# -- failover -------------------------------------------------------------------------------------------------------


def plan_failover(
    request: CacheFailoverRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A replica becomes the primary."""
    record, name = required_group(cache, environment), environment.cache
    if len(cache.members) < 2 or record.get("AutomaticFailover") != "enabled":
        raise Refused(
            f"{name} has nothing to fail over to: it needs a replica, and automatic failover. Add one: "
            f"omc cache scale --replicas 1 --env {environment.name}"
        )
    shard = str(record["NodeGroups"][0]["NodeGroupId"])
    return _planned(
        "cache-failover",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
        title=f"Fail the cache {name} over to a replica",
        steps=[
            step(
                "failover",
                FailOverCache(group=name, node_group=shard, primary=cache.primary),
                title=f"Have a replica take the place of {cache.primary}, and wait until all members are back",
                before=cache.primary,
                deadline=FAILOVER_DEADLINE,
            )
        ],
        interruption=_interruption(cache, environment, "fails over"),
        brings_along=False,
        notes=(
            "AWS means this call for tests, takes it for 15 shards in 24 hours, and may block it in a large event (API "
            "reference, TestFailover).",
            "What the replica hadn't received yet is lost: it is a cache, and is filled again.",
            "It can't be undone as such; another failover makes some replica the primary again. Nothing of Terraform's "
            "changes.",
        ),
    )


# -- scale ----------------------------------------------------------------------------------------------------------


def plan_scale(
    request: CacheScaleRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    types: CacheTypes,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """Another node type, another number of replicas, or both."""
    record, name = required_group(cache, environment), environment.cache
    steps: list[Step] = []
    lines: list[str] = []
    notes: list[str] = []
    now, replicas = len(cache.members) - 1, request.replicas
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
    if replicas is not None and replicas != now:
        counting = list(_replica_steps(name, now, replicas, record))
        # A new replica first, so that the change of the type has something to fail over to.
        steps = [*counting, *steps] if replicas > now else [*steps, *counting]
        lines.append(f"cache.members = {replicas + 1}")
        notes.append("A replica that is added copies the primary; one that is removed is gone with what it holds.")
    if not steps:
        raise NothingToDo(f"{name} is so already: {now} replicas, {before}.")
    return _planned(
        "cache-scale",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
        title=f"Scale the cache {name}: {', '.join(step.after for step in steps if step.after)}",
        steps=steps,
        interruption=_interruption(cache, environment, "gets other nodes") if is_typed else "",
        notes=(
            *notes,
            "Undone by omc runs undo: what was before is set again, with the same interruption.",
            terraform(environment, ", ".join(lines)),
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


def _replica_steps(name: str, now: int, wanted: int, record: Mapping[str, Any]) -> Iterator[Step]:
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
        title=f"{'Add' if wanted > now else 'Remove'} replicas, and wait until all members are available",
        before=f"{now} replicas",
        after=f"{wanted} replica{'' if wanted == 1 else 's'}",
        undo=undo_by(SetReplicas(group=name, replicas=now), f"{now} replicas again"),
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


def plan_upgrade(
    request: CacheUpgradeRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    versions: CacheVersions,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """A newer version of the same engine, of the same parameter group family."""
    record, name = required_group(cache, environment), environment.cache
    engine, before = str(record.get("Engine", "redis")), _version_of(cache)
    after, family = _known(versions, engine, request.version)
    if _numbers(after) == _numbers(before):
        raise NothingToDo(f"{name} runs {engine} {before} already.")
    if _numbers(after) < _numbers(before):
        raise Refused(f"{name} runs {engine} {before}, and ElastiCache never goes back to an older version.")
    now = next((known for version, known in versions.families[engine].items() if version == before), "")
    if now and now != family:
        raise Refused(
            f"{engine} {after} wants a parameter group of {family}, and {name} has one of {now}. Make the version and "
            f"the group together, by Terraform: omc infra apply --env {environment.name}"
        )
    return _planned(
        "cache-upgrade",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
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
        interruption=_interruption(cache, environment, "is upgraded"),
        risk=Risk.DESTRUCTIVE,
        notes=(
            "It can't be undone: ElastiCache goes back to no older version but by a new replication group.",
            terraform(environment, f'engine_version = "{after}"', CACHE_MODULE),
        ),
    )


def plan_valkey(
    request: CacheValkeyRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    versions: CacheVersions,
    settings: CacheSettings,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """Valkey in the place of Redis, with what was set for Redis."""
    record, name = required_group(cache, environment), environment.cache
    if record.get("Engine") == "valkey":
        raise NothingToDo(f"{name} is Valkey already ({_version_of(cache)}).")
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
            before=f"redis {_version_of(cache)}",
            after=f"valkey {after}",
            deadline=SCALE_DEADLINE,
        )
    ]
    if settings.values:
        copy = CopyCacheParameters(source=settings.group, name=group, family=family, values=settings.values)
        steps.insert(0, step("parameters", copy, title=f"Make a parameter group {group} as {settings.group} is"))
    what = f'engine = "valkey", engine_version = "{after}", and a parameter group {group} of the family {family}'
    return _planned(
        "cache-valkey",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
        title=f"Make the cache {name} Valkey {after}",
        steps=steps,
        interruption=_interruption(cache, environment, "changes its engine"),
        risk=Risk.DESTRUCTIVE,
        notes=(
            "It can't be undone: ElastiCache makes no Redis of a Valkey.",
            terraform(environment, what, CACHE_MODULE),
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


def plan_reboot(
    request: CacheRebootRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """One member, which loses what it holds."""
    record, name = required_group(cache, environment), environment.cache
    names = [each.name for each in cache.members]
    if request.member not in names:
        raise WrongUse(f"{name} has no member {request.member}; it has {', '.join(names)}.")
    if record.get("ClusterEnabled"):
        raise Refused("AWS reboots no member of a cache with cluster mode (API reference, RebootCacheCluster).")
    is_primary = request.member == cache.primary
    losing = "the primary, and with it the whole cache, begins empty" if is_primary else "it copies the primary again"
    return _planned(
        "cache-reboot",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
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
        brings_along=False,
        notes=(
            f"What the member holds is lost (API reference, RebootCacheCluster): {losing}.",
            "It can't be undone, and changes nothing. Nothing of Terraform's changes.",
        ),
    )


def plan_apply(
    request: CacheApplyRequest,
    environment: Environment,
    scope: Scope,
    cache: CacheGroup,
    pending: Pending,
    services: Services,
    alarms: Alarms,
    incidents: OpenIncidents,
    active: ActiveRun,
) -> Plan:
    """AWS's service updates, now."""
    name = environment.cache
    required_group(cache, environment)
    announced = [each for each in pending.maintenance if each.resource.startswith("the cache ") and each.name]
    chosen = [each for each in announced if request.update in ("", each.name)]
    if not announced:
        raise NothingToDo(f"AWS has announced no service update of {name}.")
    if not chosen:
        names = ", ".join(each.name for each in announced)
        raise WrongUse(f"AWS has announced no {request.update} of {name}; it has announced {names}.")
    return _planned(
        "cache-apply",
        request,
        environment,
        scope,
        cache,
        pending,
        services,
        alarms,
        incidents,
        active,
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
        interruption=_interruption(cache, environment, "is updated, a node after the other"),
        brings_along=False,
        notes=("It can't be undone. Nothing of Terraform's changes.",),
    )
