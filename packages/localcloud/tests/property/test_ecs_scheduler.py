"""The scheduler and the tasks' life in a simulated world: whatever happens, counts agree and a deployment ends."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.services.ecs.decide import (
    DeploymentView,
    ServiceView,
    Stage,
    TaskView,
    Verdict,
    breaker_threshold,
    judge,
    limits,
    pause_after,
    plan,
)
from localcloud.services.ecs.decide_task import TaskFacts, next_step
from localcloud.services.ecs.model import Status


@dataclass
class Simulated:
    """A service whose tasks live as the world, not the scheduler, wills."""

    desired: int
    minimum: int
    maximum: int
    primary: str = "ecs-svc/0"
    tasks: dict[str, TaskView] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Deployments whose tasks die before they are healthy."""
    failed: int = 0
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def view(self) -> ServiceView:
        return ServiceView(self.desired, self.minimum, self.maximum, self.primary, tasks=list(self.tasks.values()))

    def live(self) -> list[TaskView]:
        return [task for task in self.tasks.values() if task.stage is not Stage.STOPPING]

    def healthy(self) -> int:
        return sum(task.healthy for task in self.live())

    def turn(self) -> bool:
        """Plan, check what was planned, perform it, let the world go on a step. True when nothing is left to do."""
        least, most = limits(self.desired, self.minimum, self.maximum)
        before_healthy, before_live = self.healthy(), len(self.live())
        decided = plan(self.view())
        assert decided.start >= 0
        assert len({stop.task for stop in decided.stop}) == len(decided.stop)
        for stop in decided.stop:
            self.tasks[stop.task] = replace(self.tasks[stop.task], stage=Stage.STOPPING, healthy=False)
        for _ in range(decided.start):
            number = next(self.numbers)
            self.tasks[f"task-{number}"] = TaskView(f"task-{number}", self.primary, Stage.STARTING, order=number)
        if decided.start:
            assert len(self.live()) <= max(most, before_live - len(decided.stop))
        surplus = [t for t in self.live() if t.deployment == self.primary]
        assert len(surplus) <= max(self.desired, 0) or not decided.start
        if before_healthy >= least and not any(stop.failed for stop in decided.stop):
            assert self.healthy() >= min(least, self.desired)
        self.advance()
        return decided.steady

    def advance(self) -> None:
        for name, task in list(self.tasks.items()):
            if task.stage is Stage.STOPPING:
                del self.tasks[name]
            elif task.stage is Stage.STARTING and task.deployment in self.broken:
                del self.tasks[name]
                self.failed += task.deployment == self.primary
            elif task.stage is Stage.STARTING:
                self.tasks[name] = replace(task, stage=Stage.RUNNING)
            elif not task.healthy and not task.failing:
                self.tasks[name] = replace(task, healthy=True)


def feasible(desired: int, minimum: int, maximum: int) -> bool:
    """Whether the percents leave room to start or to stop at least one task."""
    least, most = limits(desired, minimum, maximum)
    return most > desired or (least < desired and most >= 1)


PERCENTS = st.sampled_from([(100, 200), (50, 100), (0, 100), (50, 200), (100, 150), (100, 110), (0, 200), (67, 134)])


@given(desired=st.integers(0, 12), percents=PERCENTS, updates=st.lists(st.integers(0, 12), max_size=4))
def test_every_deployment_of_a_sound_revision_ends_steady(
    desired: int, percents: tuple[int, int], updates: list[int]
) -> None:
    service = Simulated(desired, *percents)
    for number, count in enumerate([desired, *updates]):
        service.desired, service.primary = count, f"ecs-svc/{number}"
        if not feasible(count, *percents) and count:
            continue
        for _ in range(12 * (count + 3)):
            if service.turn():
                break
        else:
            raise AssertionError(f"never steady: {service}")
        assert len(service.live()) == count
        assert all(task.deployment == service.primary and task.healthy for task in service.live())


@given(desired=st.integers(1, 12), percents=PERCENTS)
def test_a_broken_revision_fails_within_bounds_and_never_takes_the_healthy_ones_below_the_minimum(
    desired: int, percents: tuple[int, int]
) -> None:
    service = Simulated(desired, *percents)
    if not feasible(desired, *percents):
        return
    while not service.turn():
        pass
    service.primary, service.broken = "ecs-svc/bad", {"ecs-svc/bad"}
    breaker = {"enable": True}
    for _ in range(300):
        steady = service.turn()
        verdict = judge(DeploymentView(steady, service.failed, desired, breaker))
        if verdict is not Verdict.GOING_ON:
            break
    assert verdict is Verdict.TASKS_FAILED
    assert service.failed < breaker_threshold(desired) + max(desired * 2, 1)
    assert service.healthy() >= limits(desired, *percents)[0]


