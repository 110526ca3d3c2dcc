"""The service scheduler's decisions, as pure functions: what is wanted and what is there in, what to do out.

No clock, no process and no record is touched here; ``component`` asks and performs. What the rules rest on: the
developer guide's pages "Rolling update", "Deployment circuit breaker" and "Service scheduler".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

BREAKER_LEAST: Final = 3
BREAKER_MOST: Final = 200
FIRST_PAUSE_AFTER: Final = 3
"""Failures in a row after which starts are spaced out."""
LONGEST_PAUSE: Final = 900.0
"""Seconds. ECS spaces restarts of a failing service out up to about a quarter of an hour."""


class Stage(Enum):
    """Where a task stands, as far as the scheduler cares."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class TaskView:
    id: str
    deployment: str
    stage: Stage
    healthy: bool = False
    failing: str = ""
    """Why it must be replaced, in the words of its ``stoppedReason``; empty where nothing is wrong."""
    order: float = 0.0
    """When it was made: the older of two equal tasks is stopped first."""


@dataclass(frozen=True, slots=True)
class ServiceView:
    desired: int
    minimum_percent: int
    maximum_percent: int
    primary: str
    """Id of the primary deployment."""
    may_start: bool = True
    """False while starts are spaced out, or when the primary deployment failed for good."""
    frozen: bool = False
    """The primary deployment failed and nothing was rolled back: the older tasks stay as they are."""
    tasks: Sequence[TaskView] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    task: str
    reason: str
    failed: bool = False
    """Stopped because it failed its health checks, not because it was no longer needed."""


@dataclass(frozen=True, slots=True)
class Plan:
    start: int = 0
    """Tasks of the primary deployment to start now."""
    stop: tuple[Stop, ...] = ()
    steady: bool = False
    """Nothing to do: the wanted tasks of the primary deployment are healthy and no other is left."""
    stuck: bool = False
    """The percents allow neither to start nor to stop anything."""


def limits(desired: int, minimum_percent: int, maximum_percent: int) -> tuple[int, int]:
    """(least healthy tasks, most running tasks): the lower bound is rounded up, the upper one down."""
    return math.ceil(desired * minimum_percent / 100), math.floor(desired * maximum_percent / 100)


def plan(view: ServiceView) -> Plan:
    """What to start and stop now. Calling it again after the world followed leads to a steady service."""
    live = [task for task in view.tasks if task.stage is not Stage.STOPPING]
    stops = [Stop(task.id, task.failing, failed=True) for task in live if task.failing]
    live = [task for task in live if not task.failing]
    scaling = f"Scaling activity initiated by (deployment {view.primary})"
    mine = sorted((task for task in live if task.deployment == view.primary), key=_least_needed)
    surplus = max(0, len(mine) - view.desired)
    stops += [Stop(task.id, scaling) for task in mine[:surplus]]
    mine = mine[surplus:]
    old = sorted((task for task in live if task.deployment != view.primary), key=_least_needed)

    least, most = limits(view.desired, view.minimum_percent, view.maximum_percent)
    missing = view.desired - len(mine)
    room = max(0, most - len(mine) - len(old))
    start = min(missing, room) if view.may_start else 0
    if view.frozen:
        return Plan(stop=tuple(stops))

    healthy_mine = sum(task.healthy for task in mine)
    not_needed = len(old) - max(0, view.desired - healthy_mine)
    obstacle = missing - room  # there is no room to start: something old must go first
    leaving = _leaving(old, max(not_needed, obstacle), healthy_mine, least)
    stops += [Stop(task.id, scaling) for task in leaving]
    stuck = obstacle > 0 and not stops and start == 0 and healthy_mine == len(mine)
    steady = not stops and not old and len(mine) == healthy_mine == view.desired
    return Plan(start, tuple(stops), steady, stuck)


def _least_needed(task: TaskView) -> tuple[bool, bool, float]:
    return (task.healthy, task.stage is Stage.RUNNING, task.order)


def _leaving(old: Sequence[TaskView], most: int, healthy_mine: int, least: int) -> list[TaskView]:
    """Which older tasks can go, at most so many, without fewer than ``least`` healthy ones being left."""
    healthy = healthy_mine + sum(task.healthy for task in old)
    leaving: list[TaskView] = []
    for task in old[: max(0, most)]:
        if task.healthy:
            if healthy - 1 < least:
                break
            healthy -= 1
        leaving.append(task)
    return leaving


def breaker_threshold(desired: int, configuration: Mapping[str, Any] | None = None) -> int:
    """Failed tasks that trip the circuit breaker: half of the desired count, at least 3 and at most 200.

    ``thresholdConfiguration`` of the service overrides: COUNT is the number itself, the percents are of the desired
    count (BOUNDED_PERCENT within 3 to 200).
    """
    chosen = (configuration or {}).get("thresholdConfiguration")
    if not chosen:
        return min(BREAKER_MOST, max(BREAKER_LEAST, math.ceil(0.5 * desired)))
    if chosen["type"] == "COUNT":
        return max(1, int(chosen["value"]))
    share = math.ceil(desired * int(chosen["value"]) / 100)
    return min(BREAKER_MOST, max(BREAKER_LEAST, share)) if chosen["type"] == "BOUNDED_PERCENT" else max(1, share)


def pause_after(failures: int) -> float:
    """Seconds to wait before the next start after so many failures in a row: 0, 0, 0, 1, 2, 4 … 900."""
    if failures <= FIRST_PAUSE_AFTER:
        return 0.0
    return min(LONGEST_PAUSE, 2.0 ** min(20, failures - FIRST_PAUSE_AFTER - 1))


class Verdict(Enum):
    """How a deployment that is in progress stands."""

    GOING_ON = "going on"
    COMPLETED = "completed"
    TASKS_FAILED = "tasks failed to start."
    ALARM = "alarm detected."


@dataclass(frozen=True, slots=True)
class DeploymentView:
    steady: bool
    failed: int
    desired: int
    breaker: Mapping[str, Any] = field(default_factory=dict)
    """The service's ``deploymentCircuitBreaker``."""
    breached: bool = False
    """One of the deployment's alarms is in ALARM."""
    rollback: bool = False


def judge(view: DeploymentView) -> Verdict:
    """Whether a deployment in progress goes on, is complete, or failed. A rollback isn't rolled back again."""
    if view.breached and not view.rollback:
        return Verdict.ALARM
    if view.steady:
        return Verdict.COMPLETED
    if view.breaker.get("enable") and view.failed >= breaker_threshold(view.desired, view.breaker):
        return Verdict.TASKS_FAILED
    return Verdict.GOING_ON
