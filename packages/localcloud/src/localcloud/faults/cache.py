"""The cache breaks: a node that is dead, and a tenant that throws everybody else's keys out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.backends import certificates, valkey
from localcloud.backends.valkey import ValkeyError
from localcloud.core.registry import AwsError
from localcloud.faults import common, values, workers
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.elasticache import Caches
from localcloud.services.elasticache.model import Group, max_memory

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

CACHE = Setting("", "id of the replication group; the only one if left out")
STOP_SECONDS = 15.0
BACK_SECONDS = 45.0


def _group(cloud: Cloud, settings: Mapping[str, str]) -> Group:
    with cloud.lock:
        group: Group = common.the_one("replication group", settings["cache"], cloud.part(Caches).groups)
    if group.status != "available":
        raise common.refused(f"The replication group {group.id} isn't available; it is {group.status}.")
    return group


# -- cache-stopped --------------------------------------------------------------------------------------------------


def _start_stopped(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    group, caches = _group(cloud, settings), cloud.part(Caches)
    member = settings["member"] or group.primary
    if member not in {each.id for each in group.members}:
        known = ", ".join(each.id for each in group.members)
        raise common.refused(f"{group.id} has no member {member!r}; it has {known}.")
    caches.keep_down(member, True)
    if not common.wait_for(lambda: not caches.lives(member), STOP_SECONDS):
        caches.keep_down(member, False)
        raise AwsError("FaultNotStarted", f"The cache node {member} did not end in {STOP_SECONDS:.0f} s.")
    return {"member": member}


def _stop_stopped(cloud: Cloud, memory: Memory) -> None:
    caches, member = cloud.part(Caches), memory["member"]
    caches.keep_down(member, False)
    if any(each.id == member for group in list(caches.groups.values()) for each in group.members):
        common.wait_for(lambda: caches.lives(member), BACK_SECONDS)


# -- cache-evicting -------------------------------------------------------------------------------------------------


def _start_evicting(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    group = _group(cloud, settings)
    per_second = values.number(settings, "per_second", 10, 2_000)
    times = values.number(settings, "times", 1.5, 100)
    size = int(values.number(settings, "bytes", 1_000, 100_000))
    keys = int(times * max_memory(group.settings["CacheNodeType"]) / size)
    memory: Memory = {"cache": group.id, "per_second": per_second, "keys": keys, "bytes": size}
    _keep_evicting(cloud, memory)
    return memory


def _keep_evicting(cloud: Cloud, memory: Memory) -> None:
    group = cloud.part(Caches).groups.get(memory["cache"])
    if group is None:
        return
    words = [
        *("keys", "--host", cloud.settings.real_address(group.primary_interface.address), "--port", group.port),
        *("--authorities", certificates.authority(cloud.settings.state) if group.secure else ""),
        *("--per-second", memory["per_second"], "--keys", memory["keys"], "--bytes", memory["bytes"]),
    ]
    password = {"REDIS_PASSWORD": group.settings.get("AuthToken") or ""}
    common.keep_worker(cloud, "cache-evicting", words, lambda: password)


def _stop_evicting(cloud: Cloud, memory: Memory) -> None:
    """End the tenant and delete its keys: a cache that stays full goes on evicting."""
    common.end_worker(cloud, "cache-evicting")
    caches = cloud.part(Caches)
    group = caches.groups.get(memory["cache"])
    if group is None or not caches.lives(group.primary):
        return
    server, cursor = caches.server(group.primary), "0"
    login = [["AUTH", group.settings["AuthToken"]]] if group.settings.get("AuthToken") else []
    try:
        while True:
            scan = ["SCAN", cursor, "MATCH", f"{workers.KEY_PREFIX}*", "COUNT", "500"]
            *_, reply = valkey.commands(server, [*login, scan])
            if not isinstance(reply, list):
                return
            cursor, keys = str(reply[0]), reply[1]
            if isinstance(keys, list) and keys:
                valkey.commands(server, [*login, ["UNLINK", *(str(key) for key in keys)]])
            if cursor == "0":
                return
    except (OSError, ValkeyError) as problem:
        raise AwsError("FaultNotStopped", f"The keys in {server.name} could not be deleted: {problem}") from problem


FAULTS = (
    Fault(
        "cache-stopped",
        "A cache node's server ends and is not started again.",
        "The node is recovering and without metrics, its clients are refused; a replica takes over where there is one.",
        _start_stopped,
        _stop_stopped,
        {"cache": CACHE, "member": Setting("", "id of the cache node; the primary if left out")},
    ),
    Fault(
        "cache-evicting",
        "Another client reads through the cache far more than the cache can hold.",
        "Evictions rise, CacheHitRate falls, DatabaseMemoryUsagePercentage stays at its top.",
        _start_evicting,
        _stop_evicting,
        {
            "cache": CACHE,
            "per_second": Setting("300", "keys that it reads a second, 10 to 2000"),
            "times": Setting("8", "how many times the cache's memory its keys are, 1.5 to 100"),
            "bytes": Setting("20000", "size of one value, 1000 to 100000"),
        },
        _keep_evicting,
    ),
)
