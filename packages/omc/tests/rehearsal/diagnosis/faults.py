"""Faults as changes of a world, each with the truth about it: the cause's names that are right, its place, the services
that suffer, and the commands that are an acceptable next step.

A fault changes what AWS, PostgreSQL, Redis and the services would say, and nothing else: no finding is written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from omc.aws.http_get import Trouble
from omc.facts.followup.data_stores import StoreEvent
from omc.facts.followup.database_log import LockWait
from omc.facts.followup.lock_waits import IdleSession, Wait
from omc.facts.followup.rejects import Reject
from omc.facts.listeners import Action
from omc.facts.probes import Answer
from omc.facts.services import Event
from rehearsal.diagnosis.world import MINUTE, ServiceState, World, denying

LOOK = r"omc (check|logs|incident|deployments|diagnose|status)\b"
"""Commands that only read, and are never wrong."""
BACK = r"omc rollback\b"
PLAN = r"omc infra plan\b"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a fault."""

    names: frozenset[str]
    """Each of these names of causes is right."""
    place: str
    services: tuple[str, ...] = ()
    """That suffer; empty: nobody does."""
    actions: tuple[str, ...] = (LOOK,)
    """Patterns, one of which the next step's command fits."""


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    group: str
    """What it is a fault of: two of one group, or of groups that hide each other, make no pair."""
    what: str
    breaks: Callable[[World, Random], Truth]


FAULTS: dict[str, Fault] = {}


def fault(group: str, what: str) -> Callable[[Callable[[World, Random], Truth]], Callable[[World, Random], Truth]]:
    """Enter the function below as a fault; its name is the fault's."""

    def entered(breaks: Callable[[World, Random], Truth]) -> Callable[[World, Random], Truth]:
        name = breaks.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, group, what, breaks)
        return breaks

    return entered


def truth(names: str, place: str, services: Sequence[ServiceState] = (), *actions: str) -> Truth:
    return Truth(frozenset(names.split()), place, tuple(each.name for each in services), (*actions, LOOK))


def since(w: World, r: Random, *seconds: int) -> datetime:
    """When it began: seconds, minutes or a good while ago."""
    return w.ago(seconds=r.choice(seconds or (45, 130, 320, 1300)) + r.randint(0, 20))


def no_answer(w: World, r: Random, kind: str = "database") -> str:
    host, port = (w.database_host, 5432) if kind == "database" else (w.cache_host, 6379)
    if kind == "cache":
        return r.choice(
            (
                f"Timeout connecting to server {host}:{port}: timed out",
                f"redis: dial tcp {host}:{port}: i/o timeout",
                f"ERROR the cache can't be reached: Error: connect ETIMEDOUT {host}:{port}",
            )
        )
    return r.choice(
        (
            f'connection to server at "{host}", port {port} failed: timeout expired',
            "database unavailable: connection timeout expired",
            f"ERROR not ready: Error: connect ETIMEDOUT {host}:{port}",
            f"pgx: failed to connect: dial tcp {host}:{port}: i/o timeout",
        )
    )


def refused(w: World, r: Random, kind: str = "database") -> str:
    host, port = (w.database_host, 5432) if kind == "database" else (w.cache_host, 6379)
    what = "postgres" if kind == "database" else "redis"
    return r.choice(
        (
            f'connection to server at "{host}", port {port} failed: Connection refused',
            f"{what}: dial tcp {host}:{port}: connect: connection refused",
            f"ERROR Error: connect ECONNREFUSED {host}:{port}",
        )
    )


# -- the database


def _status(w: World, r: Random, status: str, operation: str = "", event: str = "") -> Truth:
    at = since(w, r)
    events = (StoreEvent(at, w.database.name, event),) if event else ()
    w.database = replace(w.database, status=status, events=events)
    w.load = replace(w.load, newest=at)
    if operation:
        w.write(operation, at, w.database.name)
    w.lose("database", refused(w, r) if status in ("rebooting", "starting") else no_answer(w, r), at)
    return truth("database-not-available", "database", w.apis, r"omc check morning", r"rds start-db-instance")


@fault("database", "somebody stopped the database")
def database_stopped(w: World, r: Random) -> Truth:
    return _status(w, r, r.choice(("stopping", "stopped")), "StopDBInstance", "DB instance stopped")


@fault("database", "the database is being rebooted")
def database_rebooting(w: World, r: Random) -> Truth:
    return _status(w, r, "rebooting", "RebootDBInstance", "DB instance shutdown")


@fault("database", "AWS calls the database failed, starting or incompatible")
def database_failed(w: World, r: Random) -> Truth:
    return _status(
        w, r, r.choice(("failed", "starting", "incompatible-parameters", "inaccessible-encryption-credentials"))
    )


