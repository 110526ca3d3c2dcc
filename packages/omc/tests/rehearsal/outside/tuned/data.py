"""The database and the cache: held, full, frozen, stopped, dead, rebooted, failed over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import psycopg

from rehearsal.outside.story import Story
from rehearsal.outside.world import CACHE, DATABASE, World
from support.stack import CLUSTER
from support.waiting import eventually

IDLE = 75
"""Of the 80 connections that there are; three are the superuser's."""


@contextmanager
def _idle_sessions(world: World) -> Iterator[None]:
    with ExitStack() as opened:
        # Ours are only as many as the tasks leave; those then can't have theirs back.
        for number in range(IDLE):
            try:
                opened.enter_context(world.sql("nightly-export"))
            except psycopg.OperationalError:
                assert number > 20
                break
        yield


@contextmanager
def _locked(world: World) -> Iterator[None]:
    with world.sql("schema-change") as connection, connection.transaction():
        connection.execute("LOCK TABLE prices IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def _no_rights(world: World) -> Iterator[None]:
    with world.sql() as connection:
        connection.execute("REVOKE SELECT ON prices FROM ohmycoins_app")  # the role of both of its users
        try:
            yield
        finally:
            connection.execute("GRANT SELECT ON prices TO ohmycoins_app")


@contextmanager
def _renamed_table(world: World) -> Iterator[None]:
    with world.sql() as connection:
        connection.execute("ALTER TABLE prices RENAME TO prices_old")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE prices_old RENAME TO prices")


def _frozen(folder: str) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: world.frozen(lambda: world.processes(folder))


@contextmanager
def _dead(world: World) -> Iterator[None]:
    try:
        with world.dying(lambda: world.processes("rds")):
            yield
    finally:
        # The local cloud gives a server up that dies at each start; somebody has to start it again.
        eventually("it is up or given up", lambda: _status(world) in ("available", "failed"), 120)
        if _status(world) == "failed":
            _start(world)


@contextmanager
def _stopped_by_api(world: World) -> Iterator[None]:
    rds = world.aws("rds")
    rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    try:
        yield
    finally:
        eventually("it has stopped", lambda: _status(world) == "stopped", 120)
        _start(world)


def _start(world: World) -> None:
    world.aws("rds").start_db_instance(DBInstanceIdentifier=DATABASE)
    eventually("it is available", lambda: _status(world) == "available", 120)


def _status(world: World) -> str:
    return str(
        world.aws("rds").describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]["DBInstanceStatus"]
    )


