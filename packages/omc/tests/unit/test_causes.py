"""One cause, one finding: stories of literal facts, with what is told of each and what must not be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from omc.checks.causes import explained, follow_up
from omc.checks.finding import Finding, Level
from omc.config import Environment
from omc.errors import Unreachable
from omc.facts.alarms import Alarm, Alarms
from omc.facts.collector import NO_READING, Unavailable
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.data_stores import StoreEvent
from omc.facts.followup.database_log import DatabaseLog, LockWait
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.lock_waits import IdleSession, Wait
from omc.facts.followup.rejects import Reject, Rejects
from omc.facts.scope import Scope
from omc.facts.services import Deployment, Event, Services
from omc.facts.tasks import Container, StoppedTasks
from support.causes_facts import (
    ALL_ILL,
    BACKEND_LOG,
    CACHE,
    DATABASE,
    FAIL,
    FRONTEND,
    LOGS,
    NO_CACHE,
    NO_EXCHANGE,
    NOW,
    OK,
    RATE,
    ROLLOUT,
    SERVED,
    SHORT,
    STAGING,
    STALE,
    TARGETS,
    WARN,
    ago,
    errors,
    ill,
    items,
    load_of,
    minutes,
    rules,
    run,
    service,
    stores,
    task,
    unpulled,
)


@dataclass
class Story:
    name: str
    findings: tuple[Finding, ...]
    facts: list[Any]
    expected: list[tuple[str, str, Level]]
    """(check, place, level) of each finding that isn't fine, in order."""
    words: tuple[str, ...] = ()
    """In the first sentence, all of them."""
    never: tuple[str, ...] = ()
    """In no sentence, evidence or command."""
    more: dict[str, Any] = field(default_factory=dict)


def story(
    name: str, findings: tuple[Finding, ...], facts: list[Any], records: list[tuple[str, str, Level]], **more: Any
) -> Any:
    return pytest.param(Story(name, findings, facts, records, **more), id=name)


DOWN = "database unavailable: connection timeout expired"
LOCKED = LockWait(ago(seconds=15), 77, "app", "AccessShareLock", "relation 16411 of database 5", (4711,))
CUT_OFF = (
    "prices not stored: canceling statement due to statement timeout CONTEXT: SQL statement <text> "
    "PL/pgSQL function audit_prices() line 1 at PERFORM"
)
WAITS = (Wait("Lock", "relation", "SELECT price FROM prices", 3.0),)
REVOKED = Write(ago(minutes=2), "RevokeSecurityGroupIngress", "jo (role admin)", frozenset({"sg-database"}))
DENIED = Write(ago(minutes=2), "CreateNetworkAclEntry", "jo (role admin)", frozenset({"acl-0a1b", "deny"}))
HOST = "failed to resolve host 'databse.internal': [Errno -2] Name or service not known"
TOLD = RevisionDetails(variables={"backend": {"POSTGRES_SERVER": "databse.internal", "REDIS_HOST": CACHE}})
ROLLED_BACK = Services((service(events=(Event(ago(days=2), "(service b) rolling back to deployment ecs-svc/1"),)),))
BACK = Deployment(
    "2", "PRIMARY", "IN_PROGRESS", "ECS deployment circuit breaker: rolling back to x.", 2, 2, 0, 0, "b:7", NOW, NOW
)
ROLLING_BACK = Services((service(deployments=(BACK,)),))
OUT_OF_MEMORY = (Container("backend", 137, "OutOfMemoryError: Container killed due to memory usage"),)