@fault("database", "the database was deleted")
def database_deleted(w: World, r: Random) -> Truth:
    at = since(w, r, 200, 400, 900)
    w.database = replace(w.database, exists=False, host="", port=0, groups=(), status="")
    w.write("DeleteDBInstance", at, w.environment.database)
    w.load = replace(w.load, newest=at)
    w.lose("database", no_answer(w, r), at)
    return truth("database-gone", "database", w.apis, PLAN, r"omc backups?\b|restore")


@fault("database", "a session holds a lock that others wait for")
def database_locked(w: World, r: Random) -> Truth:
    at = since(w, r, 60, 150, 400, 1000)
    statement = r.choice(
        ("UPDATE accounts SET balance = ?", "INSERT INTO prices (symbol) VALUES (?)", "SELECT price FROM prices")
    )
    blocked = float(r.choice((1, 2, 5, 20)))
    waits = (Wait("Lock", r.choice(("relation", "transactionid", "tuple")), statement, blocked * 0.8),)
    idle = r.choice((None, IdleSession("psql", "jo"), IdleSession("", "report")))
    counters = {**w.load.counters, "db.Transactions.blocked_transactions": blocked}
    if idle:
        counters["db.state.idle_in_transaction_max_time"] = (w.now - at).total_seconds()
    w.load = replace(w.load, waits=waits, counters=counters, idle=idle)
    if r.random() < 0.6:
        held = LockWait(w.ago(seconds=15), 77, "app", "ShareLock", "transaction 9", (4711,))
        w.database_log = replace(w.database_log, waits=(held,))
    line = r.choice(("canceling statement due to statement timeout", "canceling statement due to lock timeout"))
    for each in w.apis:
        w.say(each, line, at)
        w.fail(each, at, share=r.choice((0.5, 1.0)))
    return truth("database-locked", "database", w.apis)


@fault("database", "one statement takes longer than it may")
def database_slow_statement(w: World, r: Random) -> Truth:
    at, service = since(w, r, 100, 400, 1200), r.choice(w.apis)
    kind, event = r.choice((("IO", "DataFileRead"), ("CPU", ""), ("Timeout", "PgSleep"), ("LWLock", "BufferMapping")))
    w.load = replace(w.load, waits=(Wait(kind, event, "SELECT sum(price) FROM prices", r.choice((0.7, 2.0, 6.0))),))
    w.say(service, "canceling statement due to statement timeout", at)
    if r.random() < 0.6:
        w.fail(service, at, share=0.5)
    return truth("database-slow", "database", [service], r"omc check weekly")


@fault("database", "all connections are in use")
def database_connections_used_up(w: World, r: Random) -> Truth:
    at, idle = since(w, r, 70, 200, 600), r.choice((0.05, 0.9))
    used = w.most - r.choice((0, 2, 3))
    counters = {**w.load.counters, "db.User.numbackends": used, "db.state.idle_count": used * idle}
    w.load = replace(w.load, counters=counters)
    w.database_gauges["DatabaseConnections"] = w.lasting(w.used, at, used)
    w.ring(f"{w.environment.prefix}-rds-connections-high", at)
    line = r.choice(
        ("FATAL: sorry, too many clients already", "FATAL: remaining connection slots are reserved for roles")
    )
    for each in w.apis:
        w.say(each, line, at)
        w.fail(each, at, share=r.choice((0.5, 1.0)))
        each.status["database"] = "unavailable"
        each.status_share = 0.5
    return truth("database-connections", "database", w.apis, r"omc check weekly performance")


@fault("release-database", "a release whose pools use up all connections")
def release_uses_up_connections(w: World, r: Random) -> Truth:
    at, service = since(w, r, 80, 160, 400), r.choice(w.apis)
    w.deploy(service, at, new=1)
    used = w.most - 3
    w.load = replace(w.load, counters={**w.load.counters, "db.User.numbackends": used, "db.state.idle_count": used - 5})
    w.database_gauges["DatabaseConnections"] = w.lasting(w.used, at + MINUTE, used)
    for each in w.apis:
        w.say(
            each,
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
            at + MINUTE / 2,
        )
        w.fail(each, at + MINUTE / 2, share=0.5)
    return truth("database-connections", "database", w.apis, BACK, r"omc check weekly performance")


