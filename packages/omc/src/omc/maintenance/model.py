"""What can happen to a maintenance, and what its events come to. Pure.

Runs of the engine that belong to it are named by what they are for: ``item/backup/create``, ``step/2``, ``undo/2``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from omc.errors import Refused
from omc.maintenance.checklist import ITEMS, Part, item_named
from omc.maintenance.figures import Figures
from omc.model.events import Event, EventTypes, UnknownEvent
from omc.model.maintenance import SCHEDULING, MaintenanceStep, Scheduled


@dataclass(frozen=True, slots=True)
class Started:
    """Somebody had its checklist begun."""


@dataclass(frozen=True, slots=True)
class ItemBegan:
    """An item is under way and shows later whether it holds: a message was put into the outbox."""

    item: str
    detail: str
    """What to look at: the page's key."""


@dataclass(frozen=True, slots=True)
class ItemPassed:
    """Software found that an item of the checklist holds."""

    item: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """Software found that it doesn't, or couldn't find out: nothing further is begun."""

    item: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ItemSigned:
    """A person answers for an item."""

    item: str
    evidence: str
    is_exception: bool
    """Whether software was to do it and didn't."""


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    """How the environment was in the hour before the first step."""

    figures: Figures
    dashboard: str


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of the engine was made, in the same transaction."""

    purpose: str
    run: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """It came to its end."""

    purpose: str
    run: str
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True)
class StepNotNeeded:
    """What a step is for is so already."""

    step: int
    sentence: str


@dataclass(frozen=True, slots=True)
class StepSigned:
    """A person did a step and says so."""

    step: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures against the baseline: after a step, or in the watch (``step`` 0)."""

    step: int
    figures: Figures
    worse: tuple[str, ...] = ()
    """A sentence for each figure that is worse."""
    unknown: str = ""
    """Why it isn't known whether users are served as before."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """Alerts are held until the window's end; the silences were made in the same transaction."""

    numbers: tuple[int, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class SilencesEnded:
    """What they hold and fires still is told now."""

    why: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing further is begun until a person says so."""

    why: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A person had it go on: what failed is tried again, what was measured is accepted."""

    reason: str
    override: str = ""
    """Why the next step goes ahead past a refusal that allows it; empty: it doesn't."""


@dataclass(frozen=True, slots=True)
class Overran:
    """The window ended before the last step did."""


@dataclass(frozen=True, slots=True)
class WatchBegan:
    """All is done; it is watched until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Aborted:
    """What was done is to be taken back."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftInPlace:
    """A step that is not taken back, and why."""

    step: int
    why: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A person's line in the timeline."""

    text: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """People were told that it is near, or that its window ends."""

    notice: str


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """A message about it reached nobody."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """It is over."""

    verdict: str
    """``succeeded``, ``aborted`` or ``called off``."""
    sentence: str


Payload: TypeAlias = (
    Scheduled
    | Started
    | ItemBegan
    | ItemPassed
    | ItemFailed
    | ItemSigned
    | BaselineTaken
    | RunBegan
    | RunEnded
    | StepNotNeeded
    | StepSigned
    | Measured
    | Silenced
    | SilencesEnded
    | Stopped
    | Resumed
    | Overran
    | WatchBegan
    | Aborted
    | LeftInPlace
    | Noted
    | Noticed
    | MessageFailed
    | Finished
)
MaintenanceEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes(
    SCHEDULING.kind,
    {
        **SCHEDULING.names,
        "started": Started,
        "item began": ItemBegan,
        "item passed": ItemPassed,
        "item failed": ItemFailed,
        "item signed": ItemSigned,
        "baseline taken": BaselineTaken,
        "run began": RunBegan,
        "run ended": RunEnded,
        "step not needed": StepNotNeeded,
        "step signed": StepSigned,
        "measured": Measured,
        "silenced": Silenced,
        "silences ended": SilencesEnded,
        "stopped": Stopped,
        "resumed": Resumed,
        "overran": Overran,
        "watch began": WatchBegan,
        "aborted": Aborted,
        "left in place": LeftInPlace,
        "noted": Noted,
        "noticed": Noticed,
        "message failed": MessageFailed,
        "finished": Finished,
    },
)


class ItemStatus(StrEnum):
    """How an item of the checklist is."""

    OPEN = "open"
    BEGUN = "under way"
    PASSED = "done"
    FAILED = "failed"
    SIGNED = "signed"
    EXCEPTED = "signed as an exception"


class StepStatus(StrEnum):
    """How a step is."""

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Some of it may be there."""
    UNDOING = "being undone"
    UNDONE = "undone"
    LEFT = "left in place"


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item of the checklist after the events."""

    status: ItemStatus = ItemStatus.OPEN
    sentence: str = ""
    """The evidence, or why it failed."""
    by: str = ""
    at: datetime | None = None

    @property
    def holds(self) -> bool:
        return self.status in (ItemStatus.PASSED, ItemStatus.SIGNED, ItemStatus.EXCEPTED)


@dataclass(frozen=True, slots=True)
class StepState:
    """A step after the events."""

    status: StepStatus = StepStatus.OPEN
    run: str = ""
    """The newest run that performs it."""
    sentence: str = ""
    by: str = ""
    at: datetime | None = None
    is_measured: bool = False
    was_begun: bool = False


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One maintenance as it is after its events."""

    environment: str
    number: int
    """Counts up in its environment, from 1."""
    scheduled: Scheduled
    by: str
    scheduled_at: datetime
    events: int = 1
    started_at: datetime | None = None
    started_by: str = ""
    items: Mapping[str, ItemState] = field(default_factory=lambda: {item.name: ItemState() for item in ITEMS})
    steps: tuple[StepState, ...] = ()
    active: RunBegan | None = None
    """The run of the engine that is under way for it."""
    runs: Mapping[str, RunEnded] = field(default_factory=dict)
    """By purpose the newest run that ended."""
    baseline: Figures | None = None
    dashboard: str = ""
    newest: Figures | None = None
    """What was measured last."""
    measured_at: datetime | None = None
    silences: tuple[int, ...] = ()
    were_silenced: bool = False
    stopped: str = ""
    """Why nothing further is begun; empty: nothing keeps it."""
    overran_at: datetime | None = None
    override: str = ""
    """Why the next step goes ahead past a refusal that allows it: what a person said when it went on."""
    watch_until: datetime | None = None
    noticed: frozenset[str] = frozenset()
    """Which of its notices were told."""
    aborted_at: datetime | None = None
    aborted_by: str = ""
    aborted_why: str = ""
    ended_at: datetime | None = None
    verdict: str = ""
    sentence: str = ""

    @property
    def title(self) -> str:
        return self.scheduled.title

    @property
    def begin(self) -> datetime:
        return self.scheduled.begin

    @property
    def end(self) -> datetime:
        return self.scheduled.end

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def are_steps_over(self) -> bool:
        """Whether each step is done and was measured."""
        return all(each.status is StepStatus.DONE and each.is_measured for each in self.steps)

    @property
    def phase(self) -> str:
        """Where it is, in a word or two."""
        if self.is_over:
            return self.verdict
        if self.aborted_at is not None:
            return "being undone"
        if self.started_at is None:
            return "scheduled"
        if self.stopped:
            return "stopped"
        if not self.are_steps_over:
            has_begun = self.baseline is not None or any(each.was_begun for each in self.steps)
            return "under way" if has_begun else "being prepared"
        return "watched" if self.watch_until is not None else "being checked"

    @property
    def name(self) -> str:
        """How a sentence speaks of it."""
        return f"maintenance {self.number} of {self.environment}"


def step_purpose(number: int) -> str:
    return f"step/{number}"


def undo_purpose(number: int) -> str:
    return f"undo/{number}"


def from_first_event(environment: str, number: int, event: MaintenanceEvent) -> Maintenance:
    """The maintenance that an event schedules. ``Refused`` where this omc can't read it."""
    payload = event.payload
    if not isinstance(payload, Scheduled):
        raise Refused(f"Maintenance {number} of {environment} can't be read by this omc; a newer one made it.")
    return Maintenance(
        environment, number, payload, event.by, event.at, steps=tuple(StepState() for _ in payload.steps)
    )


def replay(environment: str, number: int, events: Iterable[MaintenanceEvent]) -> Maintenance:
    """What all events of a stream come to."""
    first, *rest = events
    found = from_first_event(environment, number, first)
    for event in rest:
        found = apply(found, event)
    return found


def apply(before: Maintenance, event: MaintenanceEvent) -> Maintenance:
    """The maintenance after one more event. What doesn't fit what happened before changes nothing: whoever appends
    has decided on the state before."""
    now = replace(before, events=before.events + 1)
    return _of_items(now, event) or _of_steps(now, event) or _of_all(now, event) or now


def _of_items(now: Maintenance, event: MaintenanceEvent) -> Maintenance | None:
    match event.payload:
        case ItemBegan(item, detail):
            return _with_item(now, item, ItemState(ItemStatus.BEGUN, detail, event.by, event.at))
        case ItemPassed(item, evidence):
            return _with_item(now, item, ItemState(ItemStatus.PASSED, evidence, event.by, event.at))
        case ItemFailed(item, sentence):
            failed = _with_item(now, item, ItemState(ItemStatus.FAILED, sentence, event.by, event.at))
            return replace(failed, stopped=f"{item_named(item).title}? {sentence}")
        case ItemSigned(item, evidence, is_exception):
            status = ItemStatus.EXCEPTED if is_exception else ItemStatus.SIGNED
            was_failed = now.items[item].status is ItemStatus.FAILED
            signed = _with_item(now, item, ItemState(status, evidence, event.by, event.at))
            return replace(signed, stopped="") if was_failed else signed
        case BaselineTaken(figures, dashboard):
            taken = replace(now, baseline=figures, dashboard=dashboard)
            return _with_item(taken, "dashboard", ItemState(ItemStatus.PASSED, figures.sentence, event.by, event.at))
    return None


def _of_steps(now: Maintenance, event: MaintenanceEvent) -> Maintenance | None:
    match event.payload:
        case RunBegan(purpose, run) as began:
            return _run_began(replace(now, active=began, override=""), purpose, run, event)
        case RunEnded(purpose) as ended:
            return _run_ended(replace(now, active=None, runs={**now.runs, purpose: ended}), ended, event)
        case StepNotNeeded(step, sentence):
            return _with_step(now, step, StepState(StepStatus.DONE, "", sentence, event.by, event.at, is_measured=True))
        case StepSigned(step, evidence):
            done = StepState(StepStatus.DONE, "", evidence, event.by, event.at, was_begun=True)
            return _with_step(now, step, done)
        case LeftInPlace(step, why):
            left = replace(now.steps[step - 1], status=StepStatus.LEFT, sentence=why)
            return _with_step(now, step, left)
        case Measured(step, figures, worse):
            measured = replace(now, newest=figures, measured_at=event.at)
            if step:
                measured = _with_step(measured, step, replace(now.steps[step - 1], is_measured=True))
            return replace(measured, stopped=" ".join(worse)) if worse else measured
    return None


def _of_all(now: Maintenance, event: MaintenanceEvent) -> Maintenance | None:
    match event.payload:
        case Started():
            return replace(now, started_at=event.at, started_by=event.by)
        case Silenced(numbers):
            return replace(now, silences=numbers, were_silenced=True)
        case SilencesEnded():
            return replace(now, silences=())
        case Stopped(why):
            return replace(now, stopped=why)
        case Resumed(_, override):
            return replace(_resumed(now), override=override)
        case Overran():
            why = now.stopped or "The window ended before the last step did."
            return replace(now, overran_at=event.at, stopped=why)
        case WatchBegan(until):
            return replace(now, watch_until=until)
        case Noticed(notice):
            return replace(now, noticed=now.noticed | {notice})
        case Aborted(reason):
            return replace(now, aborted_at=event.at, aborted_by=event.by, aborted_why=reason, stopped="")
        case Finished(verdict, sentence):
            return replace(now, ended_at=event.at, verdict=verdict, sentence=sentence, stopped="")
    return None


def _with_item(before: Maintenance, item: str, state: ItemState) -> Maintenance:
    return replace(before, items={**before.items, item: state})


def _with_step(before: Maintenance, number: int, state: StepState) -> Maintenance:
    return replace(
        before, steps=tuple(state if place == number else each for place, each in enumerate(before.steps, 1))
    )


def _run_began(now: Maintenance, purpose: str, run: str, event: MaintenanceEvent) -> Maintenance:
    kind, _, rest = purpose.partition("/")
    if kind == "item":
        item = rest.partition("/")[0]
        return _with_item(now, item, ItemState(ItemStatus.BEGUN, f"run {run}", event.by, event.at))
    number = int(rest)
    if kind == "step":
        return _with_step(now, number, StepState(StepStatus.RUNNING, run, by=event.by, at=event.at, was_begun=True))
    return _with_step(now, number, replace(now.steps[number - 1], status=StepStatus.UNDOING))


def _run_ended(now: Maintenance, ended: RunEnded, event: MaintenanceEvent) -> Maintenance:
    kind, _, rest = ended.purpose.partition("/")
    is_done = ended.verdict == "succeeded"
    came_to = f"{ended.verdict}: {ended.sentence}"
    if kind == "item":
        item = rest.partition("/")[0]
        if is_done:
            return now
        failed = ItemState(ItemStatus.FAILED, f"The run {ended.run} {came_to}", event.by, event.at)
        return replace(_with_item(now, item, failed), stopped=f"{item_named(item).title}? {failed.sentence}")
    number = int(rest)
    state = replace(now.steps[number - 1], at=event.at)
    if kind == "undo":
        left = f"The run {ended.run}, which was to undo it, {came_to}"
        undone = replace(state, status=StepStatus.UNDONE, sentence=f"Undone by the run {ended.run}.")
        return _with_step(now, number, undone if is_done else replace(state, status=StepStatus.LEFT, sentence=left))
    if is_done:
        return _with_step(now, number, replace(state, status=StepStatus.DONE, sentence=ended.sentence))
    failed_step = replace(state, status=StepStatus.FAILED, sentence=ended.sentence)
    return replace(_with_step(now, number, failed_step), stopped=f"Step {number} {came_to}")


def _resumed(now: Maintenance) -> Maintenance:
    """What failed is open again; what was measured stands."""
    items = {name: ItemState() if each.status is ItemStatus.FAILED else each for name, each in now.items.items()}
    steps = tuple(
        replace(each, status=StepStatus.OPEN)
        if each.status is StepStatus.FAILED
        else replace(each, is_measured=each.status is StepStatus.DONE)  # a person has looked where figures were missing
        for each in now.steps
    )
    return replace(now, items=items, steps=steps, stopped="")


def request_of(found: Maintenance, number: int) -> MaintenanceStep:
    """What a step is to do; its number counts from 1."""
    return found.scheduled.steps[number - 1]


def open_items(found: Maintenance, part: Part) -> list[str]:
    """The items of a part of the checklist that nobody has done or signed."""
    return [item.name for item in ITEMS if item.part is part and not found.items[item.name].holds]
