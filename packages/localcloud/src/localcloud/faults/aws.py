"""AWS itself fails: rules of ``front.faults``, by service and operation; and where it is only as slow as it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from localcloud.faults import values
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.front import faults, stale_reads

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SETTINGS = {
    "service": Setting("*", "which service, by the name that the aws command gives it (* is any)"),
    "operation": Setting("*", "which operation, such as DescribeServices or Describe*"),
    "probability": Setting("0.5", "how many of the calls it hits, 0.01 to 1"),
}
ERRORS = ("500", "timeout", "truncate", "slow")


def _begin(owner: str) -> Callable[[Cloud, Mapping[str, str]], Memory]:
    def start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
        kind = values.choice(settings, "kind", ERRORS) if "kind" in settings else "throttle"
        rule: Memory = {
            "service": settings["service"],
            "operation": settings["operation"],
            "probability": values.number(settings, "probability", 0.01, 1),
            "kind": kind,
        }
        if "seconds" in settings:
            rule["seconds"] = values.number(settings, "seconds", 0.1, 60)
        memory = {"rule": rule}
        _keep(owner)(cloud, memory)
        return memory

    return start


def _keep(owner: str) -> Callable[[Cloud, Memory], None]:
    """Rules aren't saved with the cloud: put them in force again after its restart."""

    def keep(cloud: Cloud, memory: Memory) -> None:
        held = cloud.part(faults.Faults)
        if not held.owned(owner):
            held.add([faults.fault(memory["rule"])], owner)

    return keep


def _stop(owner: str) -> Callable[[Cloud, Memory], None]:
    def stop(cloud: Cloud, memory: Memory) -> None:  # noqa: ARG001
        cloud.part(faults.Faults).remove(owner)

    return stop


def _start_rates(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    memory: Memory = {"service": settings["service"], "factor": values.number(settings, "factor", 0.01, 100)}
    _keep_rates(cloud, memory)
    return memory


def _keep_rates(cloud: Cloud, memory: Memory) -> None:
    limits = cloud.part(faults.Faults).rate_limits
    if not limits.in_force:
        limits.begin(memory["service"], memory["factor"])


def _stop_rates(cloud: Cloud, _: Memory) -> None:
    cloud.part(faults.Faults).rate_limits.end()


def _start_stale(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    memory: Memory = {
        "service": values.choice(settings, "service", ("all", *stale_reads.SERVICES)),
        "seconds": values.number(settings, "seconds", 0.1, 60),
    }
    _keep_stale(cloud, memory)
    return memory


def _keep_stale(cloud: Cloud, memory: Memory) -> None:
    held, service = cloud.part(faults.Faults).stale_reads, memory["service"]
    if not held.in_force:
        held.begin(stale_reads.SERVICES if service == "all" else (service,), memory["seconds"])


def _stop_stale(cloud: Cloud, _: Memory) -> None:
    cloud.part(faults.Faults).stale_reads.end()


FAULTS = (
    Fault(
        "rate-limits",
        "Calls are limited to the rates that AWS documents for each action of EC2, ECS, CloudWatch, its Logs "
        "and CloudTrail.",
        "A caller that exceeds an action's rate gets the service's throttling error until its bucket has a "
        "token again.",
        _start_rates,
        _stop_rates,
        {
            "service": Setting("*", "which service's rates apply (* is any)"),
            "factor": Setting("1", "times the documented rates, 0.01 to 100"),
        },
        _keep_rates,
    ),
    Fault(
        "stale-reads",
        "Reads lag behind writes in the services that AWS calls eventually consistent.",
        "For some seconds a describe shows what was before the write, and what was just made is not found.",
        _start_stale,
        _stop_stale,
        {
            "service": Setting("all", f"all, or one of {', '.join(stale_reads.SERVICES)}"),
            "seconds": Setting("3", "how far reads lag behind at most, 0.1 to 60"),
        },
        _keep_stale,
    ),
    Fault(
        "aws-throttling",
        "The AWS API answers a share of the calls with its throttling error.",
        "Calls fail with ThrottlingException or the service's own word for it, and succeed when tried again.",
        _begin("aws-throttling"),
        _stop("aws-throttling"),
        SETTINGS,
        _keep("aws-throttling"),
    ),
    Fault(
        "aws-errors",
        "The AWS API answers a share of the calls with an internal error, late, in part or not at all.",
        "Calls fail with status 500, a broken answer or a time-out, or take long.",
        _begin("aws-errors"),
        _stop("aws-errors"),
        {
            **SETTINGS,
            "kind": Setting("500", f"one of {', '.join(ERRORS)}"),
            "seconds": Setting("5", "how long slow and timeout take, 0.1 to 60"),
        },
        _keep("aws-errors"),
    ),
)
