"""Faults of the database, of the cache, and of the ways to them.

A fault changes what AWS, PostgreSQL, Redis and the services would say, and nothing else: no finding is written here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

from omc.facts.followup.data_stores import StoreEvent
from omc.facts.followup.database_log import LockWait, Vacuum
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.lock_waits import IdleSession, Wait
from omc.facts.followup.rejects import Reject
from rehearsal.diagnosis.fault import BACK, PLAN, Truth, fault, no_answer, refused, since, truth
from rehearsal.diagnosis.world import MINUTE, ServiceState, World, denying

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


@fault("database", "a transaction that nobody ends keeps vacuuming back, and statements read through dead rows")
def dead_rows_kept(w: World, r: Random) -> Truth:
    at, hurt = since(w, r, 400, 900, 1300), w.apis if r.random() < 0.5 else [r.choice(w.apis)]
    table, dead, live = r.choice(("queue", "jobs", "price_ticks")), r.choice((18_000, 400_000, 9_000_000)), 900
    work = r.choice((f"UPDATE {table} SET state = ? WHERE id = ?", f"SELECT * FROM public.{table} ORDER BY id LIMIT ?"))
    kind, event = r.choice((("CPU", ""), ("IO", "DataFileRead"), ("LWLock", "BufferMapping")))
    idle = r.choice((None, IdleSession("stock-count", "app_a"), IdleSession("", "report")))
    counters = dict(w.load.counters)
    if idle:
        counters["db.state.idle_in_transaction_max_time"] = (w.now - at).total_seconds() + 600
    w.load = replace(w.load, waits=(Wait(kind, event, work, r.choice((0.6, 2.0, 7.0))),), counters=counters, idle=idle)
    left = Vacuum(f"{w.environment.prefix}.public.{table}", w.ago(seconds=r.choice((20, 70))), dead + live, dead)
    w.database_log = replace(
        w.database_log, vacuums=(left, Vacuum("app.public.audit", w.ago(minutes=4), 40_000, 11_000))
    )
    if r.random() < 0.5:
        for each in hurt:
            w.say(each, "canceling statement due to statement timeout", at)
            w.fail(each, at, share=0.5)
    else:
        hurt = w.apis
        for each in hurt:
            each.slow = r.choice((3.5, 4.5))
    return truth("database-dead-rows", "database", hurt, r"omc check weekly performance")


@fault("database", "the database has used up its transaction ids and refuses writes")
def transaction_ids_used_up(w: World, r: Random) -> Truth:
    at, hurt = since(w, r), w.apis if r.random() < 0.5 else [r.choice(w.apis)]
    if r.random() < 0.7:
        w.database_gauges["MaximumUsedTransactionIDs"] = w.lasting(2.1437e9, at, 2.1446e9)
    else:
        w.unread[Gauges] = "Gauges could not be read: AccessDenied."
    words = r.choice(
        ("commands", "commands that assign new transaction IDs", "commands that generate new MultiXactIds")
    )
    line = f'ERROR: database is not accepting {words} to avoid wraparound data loss in database "app"'
    if words.endswith("MultiXactIds"):
        w.database_gauges["MaximumUsedTransactionIDs"] = w.series(1.9e8)
    for each in hurt:
        w.say(each, line, at)
        w.fail(each, at, share=r.choice((0.4, 0.5)))
    return truth("database-transaction-ids", "database", hurt, r"omc check weekly performance")


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
    return truth("database-connections", "database", w.apis, r"omc scale")


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
    return truth("database-connections", "database", w.apis, BACK, r"omc scale")


@fault("database", "a role's or a database's own limit of connections is reached")
def connection_limit(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    line = r.choice(
        ('FATAL:  too many connections for role "app_a"', 'FATAL: too many connections for database "shop"')
    )
    w.say(service, line, at)
    w.fail(service, at, share=r.choice((0.5, 1.0)))
    return truth("database-connection-limit", "database", [service], r"omc scale")


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


@fault("database", "the database's volume has used up its burst credits")
def volume_credits_gone(w: World, r: Random) -> Truth:
    at, metric = since(w, r, 200, 500, 1300), r.choice(("EBSByteBalance%", "EBSIOBalance%"))
    w.database = replace(w.database, size=r.choice(("db.t4g.micro", "db.t3.small", "db.m6g.large")))
    w.database_gauges[metric] = w.lasting(r.choice((20.0, 55.0)), at, 0.0)
    w.database_gauges["CPUCreditBalance"] = w.series(r.choice((0.0, 250.0)))
    w.load = replace(w.load, waits=(Wait("IO", "DataFileWrite", "INSERT INTO archive SELECT ?", r.choice((1.0, 5.0))),))
    for each in w.apis:
        each.slow = r.choice((3.5, 4.5))
    return truth("database-credits", "database", w.apis, PLAN, r"omc check weekly performance")


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
