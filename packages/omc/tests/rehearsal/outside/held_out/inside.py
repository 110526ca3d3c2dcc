"""Slow, leaking, empty and twofold: faults that answer politely, and one that hides behind another. Not tuned for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg import sql

from rehearsal.outside.story import Story
from rehearsal.outside.world import World, environment, value_of
from support.stack import CLUSTER, all_tasks

Change = Callable[[dict[str, Any], dict[str, Any]], None]
SECONDS = 12
"""Longer than the application's own limit for a statement, ten seconds."""


@contextmanager
def _slow_trigger(world: World) -> Iterator[None]:
    """An audit trigger, well meant: each store of prices takes longer than a statement may."""
    with world.sql("psql-audit") as connection:
        connection.execute(
            "CREATE FUNCTION audit_prices() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_sleep({SECONDS}); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE TRIGGER audit AFTER INSERT ON prices FOR EACH STATEMENT EXECUTE FUNCTION audit_prices()"
        )
        try:
            yield
        finally:
            connection.execute("SET lock_timeout = '60s'")
            connection.execute("DROP TRIGGER audit ON prices")
            connection.execute("DROP FUNCTION audit_prices()")


@contextmanager
def _looks_elsewhere(world: World) -> Iterator[None]:
    """The role's search_path names a schema for archives; the tables are all there, and nobody finds them."""
    user = sql.Identifier(value_of(world.definition("backend")["containerDefinitions"][0], "POSTGRES_USER"))
    with world.sql() as connection:
        connection.execute(sql.SQL("ALTER ROLE {} SET search_path = archive").format(user))
        try:
            world.end_sessions()
            yield
        finally:
            connection.execute(sql.SQL("ALTER ROLE {} RESET search_path").format(user))
            world.end_sessions()


@contextmanager
def _two_at_once(world: World) -> Iterator[None]:
    """A rule that only costs money some day, and a page that users can't reach: the second comes first."""
    elb, logs = world.aws("elbv2"), world.aws("logs")
    group, services = world.output("services")["backend"]["log_group"], world.output("services")
    before = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"]
    listener = elb.describe_listeners(LoadBalancerArn=world.output("load_balancer")["arn"])["Listeners"][0]
    forward = listener["DefaultActions"]
    assert services["frontend"]["target_group_arn"] in str(forward)
    logs.delete_retention_policy(logGroupName=group)
    elsewhere = [{"Type": "forward", "TargetGroupArn": services["backend"]["target_group_arn"]}]
    elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=elsewhere)
    try:
        yield
    finally:
        elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=forward)
        logs.put_retention_policy(logGroupName=group, retentionInDays=before)


def _released(service: str, change: Change) -> Callable[[World], AbstractContextManager[None]]:
    @contextmanager
    def fault(world: World) -> Iterator[None]:
        with world.released(service, change):
            yield

    return fault


_START = "import runpy; runpy.run_module('{module}', run_name='__main__', alter_sys=True)"
_LEAK = f"""
import os, threading, time, psycopg
def leak():
    held = []
    while True:
        try:
            held.append(psycopg.connect(
                host=os.environ["POSTGRES_SERVER"], port=os.environ.get("POSTGRES_PORT", "5432"),
                dbname=os.environ.get("POSTGRES_DB", "ohmycoins"), user=os.environ["POSTGRES_USER"],
                password=os.environ["POSTGRES_PASSWORD"], sslmode="require", application_name="report-cache"))
            if len(held) < 25: continue
        except psycopg.Error:
            pass
        time.sleep(1)
threading.Thread(target=leak, daemon=True).start()
{_START.format(module="backend")}
"""
_EMPTY = f"""
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
async def empty(self, scope, receive, send):
    await Response("", media_type="text/html")(scope, receive, send)
StaticFiles.__call__ = empty
{_START.format(module="frontend")}
"""
_SLOW = f"""
import asyncio
from starlette.routing import Router
route = Router.__call__
async def call(self, scope, receive, send):
    if scope["type"] == "http" and "/health" not in scope["path"]:
        await asyncio.sleep(3)
    await route(self, scope, receive, send)
Router.__call__ = call
{_START.format(module="backend")}
"""