NO_SECRET = (
    "ResourceInitializationError: unable to pull secrets: failed to fetch secret "
    "arn:aws:secretsmanager:x:1:secret:shop/key-AbCdEf from secrets manager: InvalidRequest: marked for deletion"
)
DENIED_SECRET = (
    "ResourceInitializationError: unable to pull secrets: failed to fetch secret arn:aws:secretsmanager:x:1:secret:"
    "shop/key-AbCdEf from secrets manager: AccessDeniedException: User: arn:aws:sts::1:assumed-role/shop-execution/"
    "0123 is not authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows it"
)
STORIES = [
    story("nothing is wrong", (), [stores(), rules(), load_of()], []),
    story(
        "an image that isn't there, while the deployment goes on",
        (SHORT, ROLLOUT, TARGETS),
        [
            StoppedTasks((unpulled(1), unpulled(2))),
            Services((service(revision=8, running=0, rollout="IN_PROGRESS", failed=2),)),
        ],
        [("image-not-pulled", "services/backend", FAIL)],
        words=("2 tasks of b:8", "image backend:x", "does not exist"),
    ),
    story(
        "a role that may not read the secret any more, and who took its policy",
        (SHORT,),
        [
            StoppedTasks((replace(unpulled(1, 7), reason=DENIED_SECRET),)),
            LastWrites(
                (
                    Write(ago(minutes=1), "DeleteRolePolicy", "sam (role admin)", frozenset({"another-role"})),
                    Write(
                        ago(minutes=2), "DeleteRolePolicy", "jo (role admin)", frozenset({"shop-execution", "start"})
                    ),
                )
            ),
        ],
        [("secret-not-read", "services/backend", FAIL)],
        words=("access is denied to the role shop-execution", "DeleteRolePolicy by jo (role admin), 2 min ago"),
        never=("sam",),
    ),
    story(
        "the same, and nobody is known to have changed the role",
        (SHORT,),
        [StoppedTasks((replace(unpulled(1, 7), reason=DENIED_SECRET),)), LastWrites(())],
        [("secret-not-read", "services/backend", FAIL)],
        words=("access is denied to the role shop-execution.",),
    ),
    story(
        "the same, rolled back by ECS: no rollback is proposed",
        (),
        [StoppedTasks((unpulled(1), unpulled(2))), ROLLED_BACK],
        [("image-not-pulled", "services/backend", WARN)],
        words=("image backend:x", "ECS has rolled back"),
        never=("omc rollback",),
    ),
    story(
        "too little memory, while ECS is rolling back",
        (ROLLOUT, TARGETS),
        [StoppedTasks((task(1, 8, containers=OUT_OF_MEMORY), task(2, 8, containers=OUT_OF_MEMORY))), ROLLING_BACK],
        [("task-memory", "services/backend", FAIL)],
        words=("2 tasks of b:8", "memory", "ECS is rolling back to b:7", "2 of 2 tasks run"),
        never=("omc rollback",),
    ),
    story(
        "a wrong host in a revision that ECS has rolled back",
        (LOGS,),
        [StoppedTasks((ill(1, 8),)), LastWords({f"{1:032x}": (HOST,)}, {"b:8": TOLD}), stores(), ROLLED_BACK],
        [("task-host", "services/backend", WARN), ("recent-errors", f"logs/{BACKEND_LOG}", WARN)],
        words=("could not resolve host databse.internal", "POSTGRES_SERVER", DATABASE, "rolled back"),
        never=("omc rollback", "security group"),
    ),
    story(
        "a wrong host in the revision that runs",
        ALL_ILL,
        [errors(HOST), LastWords({}, {"b:7": TOLD}), stores(), rules(), load_of()],
        [("database-wrong-address", "database", FAIL)],
        words=("backend", "databse.internal", "POSTGRES_SERVER", DATABASE),
    ),
    story(
        "a wrong host of the cache, of which only the status page tells",
        (NO_CACHE,),
        [
            LastWords({}, {"b:7": RevisionDetails(variables={"backend": {"REDIS_HOST": "cash.internal"}})}),
            stores(),
            rules(),
        ],
        [("cache-wrong-address", "cache", FAIL)],
        words=("cash.internal", "REDIS_HOST", CACHE),
    ),
    story(
        "another name of a database that nobody misses",
        (STALE,),
        [
            LastWords({}, {"b:7": RevisionDetails(variables={"backend": {"POSTGRES_SERVER": "db.alias"}})}),
            stores(),
            rules(),
        ],
        [("data-fresh", "data-fresh/backend", FAIL)],
    ),
    story(
        "a host that isn't there, of an exchange",
        (NO_EXCHANGE, STALE),
        [
            errors("the exchange could not be asked: Could not resolve host: exchnage.internal"),
            stores(),
            rules(),
            load_of(),
        ],
        [("server-host", "exchange", FAIL)],
        words=("backend could not resolve host exchnage.internal",),
    ),
    story(
        "the database's group is closed",
        ALL_ILL,
        [errors(DOWN), stores(), rules("backend>database"), load_of(newest=ago(minutes=4)), LastWrites((REVOKED,))],
        [("database-closed", "database", FAIL)],
        words=("closed to backend", "sg-database", "port 5432", "jo (role admin)"),
    ),
    story(
        "both groups are closed: two findings",
        (*ALL_ILL, NO_CACHE),
        [errors(DOWN), stores(), rules("backend>database", "backend>cache"), load_of()],
        [("database-closed", "database", FAIL), ("cache-closed", "cache", FAIL)],
    ),
    story(
        "a network ACL: groups are open, the flow log refuses",
        ALL_ILL,
        [
            errors(DOWN),
            stores(),
            rules(),
            load_of(),
            Rejects((Reject("10.0.1.1", DATABASE, 5432, 9, ago(minutes=2), ago(minutes=1)),)),
        ],
        [("database-refused-by-network", "database", FAIL)],
        words=("network ACLs",),
    ),
    story(
        "a network ACL, before the flow log and Performance Insights tell",
        ALL_ILL,
        [errors(DOWN), stores(), rules(), load_of(), LastWrites((DENIED,))],
        [("database-refused-by-network", "database", FAIL)],
        words=("a network ACL acl-0a1b", "jo (role admin) 2 min ago", "CreateNetworkAclEntry", "port 5432"),
    ),
    story(
        "a network ACL, as soon as the flow log tells of it",
        ALL_ILL,
        [
            errors(DOWN, first=ago(seconds=30), resumed=ago(seconds=30)),
            stores(),
            rules(),
            load_of(),
            Rejects((Reject("10.0.1.1", DATABASE, 5432, 9, ago(seconds=30), ago(seconds=9)),)),
        ],
        [("database-refused-by-network", "database", FAIL)],
        words=("network ACLs", "9 records"),
    ),
    story(
        "a route that is gone, and the cache with it",
        (*ALL_ILL, NO_CACHE),
        [
            errors(f"Timeout connecting to server {CACHE}:6379: timed out"),
            stores(),
            rules(),
            load_of(),
            LastWrites((replace(DENIED, operation="DeleteRoute", names=frozenset({"rtb-9"})),)),
        ],
        [("cache-refused-by-network", "cache", FAIL)],
        words=("a route rtb-9", "DeleteRoute"),
    ),
    story(
        "a network ACL that was changed long before, or after it",
        ALL_ILL,
        [
            errors(DOWN, first=ago(minutes=1), resumed=ago(minutes=1)),
            stores(),
            rules(),
            load_of(),
            LastWrites((replace(DENIED, at=ago(hours=2)),)),
        ],
        [("database-hangs", "database", FAIL)],
        words=("A network ACL or a route may close the way",),
        never=("jo (role admin)",),
    ),
    story(
        "a database that its own agent doesn't hear of hangs, whatever network ACL was changed",
        ALL_ILL,
        [errors(DOWN), stores(), rules(), load_of(newest=ago(minutes=4)), LastWrites((DENIED,))],
        [("database-hangs", "database", FAIL)],
    ),
    story(
        "scans from the internet that are refused are nobody's cause",
        (STALE,),
        [stores(), rules(), load_of(), Rejects((Reject("203.0.113.9", DATABASE, 5432, 9, ago(minutes=2)),))],
        [("data-fresh", "data-fresh/backend", FAIL)],
    ),
    story(
        "connections used up by idle sessions",
        ALL_ILL,
        [
            errors("FATAL: sorry, too many clients already"),
            stores(),
            rules(),
            load_of(counters={"db.User.numbackends": 80.0, "db.state.idle_count": 74.0}),
        ],
        [("database-connections", "database", FAIL)],
        words=("80 of 80", "74 of them idle"),
    ),
    story(
        "connections were used up and are free again",
        (LOGS,),
        [
            errors("FATAL: sorry, too many clients already", last=ago(seconds=50)),
            stores(),
            rules(),
            load_of(newest=ago(seconds=5)),
        ],
        [("recent-errors", f"logs/{BACKEND_LOG}", WARN)],
    ),
    story(
        "a table is locked, and the log names who holds it",
        ALL_ILL,
        [
            errors("canceling statement due to statement timeout"),
            stores(),
            rules(),
            load_of(
                waits=WAITS,
                counters={"db.Transactions.blocked_transactions": 3.0, "db.state.idle_in_transaction_max_time": 95.0},
            ),
            DatabaseLog((LOCKED,)),
        ],
        [("database-locked", "database", FAIL)],
        words=("3 sessions wait for a lock", "Process 4711 holds it", "SELECT price FROM prices"),
    ),
    story(
        "a table is locked, and Performance Insights tells who is idle in a transaction",
        ALL_ILL,
        [
            errors("canceling statement due to statement timeout"),
            stores(),
            rules(),
            load_of(
                waits=WAITS,
                counters={"db.Transactions.blocked_transactions": 3.0, "db.state.idle_in_transaction_max_time": 240.0},
                idle=IdleSession("pgadmin-lunch", "jo"),
            ),
            DatabaseLog((LOCKED,)),
        ],
        [("database-locked", "database", FAIL)],
        words=(
            "Process 4711 holds it",
            "probably a session of user jo, application pgadmin-lunch, idle in its transaction for 4 min.",
        ),
    ),
    story(
        "a table is locked, nobody exports the log, and Performance Insights tells who is idle in a transaction",
        ALL_ILL,
        [
            errors("canceling statement due to statement timeout"),
            stores(),
            rules(),
            load_of(
                waits=WAITS,
                counters={"db.Transactions.blocked_transactions": 3.0, "db.state.idle_in_transaction_max_time": 240.0},
                idle=IdleSession("", "jo"),
            ),
        ],
        [("database-locked", "database", FAIL)],
        words=("A session of user jo has been idle in its transaction for 4 min and may hold it.",),
        never=("Process",),
    ),
    story(
        "a table is locked, and nobody exports the log",
        ALL_ILL,
        [
            errors("couldn't get a connection after 3.00 sec"),
            stores(),
            rules(),
            load_of(waits=WAITS, counters={"db.Transactions.blocked_transactions": 3.0}),
        ],
        [("database-locked", "database", FAIL)],
        never=("Process",),
    ),
    story(
        "a trigger takes longer than a statement may, and other stores wait for that one",
        (STALE, LOGS),
        [
            errors(CUT_OFF),
            stores(),
            rules(),
            load_of(
                waits=(
                    Wait("Timeout", "PgSleep", "INSERT INTO prices", 1.0),
                    Wait("Lock", "x", "INSERT INTO prices", 0.9),
                ),
                counters={"db.Transactions.blocked_transactions": 1.0},
            ),
        ],
        [("database-slow", "database", FAIL)],
        words=("A statement of backend takes too long", "INSERT INTO prices", "the function audit_prices()"),
        never=("wait for a lock",),
    ),
    story(
        "the same, seen half a minute after it began",
        (STALE, LOGS),
        [
            errors(CUT_OFF),
            stores(),
            rules(),
            load_of(
                waits=(
                    Wait("Lock", "transactionid", "INSERT INTO prices", 0.08),
                    Wait("Timeout", "PgSleep", "INSERT INTO prices", 0.03),
                ),
            ),
        ],
        [("database-slow", "database", FAIL)],
        words=("takes too long",),
    ),
    *(
        story(
            f"a statement that is cut off while it is on {kind}:{event}",
            (LOGS,),
            [
                errors("canceling statement due to statement timeout"),
                stores(),
                rules(),
                load_of(waits=(Wait(kind, event, "SELECT sum(price)", 2.0),)),
            ],
            [("database-slow", "database", FAIL)],
            words=("takes too long", "SELECT sum(price)"),
            never=("wait for a lock", "function"),
        )
        for kind, event in (
            ("IO", "DataFileRead"),
            ("CPU", ""),
            ("LWLock", "BufferMapping"),
            ("IPC", "ParallelFinish"),
            ("Timeout", "VacuumDelay"),
        )
    ),
    *(
        story(
            f"it is cut off for a lock: {name}",
            ALL_ILL,
            [
                errors("canceling statement due to statement timeout"),
                stores(),
                rules(),
                load_of(
                    waits=(*WAITS, *more),
                    counters={
                        "db.Transactions.blocked_transactions": 3.0,
                        "db.state.idle_in_transaction_max_time": idle,
                    },
                ),
            ],
            [("database-locked", "database", FAIL)],
            words=("wait for a lock",),
        )
        for name, more, idle in (
            ("nothing else works", (), 0.0),
            ("another statement works and holds it", (Wait("IO", "DataFileRead", "ALTER TABLE prices", 1.0),), 0.0),
            ("its statement works at times", (Wait("CPU", "", "SELECT price FROM prices", 0.02),), 0.0),
            ("an idle session may hold it", (Wait("CPU", "", "SELECT price FROM prices", 0.5),), 60.0),
            ("it works a little", (Wait("CPU", "", "SELECT price FROM prices", 0.09),), 0.0),
            ("it is sent slowly", (Wait("Client", "ClientWrite", "SELECT price FROM prices", 1.0),), 0.0),
        )
    ),
    story(
        "a lock of a moment is no cause",
        (STALE,),
        [
            stores(),
            rules(),
            load_of(waits=(Wait("Lock", "tuple", "UPDATE x", 0.01),)),
            DatabaseLog((replace(LOCKED, is_over=True),)),
        ],
        [("data-fresh", "data-fresh/backend", FAIL)],
    ),
    story(
        "the database hangs",
        ALL_ILL,
        [errors(DOWN), stores(), rules(), load_of(newest=ago(minutes=4))],
        [("database-hangs", "database", FAIL)],
        words=("doesn't answer", "Performance Insights has had no data", "available"),
    ),
    story(
        "connections time out, and the database is measured all the while",
        ALL_ILL,
        [errors(DOWN, first=ago(minutes=9), resumed=ago(minutes=9)), stores(), rules(), load_of(newest=ago(seconds=5))],
        [("targets", "targets/ohmycoins-staging-backend", FAIL)],
    ),
    story(
        "the database is being rebooted by somebody",
        ALL_ILL,
        [
            errors("connection refused"),
            stores(database={"status": "rebooting"}),
            rules(),
            LastWrites((Write(ago(minutes=1), "RebootDBInstance", "jo", frozenset({"ohmycoins-staging"})),)),
        ],
        [("database-not-available", "database", FAIL)],
        words=("rebooting",),
    ),
    story(
        "a rotated password",
        ALL_ILL,
        [errors('FATAL: password authentication failed for user "app_a"'), stores(), rules(), load_of()],
        [("database-password", "database", FAIL)],
        words=("app_a",),
    ),
    story(
        "storage is full",
        ALL_ILL,
        [
            errors('could not extend file "base/5/1": No space left on device'),
            stores(),
            rules(),
            load_of(),
            Gauges(database={"FreeStorageSpace": minutes(9e6)}),
        ],
        [("database-storage-full", "database", FAIL)],
    ),
    story(
        "tasks that die for the database are its evidence",
        (SHORT, *ALL_ILL),
        [
            errors(DOWN),
            StoppedTasks((ill(1), ill(2))),
            LastWords({f"{1:032x}": (DOWN,)}),
            stores(),
            rules("backend>database"),
            load_of(),
            Services((service(running=0),)),
        ],
        [("database-closed", "database", FAIL)],
    ),
    story(
        "tasks that died for a database that nobody misses any more",
        (),
        [
            StoppedTasks((replace(ill(1), stopped=ago(minutes=2), started=ago(hours=1)),)),
            LastWords({f"{1:032x}": (DOWN,)}),
            stores(),
            rules(),
            load_of(),
        ],
        [("task-timeout", "services/backend", WARN)],
        words=("the database doesn't answer", "2 of 2 tasks run again"),
    ),
    story(
        "tasks that died for a database that only their client's words tell",
        (),
        [
            StoppedTasks((replace(ill(1), stopped=ago(minutes=2), started=ago(hours=1)),)),
            LastWords({f"{1:032x}": ("ERROR connection timeout expired",)}),
            stores(),
            rules(),
            load_of(),
        ],
        [("task-timeout", "services/backend", WARN)],
        words=("the database doesn't answer", "2 of 2 tasks run again"),
        never=("a server that it needs",),
    ),
    story(
        "tasks that died for an exchange",
        (NO_EXCHANGE,),
        [
            StoppedTasks((ill(1),)),
            LastWords({f"{1:032x}": ("ERROR exchange api.prices.example.com:8443: connection timed out",)}),
            stores(),
            rules(),
            load_of(),
        ],
        [("task-timeout", "services/backend", WARN), ("dependencies", "exchange", WARN)],
        words=("the exchange (at api.prices.example.com:8443) doesn't answer",),
    ),
    story(
        "a closed group and an image that isn't there are two",
        (SHORT, *ALL_ILL),
        [
            errors(DOWN),
            StoppedTasks((unpulled(),)),
            stores(),
            rules("backend>database"),
            Services((service(revision=8, running=1, rollout="IN_PROGRESS", failed=1),)),
        ],
        [("database-closed", "database", FAIL), ("image-not-pulled", "services/backend", FAIL)],
    ),
    story(
        "two ways of failing of one revision are two",
        (),
        [StoppedTasks((unpulled(1, 7), task(2, containers=OUT_OF_MEMORY))), Services((service(running=0),))],
        [("image-not-pulled", "services/backend", FAIL), ("task-memory", "services/backend", FAIL)],
    ),
    story(
        "a container that needs more memory than it has",
        (SHORT,),
        [
            StoppedTasks((task(1, containers=OUT_OF_MEMORY),)),
            LastWords({}, {"b:7": RevisionDetails({"backend": 64}, 1024)}),
            Services((service(running=1),)),
        ],
        [("container-memory", "services/backend", FAIL)],
        words=("64 MiB",),
    ),
    story(
        "the cache is too small",
        (NO_CACHE,),
        [
            stores(),
            rules(),
            Gauges(cache={"Evictions": minutes(0, 900, 900), "DatabaseMemoryUsagePercentage": minutes(99, 99, 99)}),
        ],
        [("cache-too-small", "cache", FAIL)],
    ),
    story(
        "the cache was emptied",
        (Finding("alarms", WARN, "ohmycoins-staging-redis-hit-rate-low", "In ALARM."), items(800, 810, 12, 40)),
        [
            stores(),
            rules(),
            Alarms((Alarm("ohmycoins-staging-redis-hit-rate-low", "", "metric", "ALARM", NOW, "", True, ""),)),
        ],
        [("cache-emptied", "cache", WARN)],
        words=("from 810 items to 12",),
    ),
    story(
        "an emptied cache keeps nobody from being served",
        (SERVED, items(800, 810, 12, 40)),
        [stores(), rules()],
        [("cache-emptied", "cache", WARN), ("users-served", "users/backend", FAIL)],
    ),
    story(
        "a cache that is back keeps nobody from being served",
        (SERVED,),
        [stores(cache={"events": (StoreEvent(ago(minutes=1), "r-001", "Cache node 0001 restarted"),)}), rules()],
        [("cache-restarted", "cache", WARN), ("users-served", "users/backend", FAIL)],
    ),
    story(
        "a cache that ages is not one that was emptied",
        (STALE, items(800, 700, 600, 500)),
        [stores(), rules()],
        [("data-fresh", "data-fresh/backend", FAIL)],
    ),
    story(
        "a cache that was rebooted is not told as emptied too",
        (items(800, 810, 12, 40),),
        [stores(cache={"events": (StoreEvent(ago(minutes=2), "r-001", "Cache node 0001 restarted"),)}), rules()],
        [("cache-restarted", "cache", WARN)],
    ),
    story(
        "a cache that hangs has no figure of its items either",
        (NO_CACHE, items()),
        [stores(), rules()],
        [("cache-hangs", "cache", FAIL)],
    ),
    story(
        "the cache's node was rebooted",
        (NO_CACHE,),
        [stores(cache={"events": (StoreEvent(ago(minutes=1), "r-001", "Cache node 0001 restarted"),)}), rules()],
        [("cache-restarted", "cache", FAIL)],
    ),
    story(
        "a database's name that isn't there",
        ALL_ILL,
        [
            errors('FATAL: database "ohmycoin" does not exist'),
            LastWords({}, {"b:7": RevisionDetails(variables={"backend": {"POSTGRES_DB": "ohmycoin"}})}),
            stores(),
            rules(),
            load_of(),
        ],
        [("database-wrong-name", "database", FAIL)],
        words=('backend asks for a database "ohmycoin" that is not there', "POSTGRES_DB of b:7"),
        never=("security group",),
    ),
    story(
        "errors of an exchange are no lock's",
        (TARGETS, LOGS),
        [
            errors("the exchange did not answer within 2 s"),
            stores(),
            rules(),
            load_of(waits=WAITS, counters={"db.Transactions.blocked_transactions": 3.0}),
        ],
        [("database-locked", "database", FAIL), ("recent-errors", f"logs/{BACKEND_LOG}", WARN)],
        never=("exchange",),
    ),
    story(
        "a secret that is to be deleted, and a task that needs it",
        (SHORT, Finding("secret-rotation", FAIL, "shop/key", "The secret is scheduled for deletion.")),
        [
            StoppedTasks((replace(unpulled(), reason=NO_SECRET, task_definition="b:7"),)),
            Services((service(running=1),)),
        ],
        [("secret-not-read", "services/backend", FAIL)],
        words=("the secret shop/key can't be read",),
    ),
    story(
        "the tasks' own group lets nobody in",
        (SERVED, TARGETS, RATE),
        [stores(), GroupRules(tuple(rule for rule in rules().rules if rule.first != 8000), rules().groups), load_of()],
        [("tasks-closed", "services/backend", FAIL)],
        words=("load balancer can't reach backend", "sg-backend", "port 8000"),
    ),
    story(
        "the tasks' own group lets nothing out: one cause, not two",
        (*ALL_ILL, NO_CACHE),
        [
            errors(DOWN),
            stores(),
            GroupRules(tuple(rule for rule in rules().rules if not rule.is_egress), rules().groups),
            load_of(),
        ],
        [("tasks-shut-in", "services/backend", FAIL)],
        words=("neither the database nor the cache", "sg-backend"),
    ),
    story(
        "what is wrong with another service is its own",
        (*ALL_ILL, FRONTEND),
        [errors(DOWN), stores(), rules("backend>database"), load_of()],
        [("database-closed", "database", FAIL), ("targets", "targets/ohmycoins-staging-frontend", FAIL)],
    ),
    story(
        "stores that could not be read leave what services say",
        ALL_ILL,
        [errors("FATAL: sorry, too many clients already")],
        [("database-connections", "database", FAIL)],
    ),
    story(
        "a stack without a database says nothing of it",
        (STALE,),
        [stores(database={"exists": False, "host": ""}, cache={"exists": False, "host": ""}), rules()],
        [("data-fresh", "data-fresh/backend", FAIL)],
    ),
    story(
        "a database that somebody deleted",
        ALL_ILL,
        [
            errors(DOWN),
            stores(database={"exists": False}),
            LastWrites((Write(ago(minutes=3), "DeleteDBInstance", "jo", frozenset({"ohmycoins-staging"})),)),
        ],
        [("database-gone", "database", FAIL)],
    ),
]


