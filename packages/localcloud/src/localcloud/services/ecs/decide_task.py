"""The life of one task, as a pure function: where it stands and what is known of it in, the next step out.

PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED. A task that must
stop takes the shortest way down from where it is. ``component`` performs the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from localcloud.services.ecs.model import STARTING, Status


class Step(Enum):
    """What to do with a task now."""

    WAIT = "wait"
    ATTACH = "attach a network interface"
    LAUNCH = "start its processes"
    ACTIVATE = "its containers run: register its targets"
    RUN = "it runs"
    DEREGISTER = "take it out of its target groups"
    END = "end its processes"
    DETACH = "give its network interface back"
    FINISH = "it has stopped"


@dataclass(frozen=True, slots=True)
class TaskFacts:
    status: Status
    wanted: bool
    launching: bool = False
    launched: bool = False
    has_targets: bool = False
    draining: bool = False
    """The load balancer still sends it what was under way."""
    processes: bool = False
    """At least one of its processes lives, or its output isn't read to the end."""
    ending: bool = False


def next_step(facts: TaskFacts) -> Step:
    """The one step that is due. Every task that isn't wanted reaches FINISH, whatever happens in between."""
    if facts.status is Status.STOPPED:
        return Step.WAIT
    if facts.wanted:
        return _upwards(facts)
    return _downwards(facts)


def _upwards(facts: TaskFacts) -> Step:
    match facts.status:
        case Status.PROVISIONING:
            return Step.ATTACH
        case Status.PENDING if facts.launched:
            return Step.ACTIVATE
        case Status.PENDING if not facts.launching:
            return Step.LAUNCH
        case Status.ACTIVATING:
            return Step.RUN
        case _:
            return Step.WAIT


def _downwards(facts: TaskFacts) -> Step:
    if facts.launching:
        return Step.WAIT  # a start can't be called back; what it started is ended right after
    if facts.status in STARTING or facts.status is Status.RUNNING:
        return Step.DEREGISTER if facts.has_targets or facts.processes else Step.DETACH
    match facts.status:
        case Status.DEACTIVATING:
            return Step.WAIT if facts.draining and facts.processes else Step.END
        case Status.STOPPING:
            return Step.WAIT if facts.processes or facts.ending else Step.DETACH
        case _:
            return Step.FINISH
