"""Releases that come up and then do harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.faults import releasing
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.faults.releasing import SERVICE, Definition
from localcloud.faults.values import number

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SMALL_CPU = 256
"""CPU units of a release that burns: a quarter of a core fills it."""
KEEP_ALIVE = "KEEP_ALIVE_SECONDS"
SMALL_MEMORY = 512
"""MiB of a release that leaks or burns: the smallest task that the application fits in."""


def _memory_leak(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    rate, memory = number(settings, "rate", 0.1, 100), int(number(settings, "memory", SMALL_MEMORY, 2048))

    def change(cloud: Cloud, definition: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "memory_leak", {"rate": rate})
        releasing.shrink(definition, cpu=str(SMALL_CPU), memory=str(memory))

    return releasing.start(cloud, settings["service"], change)


def _cpu_burn(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    percent = number(settings, "percent", 1, 400)

    def change(cloud: Cloud, definition: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "cpu_burn", {"cores": percent / 100 * SMALL_CPU / 1024})
        releasing.shrink(definition, cpu=str(SMALL_CPU), memory=str(SMALL_MEMORY))

    return releasing.start(cloud, settings["service"], change)


def _server_errors(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    values = {"percent": number(settings, "percent", 0.1, 100), "after": number(settings, "after", 0, 3600)}

    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "server_errors", values)

    return releasing.start(cloud, settings["service"], change)


def _keep_alive(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    seconds = number(settings, "seconds", 0.1, 3600)

    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "keep_alive", {})
        kept = [each for each in container.get("environment", []) if each["name"] != KEEP_ALIVE]
        container["environment"] = [*kept, {"name": KEEP_ALIVE, "value": f"{seconds:g}"}]

    return releasing.start(cloud, settings["service"], change)


def _drain_kill(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    values = {"seconds": number(settings, "seconds", 1, 120)}
    timeout = int(number(settings, "stop_timeout", 1, 120))

    def change(cloud: Cloud, _: Definition, container: dict[str, Any]) -> None:
        releasing.variant(cloud, container, "slow_answers", values)
        container["stopTimeout"] = timeout

    return releasing.start(cloud, settings["service"], change)


FAULTS = (
    Fault(
        "keep-alive-mismatch",
        "A release is deployed whose server ends idle connections sooner than the load balancer does.",
        "HTTPCode_ELB_502_Count rises while targets are healthy and the application logs no error: the load balancer's "
        "next request meets the end of its connection.",
        _keep_alive,
        releasing.stop,
        {
            "service": SERVICE,
            "seconds": Setting("2", f"for how long the server keeps an idle connection, in its variable {KEEP_ALIVE}"),
        },
    ),
    Fault(
        "drain-kill",
        "A release is deployed whose answers of /history take longer than its stopTimeout.",
        "Each time its tasks are stopped (a deployment, a restart, scaling in) they end with 137 and cut off what they "
        "were answering; the load balancer says 502.",
        _drain_kill,
        releasing.stop,
        {
            "service": SERVICE,
            "seconds": Setting("20", "how long the slow answers take, 1 to 120"),
            "stop_timeout": Setting("2", "seconds between SIGTERM and SIGKILL, 1 to 120"),
        },
    ),
    Fault(
        "memory-leak",
        "A release is deployed that leaks memory.",
        "MemoryUtilization climbs until tasks stop with exit code 137, OutOfMemoryError, again and again.",
        _memory_leak,
        releasing.stop,
        {
            "service": SERVICE,
            "rate": Setting("8", "MiB a second of each task"),
            "memory": Setting(
                str(SMALL_MEMORY), "MiB of the release's tasks: less than before, to spare this machine; 512 to 2048"
            ),
        },
    ),
    Fault(
        "cpu-burn",
        f"A release is deployed that computes all the time, in tasks of {SMALL_CPU} CPU units to spare this machine.",
        "CPUUtilization is high whatever the traffic, its alarm goes off, and autoscaling adds tasks that burn too.",
        _cpu_burn,
        releasing.stop,
        {
            "service": SERVICE,
            "percent": Setting("95", f"per cent of the task's CPU; 100 is {SMALL_CPU / 1024:g} of a core here"),
        },
    ),
    Fault(
        "5xx-burst",
        "A release is deployed that fails on a share of its requests, though its health checks pass.",
        "HTTPCode_Target_5XX_Count and the error rate rise, the log has tracebacks, targets stay healthy.",
        _server_errors,
        releasing.stop,
        {
            "service": SERVICE,
            "percent": Setting("50", "per cent of the requests that fail"),
            "after": Setting("60", "seconds from a process's start until its requests begin to fail"),
        },
    ),
)