def _runs(program: str) -> Change:
    def change(_: dict[str, Any], container: dict[str, Any]) -> None:
        container["command"] = ["python", "-c", program]

    return change


def _leaks(_: dict[str, Any], container: dict[str, Any]) -> None:
    environment(container, "WEB_CONCURRENCY", "1")
    container["command"] = ["python", "-c", _LEAK]


def _listens_elsewhere(_: dict[str, Any], container: dict[str, Any]) -> None:
    environment(container, "PORT", "9000")


@contextmanager
def _connections_leaked(world: World) -> Iterator[None]:
    """A way back alone doesn't end it: the tasks of before can't connect, and those that leak stay until they can."""
    ecs, before = world.aws("ecs"), world.service("backend")["taskDefinition"]
    with world.released("backend", _leaks) as made:
        try:
            yield
        finally:
            ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=before)
            for task in all_tasks(world.stack, CLUSTER, "RUNNING"):
                if task["taskDefinitionArn"] == made:
                    ecs.stop_task(cluster=CLUSTER, task=task["taskArn"], reason="it leaks connections")


STORIES = (
    Story(
        "slow-trigger",
        _slow_trigger,
        "a trigger on the prices' table sleeps longer than a statement may take",
        headline=r"statement timeout|(prices?|data) .*(not stored|old|stale|fresh)|slow|takes too long",
        words=(r"statement timeout", r"prices|insert"),
        never=(r"rollback", r"security group", r"reboot"),
        within=120,
    ),
    Story(
        "looks-elsewhere",
        _looks_elsewhere,
        "the search_path of the application's role leads to a schema without tables, and the pools have connected anew",
        headline=r"schema|search_path|relation|does not exist",
        words=(r"relation \W*\w+\W* does not exist|search_path|no schema", r"backend"),
        never=(r"rollback", r"security group"),
    ),
    Story(
        "two-at-once",
        _two_at_once,
        "the default action leads to the backend, and the backend's log group keeps everything for ever",
        headline=r"users.*(listener|default|leads|forward|load balancer)",
        words=(r"backend", r"retention"),
        never=(r"rollback", r"security group"),
    ),
    Story(
        "connections-leaked",
        _connections_leaked,
        "each task of a release keeps 25 connections to the database that it never uses",
        headline=r"backend.*connection|connection.*(backend|ohmycoins_app|report-cache|remaining|full|use|limit)",
        words=(r"connection", r"report-cache|ohmycoins_app_\w|backend:\d+"),
        never=(r"security group", r"reboot"),
        within=180,
    ),
    Story(
        "empty-page",
        _released("frontend", _runs(_EMPTY)),
        "a release of the frontend answers 200 with nothing in it",
        headline=r"frontend.*(empty|nothing|0 bytes|no content|blank)|(empty|blank).*(frontend|page)",
        words=(r"frontend", r"empty|nothing|0 bytes|no content|blank"),
        never=(r"security group",),
        within=180,
    ),
    Story(
        "slow-release",
        _released("backend", _runs(_SLOW)),
        "a release of the backend takes three seconds for each answer; its health checks are quick",
        headline=r"backend.*(slow|latency|takes|seconds|p99|\d s\b)|(latency|slow).*backend|alb-latency-high",
        words=(r"latency|slow|takes|p99|response time", r"backend"),
        never=(r"security group", r"reboot"),
        within=240,
    ),
    Story(
        "listens-elsewhere",
        _released("backend", _listens_elsewhere),
        "a release of the backend listens on port 9000, and is asked on 8000",
        headline=r"backend.*(8000|port|listen|health check|refus)",
        words=(r"backend:\d+", r"health check|refused|8000|9000|PORT"),
        never=(r"security group", r"reboot"),
        within=180,
    ),
)
