"""What failed tasks said last, and what their images say their exit codes mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definition, describe_definition
from omc.facts.followup.budget import BUDGET, within
from omc.facts.image_labels import exit_codes
from omc.facts.services import Services
from omc.facts.task_logs import last_lines
from omc.facts.tasks import StoppedTask, StoppedTasks

TASKS = 5
"""How many tasks of one revision are read, the newest: tasks of a revision mostly fail alike."""
REVISIONS = 4
LINES = 30


@dataclass(frozen=True, slots=True)
class RevisionDetails:
    """Of one ``family:revision``: what its containers may use, and what their exit codes mean."""

    memory: Mapping[str, int] = field(default_factory=dict)
    """MiB that a container may use, where it has a limit of its own."""
    task_memory: int | None = None
    """MiB of the task as a whole."""
    images: Mapping[str, str] = field(default_factory=dict)
    exit_codes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """By container: what its image's labels say of an exit code."""
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By container: its plain variables. Never a secret's value: those aren't in a task definition."""
    essential: frozenset[str] = frozenset()
    """Containers with which the task ends."""
    stop_timeouts: Mapping[str, int] = field(default_factory=dict)
    """By container: seconds between SIGTERM and SIGKILL, where it sets them."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """By container: entry point and command, where the task definition sets them."""


@dataclass(frozen=True, slots=True)
class LastWords:
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By task id: the last lines of all its containers, oldest first, masked."""
    revisions: Mapping[str, RevisionDetails] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    """Why some of it could not be read, in sentences."""
    reading: Reading = NO_READING


@reads
def read_last_words(aws: Gateway, stopped: StoppedTasks, services: Services) -> LastWords:
    """For each revision that a service has or whose tasks failed lately: its definition, its images' labels, and some
    tasks' last lines."""
    by_revision: dict[str, list[StoppedTask]] = {
        service.task_definition: [] for service in services.services if service.task_definition
    }
    for task in stopped.tasks:
        if task.stop_code not in ("UserInitiated", "SpotInterruption"):
            by_revision.setdefault(task.task_definition, []).append(task)
    newest = list(by_revision.items())[: REVISIONS + len(services.services)]

    def read() -> LastWords:
        records = parallel_map(lambda item: _revision(aws, *item), newest)
        return LastWords(
            lines={task: lines for _, some, _ in records for task, lines in some.items()},
            revisions={name: revision for (name, _), (revision, _, _) in zip(newest, records, strict=True)},
            unread=tuple(dict.fromkeys(why for _, _, some in records for why in some)),
        )

    return within(BUDGET, "what the failed tasks said last", read)


def _revision(
    aws: Gateway, name: str, tasks: Sequence[StoppedTask]
) -> tuple[RevisionDetails, dict[str, tuple[str, ...]], list[str]]:
    try:
        definition = describe_definition(aws, name)
    except OmcError as error:
        return RevisionDetails(), {}, [error.message]
    if definition is None:
        return RevisionDetails(), {}, []
    unread: list[str] = []

    def words(task: StoppedTask) -> tuple[str, ...]:
        found: list[str] = []
        for container in definition.body["containerDefinitions"]:
            try:
                found += last_lines(aws, definition, container["name"], task.id, LINES)
            except OmcError as error:
                unread.append(error.message)
        return tuple(found)

    started = [task for task in tasks if task.started or any(each.exit_code is not None for each in task.containers)]
    requested = started[:TASKS]
    lines = dict(zip((task.id for task in requested), parallel_map(words, requested), strict=True))
    return _told(aws, definition, tasks, unread), lines, unread


def _told(aws: Gateway, definition: Definition, tasks: Sequence[StoppedTask], unread: list[str]) -> RevisionDetails:
    containers = definition.body["containerDefinitions"]
    images = {each["name"]: each.get("image", "") for each in containers}
    ended = {each.name for task in tasks for each in task.containers if each.exit_code}
    documented: dict[str, Mapping[int, str]] = {}
    for name in sorted(ended & set(images)):
        try:
            documented[name] = exit_codes(aws, images[name])
        except OmcError as error:
            unread.append(error.message)
    memory = str(definition.body.get("memory") or "")
    return RevisionDetails(
        memory={each["name"]: int(each["memory"]) for each in containers if each.get("memory")},
        task_memory=int(memory) if memory.isdigit() else None,
        images=images,
        exit_codes=documented,
        variables={
            each["name"]: {one["name"]: one.get("value", "") for one in each.get("environment", ())}
            for each in containers
        },
        essential=frozenset(each["name"] for each in containers if each.get("essential", True)),
        stop_timeouts={each["name"]: int(each["stopTimeout"]) for each in containers if each.get("stopTimeout")},
        commands={
            each["name"]: " ".join((*each.get("entryPoint", ()), *each.get("command", ())))
            for each in containers
            if each.get("entryPoint") or each.get("command")
        },
    )
