"""Maintenances as documents: one with its checklist, its steps and its timeline; all of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omc.maintenance.checklist import ITEMS, Part
from omc.maintenance.model import (
    Aborted,
    BaselineTaken,
    Finished,
    ItemBegan,
    ItemFailed,
    ItemPassed,
    ItemSigned,
    ItemState,
    ItemStatus,
    LeftInPlace,
    Maintenance,
    MaintenanceEvent,
    Measured,
    MessageFailed,
    Noted,
    Noticed,
    Overran,
    Payload,
    Resumed,
    RunBegan,
    RunEnded,
    Silenced,
    SilencesEnded,
    Started,
    StepNotNeeded,
    StepSigned,
    StepStatus,
    Stopped,
    WatchBegan,
)
from omc.maintenance.plan import AwaitPerson, Decision, Follow, Over, Wait
from omc.model import typed_json
from omc.model.events import UnknownEvent
from omc.model.maintenance import Scheduled
from omc.output.document import (
    Block,
    Document,
    Field,
    Fields,
    Link,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Text,
)
from omc.times import format_time, iso

ITEM_SEVERITIES = {
    ItemStatus.OPEN: Severity.NONE,
    ItemStatus.BEGUN: Severity.NONE,
    ItemStatus.PASSED: Severity.OK,
    ItemStatus.SIGNED: Severity.OK,
    ItemStatus.EXCEPTED: Severity.WARNING,
    ItemStatus.FAILED: Severity.FAILURE,
}
STEP_SEVERITIES = {
    StepStatus.DONE: Severity.OK,
    StepStatus.FAILED: Severity.FAILURE,
    StepStatus.LEFT: Severity.WARNING,
}
PHASES = {"stopped": Severity.FAILURE, "being undone": Severity.WARNING, "succeeded": Severity.OK}


def maintenance_document(
    found: Maintenance, events: Sequence[MaintenanceEvent], following: Decision, zone: str
) -> Document:
    """One maintenance. ``following``: what comes next."""
    blocks: list[Block] = []
    if found.stopped:
        blocks.append(Notice(Status("Stopped", Severity.FAILURE), found.stopped))
    if found.overran_at is not None and not found.is_over:
        blocks.append(Notice(Status("Overrun", Severity.FAILURE), "The window ended before the last step did."))
    blocks.append(Fields(tuple(_fields(found, zone))))
    for part, title in ((Part.BEFORE, "Before"), (Part.AFTER, "After")):
        rows = tuple(_item(item.title, item.name, found.items[item.name]) for item in ITEMS if item.part is part)
        blocks.append(Section(title, (Table(("item", "state", "by", "", ""), rows, below=1),)))
        if part is Part.BEFORE:
            blocks.append(Section("Steps", (Table(("", "step", "state", "run", ""), _steps(found), below=1),)))
    blocks.append(Section("Timeline", (Table(("", "", ""), tuple(_line(each, zone) for each in events)),)))
    if sentence := next_sentence(found, following, zone):
        blocks.append(Paragraph(sentence))
    phase = Status(found.phase, PHASES.get(found.phase, Severity.NONE))
    return Document(
        f"Maintenance {found.number}: {found.title}",
        tuple(blocks),
        subtitle=(f"{found.environment}, ", phase),
        data=data_of(found, events, following),
    )


def maintenances_document(found: Sequence[Maintenance], environment: str, zone: str) -> Document:
    """All of an environment, the newest first."""
    rows = tuple(
        Row(
            (
                str(each.number),
                format_time(each.begin, zone),
                Status(each.phase, PHASES.get(each.phase, Severity.NONE)),
                each.by,
                each.title,
            )
        )
        for each in found
    )
    empty = Paragraph(f"{environment} has no maintenance. To plan one: omc maintenance plan FILE --env {environment}")
    table = Table(("", "begin", "state", "by", "title"), rows)
    data = {"environment": environment, "maintenances": [_summary(each) for each in found]}
    return Document(f"Maintenances of {environment}", (table if rows else empty,), data=data)


def next_sentence(found: Maintenance, following: Decision, zone: str) -> str:
    """What happens next, or what a person is to do."""
    match following:
        case AwaitPerson(why, do):
            reason = "" if why == found.stopped else f"{why.rstrip('.')}. "
            return f"{reason}To go on: {with_environment(do, found.environment)}"
        case Wait(until, why):
            return f"{why} Next look: {format_time(until, zone)}."
        case Follow(active):
            return f"The run {active.run} is under way. See: omc runs show {active.run}"
        case Over():
            return ""
    return (
        f"It goes on in whichever process is alive: omc worker --env {found.environment}, or "
        f"omc maintenance start {found.number} --resume --env {found.environment}"
    )


def with_environment(commands: str, environment: str) -> str:
    """Each of several ways with the environment that it is about."""
    return ", or ".join(f"{each} --env {environment}" for each in commands.split(", or "))


def data_of(found: Maintenance, events: Sequence[MaintenanceEvent], following: Decision) -> dict[str, object]:
    """As JSON."""
    return {
        **_summary(found),
        "stopped": found.stopped or None,
        "overran_at": iso(found.overran_at),
        "sentence": found.sentence,
        "dashboard": found.dashboard or None,
        "baseline": typed_json.to_json(found.baseline) if found.baseline else None,
        "newest": typed_json.to_json(found.newest) if found.newest else None,
        "silences": list(found.silences),
        "watch_until": iso(found.watch_until),
        "checklist": [
            {
                "item": item.name,
                "part": item.part.value,
                "title": item.title,
                "state": found.items[item.name].status.value,
                "by": found.items[item.name].by,
                "at": iso(found.items[item.name].at),
                "sentence": found.items[item.name].sentence,
            }
            for item in ITEMS
        ],
        "steps": [
            {
                "step": number,
                "title": wanted.title,
                "procedure": wanted.procedure or None,
                "risk": wanted.risk,
                "undo": wanted.undo or None,
                "interruption": wanted.interruption or None,
                "state": state.status.value,
                "run": state.run or None,
                "at": iso(state.at),
                "sentence": state.sentence,
            }
            for number, (wanted, state) in enumerate(zip(found.scheduled.steps, found.steps, strict=True), 1)
        ],
        "timeline": [
            {"at": iso(each.at), "by": each.by, "what": _words(each.payload)} for each in events if _words(each.payload)
        ],
        "next": next_sentence(found, following, "UTC"),
    }


def _summary(found: Maintenance) -> dict[str, object]:
    return {
        "environment": found.environment,
        "number": found.number,
        "title": found.title,
        "phase": found.phase,
        "begin": iso(found.begin),
        "end": iso(found.end),
        "by": found.by,
        "run": found.scheduled.run,
        "started_by": found.started_by or None,
        "started_at": iso(found.started_at),
        "ended_at": iso(found.ended_at),
        "verdict": found.verdict or None,
        "version": found.events,
    }


def _fields(found: Maintenance, zone: str) -> list[Field]:
    fields = [
        Field("window", f"{format_time(found.begin, zone)} to {format_time(found.end, zone)}"),
        Field("approved", (f"asked for by {found.by}, run ", Literal(found.scheduled.run))),
    ]
    if found.scheduled.outside:
        fields.append(Field("outside", f"of the window: {found.scheduled.outside}"))
    if found.started_at is not None:
        fields.append(Field("started", f"{format_time(found.started_at, zone)} by {found.started_by}"))
    if found.dashboard:
        fields.append(Field("dashboard", Link("application", found.dashboard)))
    if found.baseline is not None:
        fields.append(Field("baseline", found.baseline.sentence))
    if found.newest is not None:
        fields.append(Field("newest", found.newest.sentence))
    if found.silences:
        fields.append(Field("silences", ", ".join(map(str, found.silences))))
    if found.watch_until is not None:
        fields.append(Field("watched", f"until {format_time(found.watch_until, zone)}"))
    if found.is_over:
        fields.append(Field("ended", f"{found.verdict}. {found.sentence}"))
    return fields


def _item(title: str, name: str, state: ItemState) -> Row:
    status = Status(state.status.value, ITEM_SEVERITIES[state.status])
    return Row((Literal(name), status, state.by, title, "" if state.status is ItemStatus.BEGUN else state.sentence))


def _steps(found: Maintenance) -> tuple[Row, ...]:
    rows = []
    for number, (wanted, state) in enumerate(zip(found.scheduled.steps, found.steps, strict=True), 1):
        run: Text = Literal(state.run) if state.run else (wanted.procedure or "a person")
        status = Status(state.status.value, STEP_SEVERITIES.get(state.status, Severity.NONE))
        rows.append(Row((f"  {number}", wanted.title, status, run, state.sentence)))
    return tuple(rows)


def _line(event: MaintenanceEvent, zone: str) -> Row:
    return Row((format_time(event.at, zone), event.by, _words(event.payload)))


def _words(payload: Payload | UnknownEvent) -> str:  # noqa: C901 - a table: a line for each kind of event
    match payload:
        case Scheduled(title):
            return f"scheduled {title}"
        case Started():
            return "started it"
        case ItemBegan(item):
            return f"{item}: under way"
        case ItemPassed(item, evidence):
            return f"{item}: {evidence}"
        case ItemFailed(item, sentence):
            return f"{item} failed: {sentence}"
        case ItemSigned(item, evidence, is_exception):
            return f"signed {item}{' as an exception' if is_exception else ''}: {evidence}"
        case BaselineTaken(figures):
            return f"baseline: {figures.sentence}"
        case RunBegan(purpose, run):
            return f"{purpose}: run {run} was made"
        case RunEnded(purpose, run, verdict, sentence):
            return f"{purpose}: run {run} {verdict}. {sentence}"
        case StepNotNeeded(step, sentence) | StepSigned(step, sentence) | LeftInPlace(step, sentence):
            return f"step {step}: {sentence}"
        case Measured(step, figures, worse, unknown):
            where = f"after step {step}" if step else "in the watch"
            return f"{where}: {' '.join((*worse, unknown)).strip() or figures.sentence}"
        case Silenced(numbers):
            return f"silenced: {', '.join(map(str, numbers)) or 'nothing'}"
        case SilencesEnded(why):
            return f"silences end: {why}"
        case Stopped(why):
            return f"stopped: {why}"
        case Resumed(reason, _):
            return f"had it go on{f': {reason}' if reason else ''}"
        case Overran():
            return "the window ended before the last step did"
        case WatchBegan():
            return "the watch began"
        case Aborted(reason):
            return f"aborted it: {reason}"
        case Noticed(notice):
            return f"has the channel told: {notice}"
        case MessageFailed(key, why):
            what = key.rpartition(":")[2].removeprefix("notice.").partition(".")[0].replace("-", " ")
            return f"its message “{what}” didn't arrive: {why}"
        case Noted(text):
            return text
        case Finished(verdict, sentence):
            return f"{verdict}. {sentence}"
        case UnknownEvent(type):
            return f"an event that this omc doesn't know: {type}"


def timeline_since(events: Sequence[MaintenanceEvent], at: datetime) -> list[str]:
    """What happened after a time, in words: for whoever follows."""
    return [f"{each.by}: {_words(each.payload)}" for each in events if each.at > at and _words(each.payload)]