@pytest.mark.parametrize("expected", STORIES)
def test_what_is_reported(expected: Story) -> None:
    found = [each for each in run(expected.findings, expected.facts) if each.level is not OK]
    assert [(each.check, each.place, each.level) for each in found] == expected.expected, [
        each.sentence for each in found
    ]
    everything = [text for each in found for text in (each.sentence, *(one.text for one in each.evidence))]
    everything += [each.procedure.command for each in found if each.procedure]
    for word in expected.words:
        assert word in found[0].sentence
    for word in expected.never:
        assert not any(word in text for text in everything), word


@pytest.mark.parametrize("expected", STORIES)
def test_nothing_that_was_found_is_lost(expected: Story) -> None:
    found = run(expected.findings, expected.facts)
    kept = {each.sentence for finding in found for each in (finding, *finding.explains)}
    normalised = {one.text for finding in found for one in finding.evidence}
    assert {each.sentence for each in expected.findings} <= kept | normalised


def test_what_several_checks_see_of_one_service_is_one_finding() -> None:
    tasks = Finding("failed-tasks", WARN, "backend", "2 tasks failed: cannot pull.")
    other = Finding("services-running", OK, "frontend", "2 of 2 tasks run.")
    found = explained([SHORT, other, ROLLOUT, tasks], {}, {})
    assert [(each.level, each.place, each.sentence) for each in found] == [
        (OK, "services/frontend", other.sentence),
        (FAIL, "services/backend", tasks.sentence),
    ]
    assert [each.text for each in found[1].evidence] == [ROLLOUT.sentence, SHORT.sentence]


