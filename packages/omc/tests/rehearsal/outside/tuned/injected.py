"""Faults of the local cloud's own catalogue, as ``omc local fault start`` makes them, with the users that suffer.

``old-transaction`` is none of these stories: nothing suffers from it, the check and the diagnosis rightly say that
nothing is wrong, and ``omc check weekly performance`` tells of it when the transaction has been idle for five minutes.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from urllib.parse import urlsplit

from rehearsal.outside.story import Story
from rehearsal.outside.world import World
from support.stack import CLUSTER, wait_until_healthy
from support.waiting import eventually

NO_ROLLBACK = r"omc rollback"
ASKS_WITHIN = 420.0
"""Seconds: three minutes of figures above the target, as AWS's target tracking waits for, on a machine that is busy."""
HISTORY, PRICES = "/api/v1/prices/BTC/history", "/api/v1/prices"


@contextmanager
def _injected(world: World, name: str, **settings: str) -> Iterator[None]:
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    started = world.stack.omc("local", "fault", "start", name, *words, timeout=240)
    assert started.returncode == 0, started.stderr
    try:
        yield
    finally:
        stopped = world.stack.omc("local", "fault", "stop", name, timeout=240)
        assert stopped.returncode == 0, stopped.stderr


def _fault(name: str, **settings: str) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: _injected(world, name, **settings)


@contextmanager
def _users(world: World, path: str, number: int, pause: float) -> Iterator[None]:
    """So many who each keep a connection, as browsers do, and ask again together after a pause: so the load balancer
    has as many connections to the targets, and none is in use in the pause."""
    over, site = threading.Event(), urlsplit(world.stack.url)

    def ask() -> None:
        connection = http.client.HTTPConnection(str(site.hostname), site.port or 80, timeout=40)
        while not over.wait(pause - time.time() % pause):
            try:
                connection.request("GET", path)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
        connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(45)


@contextmanager
def _keep_alive(world: World) -> Iterator[None]:
    with _injected(world, "keep-alive-mismatch", service="backend", seconds="2"):
        wait_until_healthy(world.stack, 180)
        with _users(world, PRICES, 40, 3.0):
            yield
    wait_until_healthy(world.stack, 180)


@contextmanager
def _drain_kill(world: World) -> Iterator[None]:
    """Tasks are replaced while they answer."""
    with _injected(world, "drain-kill", service="backend"):
        wait_until_healthy(world.stack, 180)
        with _users(world, HISTORY, 20, 1.0):
            world.aws("ecs").update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
            yield
    wait_until_healthy(world.stack, 180)


@contextmanager
def _credits(world: World) -> Iterator[None]:
    with _injected(world, "burst-credits", of="volume"), _users(world, HISTORY, 4, 1.0):
        yield


def _held(how: str) -> Callable[[World], AbstractContextManager[None]]:
    """Load that wants more tasks, and scaling that can't give them."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        with (
            _injected(world, "scaling-held", service="backend", how=how),
            _injected(world, "cpu-burn", service="backend", percent="150"),
        ):
            eventually("target tracking asks for more tasks", lambda: _wants_more(world), ASKS_WITHIN)
            yield
        wait_until_healthy(world.stack, 180)

    return fault


def _wants_more(world: World) -> bool:
    alarms = world.aws("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any("TargetTracking" in each["AlarmName"] and "AlarmHigh" in each["AlarmName"] for each in alarms)


@contextmanager
def _rolled_back(world: World) -> Iterator[None]:
    with _injected(world, "wrong-processor", service="backend"):
        made = str(world.service("backend")["taskDefinition"])
        with suppress(AssertionError):
            world.rolled_back("backend", made)
        yield


STORIES = (
    Story(
        "volume-credits-gone",
        _credits,
        "the database's volume has no burst credits left, and all of it waits for what its class may move",
        headline=r"database.*(EBSByteBalance|credits|baseline)",
        words=(r"price_archive|EBSByteBalance",),
        never=(r"rollback", r"security group"),
        path=r"^database",
        exits=(0, 1),
        within=150,
    ),
    Story(
        "keep-alive-too-short",
        _keep_alive,
        "a release ends idle connections after 2 s, the load balancer after 60 s: some requests get a 502",
        headline=r"backend.*ends an idle connection after 2 s",
        words=(r"KEEP_ALIVE_SECONDS", r"502"),
        path=r"^services/backend → targets/backend → load-balancer",
        exits=(0, 1),
        within=240,
    ),
    Story(
        "starts-too-slowly",
        _fault("slow-start", service="backend", seconds="120"),
        "a release starts longer than health checks give it",
        headline=r"backend.*(start too|had not said that it serves|its start takes)",
        words=(r"not said that it serves|start takes",),
        exits=(0, 1),
        within=240,
    ),
    Story(
        "killed-while-answering",
        _drain_kill,
        "tasks are replaced whose answers take longer than their stopTimeout",
        headline=r"backend.*killed|killed.*backend",
        words=(r"137", r"stopTimeout"),
        path=r"^services/backend",
        exits=(0, 1),
        within=180,
    ),
    Story(
        "wrong-processor",
        _rolled_back,
        "a release whose image is for another processor, and that ECS has rolled back",
        headline=r"backend.*another processor",
        words=(r"exec format error",),
        never=(NO_ROLLBACK,),
        exits=(0, 1),
        path=r"^services/backend",
    ),
    Story(
        "scaling-suspended-under-load",
        _held("suspended"),
        "the backend is out of CPU, and its scaling out is suspended",
        headline=r"autoscaling of backend is changed: suspended|scaling out is suspended",
        words=(r"suspended with scaling out|scaling out is suspended",),
        path=r"^services/backend",
        exits=(0, 1),
        within=240,
    ),
    Story(
        "scaling-capped-under-load",
        _held("capped"),
        "the backend is out of CPU, and its maximum of tasks is what runs",
        headline=r"autoscaling of backend is changed: maximum|at its maximum of 2 tasks",
        words=(r"maximum is 2|at its maximum of 2 tasks",),
        path=r"^services/backend",
        exits=(0, 1),
        within=240,
    ),
    Story(
        "tasks-retired",
        _fault("task-retirement", service="backend"),
        "AWS retires both tasks of the backend at once",
        headline=r"AWS stopped \d+ tasks of backend",
        words=(r"maintenance",),
        never=(r"rollback",),
        path=r"^services/backend",
        exits=(0, 1),
        within=60,
    ),
)