@given(
    desired=st.integers(0, 8),
    percents=PERCENTS,
    deaths=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=25),
    counts=st.lists(st.integers(0, 8), max_size=6),
)
def test_after_any_disturbance_the_service_comes_back(
    desired: int, percents: tuple[int, int], deaths: list[tuple[int, bool]], counts: list[int]
) -> None:
    service = Simulated(desired, *percents)
    disturbances = iter(deaths)
    for count in [desired, *counts]:
        service.desired = count
        for which, dies in itertools.islice(disturbances, 4):
            service.turn()
            name = sorted(service.tasks)[which % len(service.tasks)] if service.tasks else None
            if name and dies:
                del service.tasks[name]
            elif name and service.tasks[name].stage is Stage.RUNNING:
                service.tasks[name] = replace(service.tasks[name], healthy=False, failing="Task failed health checks")
    for _ in range(60):
        if service.turn():
            break
    assert len(service.live()) == service.desired == service.healthy()


@dataclass
class Life:
    """One task and what really exists of it."""

    status: Status = Status.PROVISIONING
    wanted: bool = True
    attached: bool = False
    registered: bool = False
    processes: bool = False
    launching: bool = False
    launched: bool = False
    draining: bool = False
    ending: bool = False
    seen: list[Status] = field(default_factory=lambda: [Status.PROVISIONING])

    def turn(self) -> None:
        """Take the step that is due; no step may leave behind what only an earlier one can undo."""
        step = next_step(
            TaskFacts(
                self.status,
                self.wanted,
                self.launching,
                self.launched,
                self.registered,
                self.draining,
                self.processes,
                self.ending,
            )
        )
        getattr(self, step.name.lower())()
        if self.status is not self.seen[-1]:
            self.seen.append(self.status)

    def attach(self) -> None:
        assert not self.attached
        self.attached, self.status = True, Status.PENDING

    def launch(self) -> None:
        assert self.attached
        assert not self.launched
        self.launching = True

    def activate(self) -> None:
        assert self.launched
        self.registered, self.status = True, Status.ACTIVATING

    def run(self) -> None:
        self.status = Status.RUNNING

    def deregister(self) -> None:
        self.draining, self.registered, self.status = self.registered, False, Status.DEACTIVATING

    def end(self) -> None:
        assert not self.registered
        self.ending, self.status = self.processes, Status.STOPPING

    def detach(self) -> None:
        assert not self.processes
        assert not self.registered
        self.attached, self.status = False, Status.DEPROVISIONING

    def finish(self) -> None:
        assert not self.attached
        self.status = Status.STOPPED

    def wait(self) -> None:
        pass

    def start_is_over(self, *, well: bool) -> None:
        self.launching, self.launched, self.processes = False, True, well
        self.wanted = self.wanted and well


@given(st.lists(st.sampled_from(["stop", "started", "start failed", "die", "drained", "ended", "-", "-"]), max_size=40))
@settings(max_examples=400)
def test_a_task_reaches_its_end_from_anywhere_without_leaving_anything_behind(happenings: list[str]) -> None:
    task = Life()
    for happening in happenings:
        if happening == "stop":
            task.wanted = False
        elif happening.startswith("start") and task.launching:
            task.start_is_over(well=happening == "started")
        elif happening == "die" and task.processes:
            task.processes = task.wanted = False
        elif happening == "drained":
            task.draining = False
        elif happening == "ended" and task.ending:
            task.ending = task.processes = False
        task.turn()
    task.wanted = False
    for _ in range(20):  # from now on the world does what it is asked
        if task.launching:
            task.start_is_over(well=True)
        task.draining = False
        if task.ending:
            task.ending = task.processes = False
        task.turn()
    assert task.status is Status.STOPPED
    assert not any((task.attached, task.registered, task.processes))
    assert task.seen == sorted(task.seen, key=list(Status).index)  # never backwards


@given(st.integers(0, 1000))
def test_the_breaker_trips_within_its_published_bounds(desired: int) -> None:
    threshold = breaker_threshold(desired)
    assert 3 <= threshold <= 200
    assert threshold >= min(200, desired / 2)


def test_starts_are_spaced_out_only_after_several_failures() -> None:
    assert [pause_after(failures) for failures in range(1, 9)] == [0, 0, 0, 1, 2, 4, 8, 16]
    assert pause_after(10_000) == 900