def test_a_healthy_stack_has_nothing_to_follow_up() -> None:
    fine = [Finding("services-running", OK, "backend", "2 of 2 tasks run.")]
    assert follow_up(fine) == ()
    assert [each.sentence for each in explained(fine, {}, {})] == [fine[0].sentence]
    late = Finding("metrics-fresh", Level.UNKNOWN, "backend", "No metric.")
    assert follow_up([late, Finding("pending-changes", WARN, "database", "Waits.")]) == ()


def test_something_wrong_asks_what_names_a_cause() -> None:
    wanted = {name for question in follow_up([TARGETS]) for name in question.__annotations__}
    assert {"words", "stores", "load", "rules", "rejects", "writes"} <= wanted


def test_what_could_not_be_read_is_reported() -> None:
    late = Unreachable("CloudTrail's last writes could not be read within 3 s.")
    provided = {Environment: STAGING, Scope: Scope(NOW)}
    facts = [errors(DOWN), stores(), rules("backend>database"), Services((service(),))]
    readings = {type(fact): fact for fact in facts} | {LastWrites: Unavailable(LastWrites, late, NO_READING)}
    [found] = [each for each in explained(ALL_ILL, readings, provided) if each.level is not OK]
    assert found.evidence[-1].text == late.message


def test_it_began_with_the_first_bad_reading() -> None:
    [found] = run((LOGS,), [errors(DOWN), stores(), rules(), load_of(newest=ago(minutes=4))])
    assert found.since == ago(minutes=2)
    [closed] = run((LOGS,), [errors(DOWN), stores(), rules("backend>database"), LastWrites((REVOKED,))])
    assert closed.since == REVOKED.at