def _rebooted_while(phase: str) -> Callable[[World], AbstractContextManager[None]]:
    """RebootDBInstance before a deployment, while its tasks start, or while the old ones are drained."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        ecs, rds = world.aws("ecs"), world.aws("rds")

        def reboot() -> None:
            rds.reboot_db_instance(DBInstanceIdentifier=DATABASE)

        if phase == "before":
            reboot()
        ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
        new = str(world.service("backend")["deployments"][0]["id"])

        def tasks(status: str) -> int:
            listed = ecs.list_tasks(cluster=CLUSTER, startedBy=new)["taskArns"]
            payload = ecs.describe_tasks(cluster=CLUSTER, tasks=listed)["tasks"] if listed else []
            return sum(task["lastStatus"] == status for task in payload)

        if phase == "starting":
            eventually("new tasks start", lambda: tasks("PENDING") + tasks("RUNNING") > 0, 60)
            reboot()
        if phase == "draining":
            eventually("new tasks run", lambda: tasks("RUNNING") >= 2, 120)
            reboot()
        yield

    return fault


@contextmanager
def _flushed(world: World) -> Iterator[None]:
    """A cache that holds something: answers that are kept for two seconds and asked for three times a second are few,
    and back at once. CloudWatch must have seen it so, for a minute that is over."""
    world.redis(*(["SET", f"session:{number}", "x", "EX", "3600"] for number in range(300)))
    time.sleep(75)
    world.redis(["FLUSHALL"])
    yield


@contextmanager
def _full_cache(world: World) -> Iterator[None]:
    """Somebody fills the cache with what nobody reads, until it throws out what is read."""
    for number in range(40):
        world.redis(*(["SET", f"report:{number}:{part}", "x" * 100_000] for part in range(10)))
    try:
        yield
    finally:
        world.redis(["FLUSHALL"])


@contextmanager
def _cache_rebooted(world: World) -> Iterator[None]:
    member = world.output("cache")["member_ids"][0]
    world.aws("elasticache").reboot_cache_cluster(CacheClusterId=member, CacheNodeIdsToReboot=["0001"])
    yield


@contextmanager
def _failed_over(world: World) -> Iterator[None]:
    """A second member and automatic failover for the time of the story."""
    cache = world.aws("elasticache")

    def group() -> dict[str, object]:
        return dict(cache.describe_replication_groups(ReplicationGroupId=CACHE)["ReplicationGroups"][0])

    def available() -> bool:
        return group()["Status"] == "available"

    cache.increase_replica_count(ReplicationGroupId=CACHE, NewReplicaCount=1, ApplyImmediately=True)
    eventually("there are two members", available, 120)
    cache.modify_replication_group(ReplicationGroupId=CACHE, AutomaticFailoverEnabled=True, ApplyImmediately=True)
    eventually("failover is on", available, 120)
    cache.test_failover(ReplicationGroupId=CACHE, NodeGroupId="0001")
    try:
        yield
    finally:
        first = world.output("cache")["member_ids"][0]
        eventually("it is available", available, 120)
        cache.test_failover(ReplicationGroupId=CACHE, NodeGroupId="0001")  # so that the Terraform's member stays

        def back() -> bool:
            [node] = cache.describe_replication_groups(ReplicationGroupId=CACHE)["ReplicationGroups"][0]["NodeGroups"]
            roles = {each["CacheClusterId"]: each["CurrentRole"] for each in node["NodeGroupMembers"]}
            return bool(roles[first] == "primary")

        eventually("the first member is the primary again", back, 120)
        cache.modify_replication_group(ReplicationGroupId=CACHE, AutomaticFailoverEnabled=False, ApplyImmediately=True)
        eventually("failover is off", available, 120)
        cache.decrease_replica_count(ReplicationGroupId=CACHE, NewReplicaCount=0, ApplyImmediately=True)
        eventually("there is one member", available, 120)


REBOOTED = r"database.*(reboot|restart|shut ?down)|(reboot|restart).*database"

STORIES = (
    Story(
        "idle-sessions",
        _idle_sessions,
        "idle sessions of one program use up the database's connections",
        headline=r"database.*connection|connection.*database",
        words=(r"80", r"idle|nightly-export"),
        never=(r"rollback",),
        path=r"^database → services/backend",
    ),
    Story(
        "table-locked",
        _locked,
        "a transaction that nobody ends holds a lock on the table of prices",
        headline=r"lock",
        words=(r"database", r"lock.*(prices|schema-change)|(prices|schema-change).*lock"),
        never=(r"rollback",),
        path=r"^database → services/backend",
    ),
    Story(
        "rights-revoked",
        _no_rights,
        "the application may no longer read the table of prices",
        headline=r"permission denied.*prices|prices.*permission denied",
        words=(r"backend",),
        path=r"^database → services/backend",
    ),
    Story(
        "table-renamed",
        _renamed_table,
        "the table of prices has another name",
        headline=r"prices.*(does not exist|doesn't exist|missing)|database has no schema",
        words=(r"backend",),
        path=r"^database → services/backend",
    ),
    Story(
        "database-frozen",
        _frozen("rds"),
        "the database's processes hang (SIGSTOP) and hold their connections",
        headline=r"database.*(answer|hang|frozen|unavailable|timed? ?out|reach)",
        words=(r"backend",),
        never=(r"rollback", r"security group"),
        path=r"^database → services/backend",
    ),
    Story(
        "database-dead",
        _dead,
        "the database's processes are killed whenever they are back",
        headline=r"database.*(restart|crash|recover|unavailable|down|answer|refuse|reach|shut|fail)",
        words=(r"backend",),
        never=(r"rollback",),
        path=r"^database → services/backend",
    ),
    Story(
        "database-stopped",
        _stopped_by_api,
        "somebody has stopped the database (StopDBInstance)",
        headline=r"database.*stop",
        words=(r"stopp", r"StopDBInstance|start-db-instance|start the"),
        never=(r"rollback",),
        path=r"^database → services/backend",
    ),
    Story(
        "database-rebooted-before-a-deployment",
        _rebooted_while("before"),
        "the database is rebooted, then a deployment begins",
        headline=r".",
        words=(REBOOTED,),
        exits=(0, 1),
    ),
    Story(
        "database-rebooted-while-tasks-start",
        _rebooted_while("starting"),
        "the database is rebooted while a deployment's tasks start",
        headline=r".",
        words=(REBOOTED,),
        exits=(0, 1),
    ),
    Story(
        "database-rebooted-while-tasks-drain",
        _rebooted_while("draining"),
        "the database is rebooted while a deployment's old tasks are drained",
        headline=r".",
        words=(REBOOTED,),
        exits=(0, 1),
    ),
    Story(
        "cache-flushed",
        _flushed,
        "somebody has emptied a cache of 300 sessions (FLUSHALL)",
        headline=r".",
        words=(r"cache.*(flush|empt|items|hit)",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "cache-too-small",
        _full_cache,
        "the cache is full and evicts what is read",
        headline=r"cache|redis",
        words=(r"evict|memory|full",),
        exits=(0, 1),
    ),
    Story(
        "cache-frozen",
        _frozen("elasticache"),
        "the cache's processes hang (SIGSTOP)",
        headline=r"cache.*(answer|hang|frozen|unavailable|timed? ?out|reach)",
        never=(r"rollback", r"security group"),
    ),
    Story(
        "cache-rebooted",
        _cache_rebooted,
        "the cache's node is rebooted",
        headline=r".",
        words=(r"(cache|redis).*(reboot|restart|empt|unavailable)",),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "cache-failed-over",
        _failed_over,
        "a cache of two members fails over",
        headline=r".",
        words=(r"(cache|redis).*fail(ed)?[ -]?over|failover.*(cache|redis)",),
        exits=(0, 1),
        within=60,
    ),
)
