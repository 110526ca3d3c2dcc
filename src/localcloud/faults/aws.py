"""AWS itself fails: rules of ``front.faults``, by service and operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from localcloud.faults import values
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.front import faults

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


FAULTS = (
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
