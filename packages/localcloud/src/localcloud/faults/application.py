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


FAULTS = (
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