def test_a_deployment_that_fails_is_its_tasks_whenever_the_first_of_them_stopped() -> None:
    began = ago(minutes=6)
    failing = replace(ROLLOUT, since=began)
    services = Services((service(revision=8, rollout="IN_PROGRESS", failed=1, created=began),))
    release = Write(began, "UpdateService", "jo (role admin)", frozenset({"ohmycoins-staging-backend"}))
    found = run((failing,), [StoppedTasks((ill(1, 8),)), services, LastWrites((release,))])
    assert [each.check for each in found if each.level is not OK] == ["health-checks"]


def test_errors_counted_of_all_services_come_of_the_one_whose_users_suffer() -> None:
    left = unpulled(image="reg.example.com/frontend:x")
    stopped = StoppedTasks((replace(left, service="frontend", task_definition="b:3"),))
    answers = BalancerSettings({"ohmycoins-staging": 60.0}, bad_gateways=minutes(4))
    words = LastWords({}, {"b:7": RevisionDetails(variables={"backend": {"KEEP_ALIVE_SECONDS": "2"}})})
    found = run((SERVED, RATE), [stopped, answers, words])
    owners = {each.check: [one.check for one in each.explains] for each in found if each.level is not OK}
    assert owners == {"image-not-pulled": ["failed-tasks"], "keep-alive-too-short": ["users-served", "error-rate"]}