@fault("database", "a role's or a database's own limit of connections is reached")
def connection_limit(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    line = r.choice(
        ('FATAL:  too many connections for role "app_a"', 'FATAL: too many connections for database "shop"')
    )
    w.say(service, line, at)
    w.fail(service, at, share=r.choice((0.5, 1.0)))
    return truth("database-connection-limit", "database", [service], r"omc check weekly performance")


@fault("database", "the password of the database was rotated, or changed by hand")
def password_changed(w: World, r: Random) -> Truth:
    at = since(w, r)
    name, by_hand = f"{w.environment.prefix}/database-user", r.random() < 0.5
    if by_hand:
        w.secret_changes = {"last_changed": at}
        w.write("PutSecretValue", at, name)
    else:
        w.secret_changes = {"rotates": True, "last_rotated": at, "next_rotation": w.ago(days=-30)}
    w.lose("database", f'FATAL: password authentication failed for user "{r.choice(("app_a", "orders_rw"))}"', at)
    return truth("database-password", "database", w.apis, r"omc restart\b", r"update-secret-version-stage")


@fault("database", "the database's storage is full")
def storage_full(w: World, r: Random) -> Truth:
    at = since(w, r, 70, 300, 1200)
    w.database_gauges["FreeStorageSpace"] = w.series(*[3e9, 1e9, 2e8, 3e7, 1e6])
    if r.random() < 0.4:
        w.database = replace(w.database, status="storage-full")
    for each in w.apis:
        w.say(each, 'could not extend file "base/5/1259": No space left on device', at)
        w.fail(each, at, share=0.5)
    return truth("database-storage-full database-not-available", "database", w.apis, PLAN)


@fault("database", "the schema isn't what the code needs")
def schema_missing(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    line = r.choice(
        (
            'relation "prices" does not exist LINE 1: SELECT * FROM prices',
            'column "vat" does not exist',
            "UndefinedTable: orders",
        )
    )
    w.say(service, line, at)
    w.fail(service, at, share=r.choice((0.5, 1.0)))
    return truth("database-schema", "database", [service], r"omc migrate\b", BACK)


@fault("database", "the application's user lost a right")
def right_revoked(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    w.say(service, f"permission denied for table {r.choice(('prices', 'orders', 'ledger_entries'))}", at)
    w.fail(service, at, share=0.5)
    return truth("database-schema", "database", [service], r"omc migrate\b")


@fault("database", "the database takes reads only")
def read_only(w: World, r: Random) -> Truth:
    at = since(w, r)
    failed_over = r.random() < 0.5
    if failed_over:
        event = StoreEvent(at, w.database.name, "Multi-AZ instance failover completed")
        w.database = replace(w.database, events=(event,))
    for each in w.apis:
        w.say(each, "cannot execute INSERT in a read-only transaction", at)
        w.fail(each, at, share=0.5)
    return truth("database-read-only", "database", w.apis, r"omc restart\b")


@fault("database", "the database's server is down, and RDS doesn't say so")
def database_process_down(w: World, r: Random) -> Truth:
    at = since(w, r)
    if r.random() < 0.6:
        w.database = replace(w.database, events=(StoreEvent(at, w.database.name, "DB instance restarted"),))
    line = r.choice(
        (refused(w, r), "FATAL: the database system is starting up", "FATAL: the database system is in recovery mode")
    )
    w.load = replace(w.load, newest=at)
    w.lose("database", line, at)
    return truth("database-down", "database", w.apis)


@fault("database", "the database hangs and holds its connections")
def database_hangs(w: World, r: Random) -> Truth:
    at = since(w, r, 200, 500, 1300)
    w.load = replace(w.load, newest=at)
    w.lose("database", no_answer(w, r), at)
    return truth("database-hangs", "database", w.apis)


@fault("database", "the database is out of CPU")
def database_busy(w: World, r: Random) -> Truth:
    at, percent = since(w, r, 300, 700, 1300), r.choice((91.0, 96.0, 100.0))
    w.database_gauges["CPUUtilization"] = w.lasting(35.0, at - MINUTE * 2, percent)
    w.load = replace(w.load, waits=(Wait("CPU", "", "SELECT count(*) FROM events", r.choice((2.0, 8.0))),))
    w.ring(f"{w.environment.prefix}-rds-cpu-high", at)
    for each in w.apis:
        each.slow = r.choice((3.5, 4.5))
    return truth("database-busy", "database", w.apis, PLAN, r"omc check weekly performance")


# -- the way to the database and the cache


def _closed(w: World, r: Random, kind: str) -> Truth:
    at, port = since(w, r), 5432 if kind == "database" else 6379
    hurt = w.apis if r.random() < 0.5 else [r.choice(w.apis)]
    names = {f"sg-{each.name}" for each in hurt}
    if r.random() < 0.5:
        w.rules = [rule for rule in w.rules if not (rule.group == f"sg-{kind}" and rule.peer in names)]
        w.write("RevokeSecurityGroupIngress", at, f"sg-{kind}")
    else:
        w.rules = [rule for rule in w.rules if not (rule.group in names and rule.is_egress and rule.first == port)]
        w.write("RevokeSecurityGroupEgress", at, *names)
    host = w.database_host if kind == "database" else w.cache_host
    if r.random() < 0.5:
        w.rejects = [Reject(f"{w.kind.network}.11.10", host, port, 30, at, w.ago(seconds=40))]
    w.lose(kind, no_answer(w, r, kind), at + timedelta(seconds=5), hurt)
    return truth(f"{kind}-closed", kind, hurt, PLAN)


@fault("way-to-database", "a security group no longer lets services through to the database")
def database_group_closed(w: World, r: Random) -> Truth:
    return _closed(w, r, "database")


@fault("way-to-cache", "a security group no longer lets services through to the cache")
def cache_group_closed(w: World, r: Random) -> Truth:
    return _closed(w, r, "cache")


def _denied(w: World, r: Random, kind: str) -> Truth:
    at, port = since(w, r), 5432 if kind == "database" else 6379
    acl = r.choice(("acl-data", "acl-app"))
    app, data = f"{w.kind.network}.11.0/24", f"{w.kind.network}.21.0/24"
    w.acl_rules[acl] = denying(r.choice((5, 50, 90)), app if acl == "acl-data" else data, port, egress=acl == "acl-app")
    w.write("CreateNetworkAclEntry", at, acl)
    w.lose(kind, no_answer(w, r, kind), at + timedelta(seconds=5))
    return truth(f"{kind}-denied", kind, w.apis, PLAN, r"delete-network-acl-entry")


@fault("way-to-database", "a network ACL denies the way to the database")
def database_acl(w: World, r: Random) -> Truth:
    return _denied(w, r, "database")


@fault("way-to-cache", "a network ACL denies the way to the cache")
def cache_acl(w: World, r: Random) -> Truth:
    return _denied(w, r, "cache")


@fault("way-to-database", "a route to the database was taken away")
def database_route(w: World, r: Random) -> Truth:
    at = since(w, r, 150, 400, 1300)
    w.write(r.choice(("DeleteRoute", "ReplaceRoute")), at, "rtb-0a1")
    w.lose("database", no_answer(w, r), at + timedelta(seconds=5))
    return truth("database-refused-by-network", "database", w.apis, PLAN)


# -- the cache


@fault("cache", "the cache hangs")
def cache_hangs(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.cache_gauges["CurrConnections"] = tuple(point for point in w.cache_gauges["CurrConnections"] if point[0] < at)
    w.lose("cache", no_answer(w, r, "cache"), at)
    return truth("cache-hangs", "cache", w.apis)


@fault("cache", "nothing listens at the cache's port")
def cache_process_down(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.lose("cache", refused(w, r, "cache"), at)
    return truth("cache-down", "cache", w.apis)


@fault("cache", "the cache is being changed, or a node of it is lost")
def cache_not_available(w: World, r: Random) -> Truth:
    at, member = since(w, r), f"{w.environment.cache}-001"
    status = r.choice(("modifying", "rebooting cluster nodes", "deleting"))
    w.cache = replace(w.cache, status=status, members={**(w.cache.members or {}), member: status})
    w.write("ModifyReplicationGroup", at, w.environment.cache)
    w.lose("cache", no_answer(w, r, "cache"), at)
    return truth("cache-not-available", "cache", w.apis)


@fault("cache", "the cache was deleted")
def cache_deleted(w: World, r: Random) -> Truth:
    at = since(w, r, 200, 600)
    w.cache = replace(w.cache, exists=False, host="", port=0, groups=(), members=None)
    w.write("DeleteReplicationGroup", at, w.environment.cache)
    w.lose("cache", no_answer(w, r, "cache"), at)
    return truth("cache-gone", "cache", w.apis, PLAN)


@fault("cache", "the cache and the services don't agree on the login or on encryption")
def cache_login(w: World, r: Random) -> Truth:
    at = since(w, r)
    is_login = r.random() < 0.5
    line = (
        "redis: NOAUTH Authentication required"
        if is_login
        else "redis: certificate verify failed: self-signed certificate"
    )
    w.lose("cache", line, at)
    return truth("cache-login" if is_login else "cache-encryption", "cache", w.apis)


@fault("cache", "the cache evicts what is read")
def cache_too_small(w: World, r: Random) -> Truth:
    at = since(w, r, 200, 500, 1300)
    w.cache_gauges["Evictions"] = w.lasting(0.0, at, r.choice((40.0, 900.0)))
    w.cache_gauges["DatabaseMemoryUsagePercentage"] = w.lasting(70.0, at, r.choice((88.0, 99.0, 100.0)))
    w.alarms[f"{w.environment.prefix}-redis-hit-rate-low"] = ((f"{w.environment.cache}-001",), at)
    hurt: list[ServiceState] = []
    if r.random() < 0.4:
        hurt = w.apis
        for each in hurt:
            w.say(each, "redis: OOM command not allowed when used memory > 'maxmemory'", at)
    return truth("cache-too-small", "cache", hurt, PLAN)


@fault("cache", "a node of the cache was restarted, or it failed over, and services still miss it")
def cache_restarted(w: World, r: Random) -> Truth:
    at = since(w, r, 40, 70, 100)
    message = r.choice(
        ("Cache node 0001 restarted", "Failover from primary node x-001 to replica node x-002 completed")
    )
    w.cache = replace(w.cache, events=(StoreEvent(at, f"{w.environment.cache}-001", message),))
    w.lose("cache", r.choice((refused(w, r, "cache"), "redis: Connection closed by server")), at)
    return truth("cache-restarted", "cache", w.apis)


@fault("cache", "somebody emptied the cache")
def cache_emptied(w: World, r: Random) -> Truth:
    at = since(w, r, 70, 130)
    gone = int((w.now - at).total_seconds() // 60) + 1
    w.items = [*w.items[:-gone], *[3.0 * (number + 1) for number in range(gone)]]
    w.alarms[f"{w.environment.prefix}-redis-hit-rate-low"] = ((f"{w.environment.cache}-001",), w.ago(seconds=30))
    return truth("cache-emptied", "cache", ())


# -- settings that a release brought


def _address(w: World, r: Random, kind: str) -> Truth:
    at, service = since(w, r, 130, 320, 700), r.choice(w.apis)
    variable = "POSTGRES_SERVER" if kind == "database" else "REDIS_HOST"
    wrong = r.choice((f"{kind}.internl", "10.99.0.9", f"{w.kind.name}-old.{kind}.internal"))
    w.deploy(service, at, done=True)
    details = w.details[service.definition]
    w.details[service.definition] = replace(details, variables={service.name: w.variables(**{variable: wrong})})
    port = 5432 if kind == "database" else 6379
    line = (
        f"Timeout connecting to server {wrong}:{port}: timed out"
        if wrong.startswith("10.")
        else f"failed to resolve host '{wrong}': [Errno -2] Name or service not known"
    )
    w.lose(kind, line, at + timedelta(seconds=20), [service])
    return truth(f"{kind}-wrong-address server-host", kind, [service], BACK)


@fault("release-database", "a release looks for the database where it isn't")
def wrong_database_address(w: World, r: Random) -> Truth:
    return _address(w, r, "database")


@fault("release-cache", "a release looks for the cache where it isn't")
def wrong_cache_address(w: World, r: Random) -> Truth:
    return _address(w, r, "cache")


@fault("release-database", "a release asks for a database that isn't there")
def wrong_database_name(w: World, r: Random) -> Truth:
    at, service = since(w, r, 130, 320, 700), r.choice(w.apis)
    w.deploy(service, at, done=True)
    name = r.choice(("shopp", "ohmycoin", "ledger_v2"))
    w.details[service.definition] = replace(
        w.details[service.definition], variables={service.name: w.variables(POSTGRES_DB=name)}
    )
    w.lose("database", f'FATAL: database "{name}" does not exist', at + timedelta(seconds=20), [service])
    return truth("database-wrong-name", "database", [service], BACK)


@fault("release-cache", "a release that alone doesn't reach the cache")
def release_misses_cache(w: World, r: Random) -> Truth:
    at, service = since(w, r, 60, 200, 600), r.choice(w.apis)
    w.deploy(service, at, new=r.choice((1, 2)))
    w.details[service.definition] = replace(
        w.details[service.definition], variables={service.name: w.variables(REDIS_TLS="false")}
    )
    w.lose(
        "cache",
        "the cache can't be reached: Connection reset by peer",
        at + timedelta(seconds=20),
        [service],
        share=0.5,
    )
    return truth("cache-missed-by-release", "cache", [service], BACK)


# -- tasks


def _unstarted(
    w: World, r: Random, names: str, reason: str, *actions: str, anew: bool | None = None, **more: str
) -> Truth:
    """Tasks that never ran: of a new revision, or of the one that runs, some of which had to be replaced."""
    at = since(w, r, 100, 250, 900)
    service = r.choice([*w.apis, *w.webs])
    is_new = r.random() < 0.6 if anew is None else anew
    if is_new:
        w.deploy(service, at)
        service.running, service.pending = service.desired, 1
    else:
        service.running, service.pending = r.choice((0, 1)), 1
        if service.running == 0:
            w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
            service.targets = [replace(w.target(service, 0), state="gone")]
    text = reason.format(definition=service.definition, service=service.name, prefix=w.environment.prefix)
    number = max(1, min(6, int((w.now - at).total_seconds() / 70)))
    for at_ in range(number):
        w.stop(service, w.now - timedelta(seconds=20 + 65 * at_), text, "TaskFailedToStart", code=None)
    service.failed = number if is_new else 0
    for operation, name in more.items():
        w.write(operation, at - timedelta(seconds=30), name.format(service=service.name, prefix=w.environment.prefix))
    hurt = [service] if service.share or not is_new else [service]
    return truth(names, f"services/{service.name}", hurt, *((BACK,) if is_new else ()), *actions)


@fault("release", "an image that isn't there, or that the role may not pull")
def image_missing(w: World, r: Random) -> Truth:
    reason = r.choice(
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): reg.example.com/{service}:x: not found",
            "CannotPullContainerError: pull access denied for reg.example.com/{service}:x: 403 Forbidden",
            "CannotPullContainerError: failed to resolve ref reg.example.com/{service}:x: dial tcp 1.2.3.4:443: i/o timeout",
        )
    )
    return _unstarted(w, r, "image-not-pulled", reason, BACK)


SECRETS = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "


@fault("tasks", "a secret that is gone, or that tasks may not read")
def secret_unreadable(w: World, r: Random) -> Truth:
    arn = "arn:aws:secretsmanager:x:1:secret:{prefix}/key-AbCdEf"
    begin = f"{SECRETS}unable to retrieve secret from asm: failed to fetch secret {arn} from secrets manager: "
    if r.random() < 0.5:
        return _unstarted(
            w,
            r,
            "secret-not-read",
            f"{begin}InvalidRequestException: marked for deletion.",
            PLAN,
            DeleteSecret="{prefix}/key",
        )
    reason = (
        f"{begin}AccessDeniedException: User: arn:aws:sts::1:assumed-role/{{prefix}}-execution/0a is not authorized to "
        "perform: secretsmanager:GetSecretValue because no identity-based policy allows it"
    )
    return _unstarted(w, r, "secret-not-read", reason, PLAN, DeleteRolePolicy="{prefix}-execution")


@fault("tasks", "the log group of the tasks is gone")
def log_group_gone(w: World, r: Random) -> Truth:
    reason = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
    reason += "create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."
    return _unstarted(w, r, "log-group-not-usable", reason, PLAN)


@fault("release", "a start command that isn't in the image")
def start_command(w: World, r: Random) -> Truth:
    reason = 'CannotStartContainerError: runc create failed: exec: "uvicornn": executable file not found in $PATH'
    return _unstarted(w, r, "start-command", reason, anew=True)


@fault("release", "an image for another processor")
def wrong_processor(w: World, r: Random) -> Truth:
    reason = r.choice(
        (
            "CannotStartContainerError: exec /app/run: exec format error",
            "image Manifest does not contain descriptor matching platform 'linux/arm64'",
        )
    )
    return _unstarted(w, r, "wrong-processor image-not-pulled", reason, anew=True)


@fault("tasks", "a role that ECS may no longer assume")
def role_lost(w: World, r: Random) -> Truth:
    reason = (
        "ECS was unable to assume the role 'arn:aws:iam::1:role/{prefix}-execution' that was provided for this task."
    )
    return _unstarted(w, r, "role-not-assumed", reason, PLAN, UpdateAssumeRolePolicy="{prefix}-execution")


@fault("tasks", "no address is left in the subnets")
def addresses_used_up(w: World, r: Random) -> Truth:
    made = _unstarted(w, r, "no-free-address", "Timeout waiting for network interface provisioning to complete.", PLAN)
    _event(
        w, made, "was unable to place a task. Reason: RESOURCE:ENI: insufficient free addresses in subnet subnet-app."
    )
    return made


@fault("tasks", "AWS has no capacity")
def capacity_lacking(w: World, r: Random) -> Truth:
    made = _unstarted(
        w,
        r,
        "no-capacity",
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        PLAN,
    )
    _event(w, made, "was unable to place a task. Reason: Capacity is unavailable at this time.")
    return made


def _event(w: World, made: Truth, text: str) -> None:
    service = w.services[made.services[0]]
    service.events.append(Event(w.ago(seconds=50), f"(service {service.name}) {text}"))


def _dying(
    w: World,
    r: Random,
    names: str,
    *actions: str,
    anew: bool,
    words: Sequence[str] = (),
    code: int = 1,
    why: str = "",
    of: str = "",
) -> Truth:
    """Tasks that start and end again."""
    at, service = since(w, r, 150, 400, 1000), r.choice(w.apis if of == "api" else [*w.apis, *w.webs])
    if anew:
        w.deploy(service, at)
        service.running = service.desired
    else:
        service.running, service.pending = r.choice((0, 1)), 1
        if service.running == 0:
            w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
            service.targets = [replace(w.target(service, 0), state="initial", reason="Elb.RegistrationInProgress")]
    lived, number = r.choice((8, 25, 70)), 0
    ended = w.now - timedelta(seconds=15)
    while ended - timedelta(seconds=lived) > at and number < 8:
        w.stop(
            service, ended, "Essential container in task exited", code=code, why=why,
            started=ended - timedelta(seconds=lived), words=words,
        )  # fmt: skip
        number += 1
        ended -= timedelta(seconds=lived + 30)
    service.failed = number if anew else 0
    return truth(names, f"services/{service.name}", [service], *((BACK,) if anew else ()), *actions)


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@fault("tasks", "tasks need more memory than they have")
def out_of_memory(w: World, r: Random) -> Truth:
    made = _dying(w, r, "container-memory", anew=r.random() < 0.5, code=137, why=OUT_OF_MEMORY)
    if r.random() < 0.5:
        service = w.services[made.services[0]]
        w.details[service.definition] = replace(w.details[service.definition], memory={})
        return replace(made, names=frozenset({"task-memory"}))
    return made


@fault("release", "a release that lacks a variable, a module, or finds its port in use")
def release_crashes(w: World, r: Random) -> Truth:
    line, name = r.choice(
        (
            ("KeyError: 'PAYMENT_URL'", "task-settings"),
            ("RuntimeError: SECRET_KEY is not set", "task-settings"),
            ("ModuleNotFoundError: No module named 'pricing'", "task-module"),
            ("Error: Cannot find module './routes'", "task-module"),
            (
                "[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
                "task-port",
            ),
        )
    )
    return _dying(w, r, name, anew=True, words=(line,))


@fault("tasks", "tasks crash with words that no table knows")
def tasks_crash(w: World, r: Random) -> Truth:
    words, code = r.choice(
        (
            (('{"level": "ERROR", "message": "the ledger is out of order"}',), 1),
            (("fatal: licence has run out",), 3),
            ((), 139),
            ((), 137),
        )
    )
    return _dying(w, r, "task-exits", anew=r.random() < 0.4, words=words, code=code)


@fault("tasks", "tasks hang and answer nobody")
def tasks_hang(w: World, r: Random) -> Truth:
    at, service = since(w, r, 200, 400, 900), r.choice([*w.apis, *w.webs])
    silent = Answer(trouble=Trouble.SILENT, problem="timed out", seconds=5.0)
    if r.random() < 0.5:
        silent = Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0)
    w.fail(service, at, answer=silent)
    service.bad_since = at
    w.sicken(service, at, reason="timeout")
    return truth("task-hangs", f"services/{service.name}", [service], r"omc restart\b", BACK)


@fault("release", "a release that fails its health checks")
def release_unhealthy(w: World, r: Random) -> Truth:
    at, service = since(w, r, 250, 500, 900), r.choice([*w.apis, *w.webs])
    w.deploy(service, at)
    code, number = r.choice((404, 500, 503)), 0
    ended = w.now - timedelta(seconds=15)
    while ended - timedelta(seconds=120) > at and number < 5:
        w.stop(
            service, ended, f"Task failed ELB health checks in (target-group x) due to (reason Health checks failed with these codes: [{code}])",
            "ServiceSchedulerInitiated", code=143, started=ended - timedelta(seconds=120),
        )  # fmt: skip
        number += 1
        ended -= timedelta(seconds=150)
    service.running, service.failed = service.desired, number
    return truth("health-checks", f"services/{service.name}", [service], BACK)


@fault("release", "a release that answers slowly")
def release_slow(w: World, r: Random) -> Truth:
    at, service = since(w, r, 100, 300, 700), r.choice(w.apis)
    w.deploy(service, at, new=service.desired)
    service.slow = r.choice((3.2, 4.0, 4.9))
    return truth("release-slow", f"services/{service.name}", [service], BACK)


@fault("way-to-tasks", "the tasks' security group lets the load balancer in no longer")
def tasks_group_closed(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    w.rules = [rule for rule in w.rules if not (rule.group == f"sg-{service.name}" and not rule.is_egress)]
    w.write("RevokeSecurityGroupIngress", at, f"sg-{service.name}")
    w.fail(service, at, answer=Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0))
    w.sicken(service, at, reason="timeout")
    return truth("tasks-closed", f"services/{service.name}", [service], PLAN)


@fault("way-to-tasks", "a network ACL keeps the load balancer from the tasks")
def tasks_acl(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    w.acl_rules["acl-app"] = denying(20, f"{w.kind.network}.1.0/24", service.port)
    w.write("CreateNetworkAclEntry", at, "acl-app")
    hurt = [each for each in w.services.values() if each.port == service.port]
    for each in hurt:
        w.fail(each, at, answer=Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0))
        w.sicken(each, at, reason="timeout")
    return truth("tasks-denied", f"services/{hurt[0].name}", hurt[:1], PLAN, r"delete-network-acl-entry")


@fault("shut-in", "the tasks' security group lets nothing out")
def tasks_shut_in(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    w.rules = [rule for rule in w.rules if not (rule.group == f"sg-{service.name}" and rule.is_egress)]
    w.write("RevokeSecurityGroupEgress", at, f"sg-{service.name}")
    w.lose("cache", no_answer(w, r, "cache"), at + timedelta(seconds=9), [service])
    w.lose("database", no_answer(w, r), at + timedelta(seconds=5), [service])
    return truth("tasks-shut-in", f"services/{service.name}", [service], PLAN)


@fault("way-to-tasks", "somebody took the targets away")
def targets_deregistered(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    service.targets = [replace(w.target(service, 0), state="gone")]
    w.write("DeregisterTargets", at, w.group_arn(service.name))
    w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("targets-taken-away", f"targets/{service.name}", [service], r"omc restart\b")


@fault("way-to-tasks", "a service was scaled to zero")
def scaled_to_zero(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    service.desired = service.running = 0
    w.write("UpdateService", at, service.name)
    service.targets = [replace(w.target(service, 0), state="gone")]
    w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("expected-users", f"services/{service.name}", [service], r"omc scale\b", PLAN)


# -- the entrance


@fault("entrance", "a rule of the listener is gone, or leads elsewhere")
def rule_changed(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    number = next(
        at_ for at_, rule in enumerate(w.listener_rules) if w.group_arn(service.name) in dict(rule.action.groups)
    )
    rule = w.listener_rules[number]
    if r.random() < 0.5:
        w.listener_rules.pop(number)
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), None)
        w.write("DeleteRule", at, w.rule_arn(rule.priority))
    else:
        other = w.group_arn(w.webs[0].name)
        w.listener_rules[number] = replace(rule, action=Action("forward", ((other, 1),)))
        action = [{"type": "forward", "order": 1, "target_group_arn": other}]
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), {"action": action})
        w.write("ModifyRule", at, w.rule_arn(rule.priority))
    w.knows_state = r.random() < 0.7
    w.fail(service, at, answer=Answer(404, "Not Found"))
    service.bad_since = None
    return truth("expected-users listeners", "load-balancer", [service], PLAN)


@fault("entrance", "a rule answers everybody with a fixed response")
def fixed_response(w: World, r: Random) -> Truth:
    at, web = since(w, r), w.webs[0]
    fixed = Action("fixed-response", status="503")
    w.listener_rules[-1] = replace(w.listener_rules[-1], action=fixed)
    values = {
        "default_action": [
            {"type": "fixed-response", "fixed_response": [{"status_code": "503", "content_type": "text/plain"}]}
        ]
    }
    w.change("aws_lb_listener", ":listener/", values)
    w.write("ModifyListener", at, f"{w.arn}:listener/app/x/1/2")
    w.knows_state = r.random() < 0.7
    w.fail(web, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("expected-users listeners", "load-balancer", [web], PLAN)


@fault("entrance-shut", "the load balancer's only listener is gone")
def listener_gone(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.has_listener = False
    w.change("aws_lb_listener", ":listener/", None)
    for rule in w.listener_rules[:-1]:
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), None)
    w.write("DeleteListener", at, f"{w.arn}:listener/app/x/1/2")
    w.nobody_in, w.outside_since = Trouble.REFUSED, at
    w.knows_state = r.random() < 0.7
    return truth("expected-users listeners", "load-balancer", list(w.services.values()), PLAN)


@fault("entrance-shut", "the load balancer's security group lets nobody in")
def balancer_group_closed(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.rules = [rule for rule in w.rules if rule.group != "sg-balancer" or rule.is_egress]
    w.write("RevokeSecurityGroupIngress", at, "sg-balancer")
    w.nobody_in, w.outside_since = Trouble.CONNECT, at
    return truth("balancer-closed", "load-balancer", list(w.services.values()), PLAN)


@fault("entrance-shut", "a network ACL keeps users from the load balancer")
def balancer_acl(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.acl_rules["acl-public"] = denying(10, "0.0.0.0/0", 80)
    w.write("CreateNetworkAclEntry", at, "acl-public")
    w.nobody_in, w.outside_since = Trouble.CONNECT, at
    return truth("balancer-denied", "load-balancer", list(w.services.values()), PLAN, r"delete-network-acl-entry")


# -- others


@fault("exchange", "a server of others is down, or doesn't answer")
def exchange_down(w: World, r: Random) -> Truth:
    at = since(w, r, 100, 500, 1500)
    name = w.kind.exchange
    host = f"api.{name}.example.com"
    kind, line = r.choice(
        (
            ("timeout", f"{name}: HTTPSConnectionPool(host='{host}', port=443): Read timed out."),
            ("refused", f"the {name} could not be asked: dial tcp 203.0.113.7:443: connect: connection refused"),
            ("host", f"the {name} could not be asked: Could not resolve host: {host}"),
        )
    )
    for each in w.apis:
        w.say(each, line, at)
        each.status[name] = "down"
        each.age = max(each.age, (w.now - at).total_seconds())
    return truth(f"server-{kind}", name, w.apis, r"omc check morning")
