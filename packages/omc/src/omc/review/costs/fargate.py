"""Checks of the Fargate tasks: whether they are larger than they need be, more hours are paid than services explain,
and what ARM or Spot would spare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from omc.checks.finding import Finding, Level
from omc.checks.runbook import TASKS_RESTARTING, WEEKLY_COSTS
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.costs.spending import Spending
from omc.facts.costs.tasks import TasksUsed, TaskUse
from omc.output.text import counted
from omc.review.costs.money import finding, in_words, is_worth, monthly, percent, source, usd

SIZE, HOURS, OPTIONS = "fargate-size", "fargate-hours", "fargate-options"
GIB = 1024
SIZES: tuple[tuple[int, tuple[int, ...]], ...] = (
    (256, (512, 1024, 2048)),
    (512, tuple(range(1 * GIB, 4 * GIB + 1, GIB))),
    (1024, tuple(range(2 * GIB, 8 * GIB + 1, GIB))),
    (2048, tuple(range(4 * GIB, 16 * GIB + 1, GIB))),
    (4096, tuple(range(8 * GIB, 30 * GIB + 1, GIB))),
    (8192, tuple(range(16 * GIB, 60 * GIB + 1, 4 * GIB))),
    (16384, tuple(range(32 * GIB, 120 * GIB + 1, 8 * GIB))),
)
"""CPU units and the MiB that Fargate has with them (Amazon ECS developer guide, "task definition invalid CPU or memory
errors"; Linux)."""
LEAST_HOURS = 72
"""Hours with figures; fewer don't show a busy day and a weekend."""
BUSY_SHARE = 0.95
"""CPU is judged by the busiest minute of all hours but the busiest twentieth: what only starts uses more for a
minute, and is merely slower then. Memory by the greatest of all: a task that lacks it is killed."""
MEMORY_PERCENT = 80
CPU_PERCENT = 70
"""What tasks of a service without autoscaling are sized for."""
"""Of a task's memory that may be used, where autoscaling has no target for it."""
UNEXPLAINED = 0.2
"""Share of paid hours beyond the services' tasks that is worth a look: one-off tasks and deployments take some."""
PRICES = {"X86_64": "fargate", "ARM64": "fargate.arm"}


def busy(values: Sequence[float]) -> float:
    """The value that all but the greatest twentieth stay under."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(BUSY_SHARE * len(ordered)))]


def needed(use: TaskUse, cpu_target: int, memory_target: int) -> tuple[float, float]:
    """CPU units and MiB with which it would be as busy as autoscaling aims at (percent)."""
    cpu = use.cpu_units * busy([hour.cpu_most for hour in use.hours]) / cpu_target
    memory = use.memory_mib * max(hour.memory_most for hour in use.hours) / memory_target
    return cpu, memory


def fitting(cpu: float, memory: float) -> tuple[int, int] | None:
    """The smallest size that Fargate has with at least so much; None: it has none so large."""
    sizes = chain.from_iterable(((units, mib) for mib in some) for units, some in SIZES)
    return next(((units, mib) for units, mib in sizes if units >= cpu and mib >= memory), None)


def price_of(use: TaskUse, region: str, size: tuple[int, int], architecture: str, tasks: float) -> float | None:
    """USD a month of so many tasks."""
    if use.system != "LINUX" or architecture not in PRICES:
        return None
    key, (cpu, memory) = PRICES[architecture], size
    return monthly(region, (f"{key}.vcpu", tasks * cpu / 1024), (f"{key}.gib", tasks * memory / 1024))


def _tasks(use: TaskUse) -> float:
    """On average; where there are no figures, as many as are wanted."""
    return sum(hour.tasks for hour in use.hours) / len(use.hours) if use.hours else float(use.desired)


def _words(size: tuple[int, int]) -> str:
    return f"{size[0] / 1024:g} vCPU and {size[1] / 1024:g} GiB"


@check(
    SIZE,
    title="Fargate: the size of tasks against what they use",
    question="Would a smaller size that Fargate has be enough for the tasks of a service?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def fargate_size(tasks: TasksUsed, environment: Environment) -> Iterator[Finding]:
    targets = {
        one.name: (one.cpu_target or CPU_PERCENT, one.memory_target or MEMORY_PERCENT) for one in environment.services
    }
    for use in tasks.services:
        place, now = f"services/{use.service}", (use.cpu_units, use.memory_mib)
        if len(use.hours) < LEAST_HOURS:
            sentence = (
                f"CloudWatch has figures of {len(use.hours)} hours of {use.service}; its size "
                "isn't judged by fewer "
                f"than {LEAST_HOURS}."
            )
            yield finding(SIZE, Level.UNKNOWN, place, sentence, tasks.reading)
            continue
        cpu_target, memory_target = targets.get(use.service, (CPU_PERCENT, MEMORY_PERCENT))
        cpu, memory = needed(use, cpu_target, memory_target)
        size = fitting(cpu, memory)
        most = max(hour.memory_most for hour in use.hours)
        evidence = [
            f"busiest minute of all but the busiest twentieth of {len(use.hours)} hours: "
            f"{busy([hour.cpu_most for hour in use.hours]):.0f} % of the CPU, for which {cpu / 1024:.2f} vCPU would do "
            f"at {cpu_target} %",
            f"most memory: {most:.0f} %, for which {memory / 1024:.2f} GiB would do at {memory_target} %",
        ]
        price = price_of(use, environment.region, now, use.architecture, _tasks(use))
        less = price_of(use, environment.region, size, use.architecture, _tasks(use)) if size else None
        saving = price - less if price is not None and less is not None else None
        is_smaller = size is not None and size != now and size[0] <= now[0] and size[1] <= now[1]
        if size is None or not is_smaller or not is_worth(saving, environment.review.costs.least_saving_usd):
            sentence = f"{use.service}'s {_words(now)} a task fit what its tasks use."
            yield finding(SIZE, Level.OK, place, sentence, tasks.reading, *evidence)
            continue
        sentence = (
            f"{use.service}'s tasks have {_words(now)} each, and {_words(size)} would be enough: that spares "
            f"{in_words(saving, environment.region)} with the {_tasks(use):.1f} tasks that ran."
        )
        key = PRICES.get(use.architecture, "fargate")
        evidence += [
            source(environment.region, f"{key}.vcpu", f"{key}.gib"),
            "Change its cpu and memory where its task definition is made, and watch a busy day before the next step",
        ]
        yield finding(SIZE, Level.WARN, place, sentence, tasks.reading, *evidence)


@check(
    HOURS,
    title="Fargate: hours that are paid against the services' tasks",
    question="Do the services' tasks explain the Fargate hours that are paid, and is their CPU used?",
    severity=Level.WARN,
    runbook=TASKS_RESTARTING,
)
def fargate_hours(tasks: TasksUsed, spending: Spending, environment: Environment) -> Iterator[Finding]:
    place = "services"
    paid = [one for one in spending.series if "Fargate" in one.usage_type and "vCPU-Hours" in one.usage_type]
    hours = {hour.at for use in tasks.services for hour in use.hours}
    if not paid or not hours:
        sentence = "Cost Explorer has no Fargate hours of these days, or CloudWatch no figures of the services' tasks."
        yield finding(HOURS, Level.UNKNOWN, place, sentence, spending.reading)
        return
    a_day = sum(sum(one.quantity[-spending.reviewed :]) for one in paid) / spending.reviewed
    ran = 24 / len(hours) * sum(use.cpu_units / 1024 * hour.tasks for use in tasks.services for hour in use.hours)
    used = (
        24
        / len(hours)
        * sum(use.cpu_units / 1024 * hour.tasks * hour.cpu / 100 for use in tasks.services for hour in use.hours)
    )
    units = {use.service: use.cpu_units / 1024 for use in tasks.services}
    desired = {use.service: use.desired for use in tasks.services}
    at_most = {
        one.name: desired.get(one.name, 0) if one.maximum is None else one.maximum for one in environment.services
    }
    most = 24 * sum(units.get(name, 0.0) * count for name, count in at_most.items())
    figures = (
        f"{a_day:.1f} vCPU hours paid a day; the services' tasks were {ran:.1f}, and used {used:.1f}",
        f"{most:.0f} would be the most with as many tasks as autoscaling allows",
        f"Cost Explorer, {spending.scope}; CloudWatch, {counted(len(hours), 'hour')}",
    )
    if a_day > ran * (1 + UNEXPLAINED) + 1:
        over = ", more than autoscaling's most tasks would take" if a_day > most else ""
        sentence = (
            f"{a_day:.0f} vCPU hours of Fargate are paid a day, and the services' tasks explain {ran:.0f}{over}. Tasks "
            "that restart are paid again and again, and so are forgotten ones: omc check morning."
        )
        yield finding(HOURS, Level.WARN, place, sentence, spending.reading, *figures, procedure=TASKS_RESTARTING)
        return
    sentence = (
        f"The services' tasks explain the Fargate hours that are paid, and use {percent(used / ran)} of their CPU."
    )
    yield finding(HOURS, Level.OK, place, sentence, spending.reading, *figures)


ARM = (
    "ARM's conditions: the image is built for linux/arm64 too, every library in it exists for it, and a build was "
    "tested on it; the task definition says cpuArchitecture ARM64"
)
SPOT = (
    "Spot's conditions: AWS may take a task back with a warning of two minutes (SIGTERM, so that stopTimeout is 120 at "
    "most) and may have none to give, so that some tasks stay on FARGATE (base of the capacity provider strategy); "
    "requests are short and can be repeated; migrations and single tasks stay on FARGATE. Source: Amazon ECS developer "
    'guide, "Fargate capacity providers"'
)


@check(
    OPTIONS,
    title="Fargate: what ARM or Spot would spare",
    question="Would the tasks cost less on ARM or on Spot, and under which conditions?",
    severity=Level.WARN,
    runbook=WEEKLY_COSTS,
)
def fargate_options(tasks: TasksUsed, environment: Environment) -> Iterator[Finding]:
    least = environment.review.costs.least_saving_usd
    for use in tasks.services:
        place, size, count = f"services/{use.service}/options", (use.cpu_units, use.memory_mib), _tasks(use)
        price = price_of(use, environment.region, size, use.architecture, count)
        options, evidence = [], []
        if use.architecture == "X86_64" and use.system == "LINUX":
            arm = price_of(use, environment.region, size, "ARM64", count)
            saving = price - arm if price is not None and arm is not None else None
            if saving is None or saving >= least:
                unknown = f"less, and how much isn't known for {environment.region}"
                less = unknown if saving is None else f"{in_words(saving, environment.region)} less"
                options.append(f"on ARM it would cost {less}")
                evidence.append(ARM)
        beyond = count - 1
        if not use.on_spot and use.system == "LINUX" and beyond >= 1:
            part = price_of(use, environment.region, size, use.architecture, beyond)
            if is_worth(part, least):
                options.append(
                    f"of its {count:.1f} tasks all but one, {in_words(part, environment.region)}, could be on "
                    "Spot, whose price changes and isn't in omc's table"
                )
                evidence.append(f"{SPOT}; its stopTimeout is {use.stop_timeout or 30} s")
        if options:
            sentence = f"{use.service} has cheaper options: {'; '.join(options)}."
            evidence.append(
                source(environment.region, *(f"{key}.{part}" for key in PRICES.values() for part in ("vcpu", "gib")))
            )
            yield finding(OPTIONS, Level.WARN, place, sentence, tasks.reading, *evidence)
        else:
            cost = f" for the {usd(price)} a month that it costs" if price is not None else ""
            sentence = f"{use.service} has no cheaper option worth its conditions{cost}."
            yield finding(OPTIONS, Level.OK, place, sentence, tasks.reading)
