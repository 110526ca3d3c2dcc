"""A maintenance from a small TOML file: what is asked for, and what each of its steps would do as things are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from omc.config import Environment
from omc.engine import planning
from omc.engine.planning import RunContext
from omc.errors import NothingToDo, OmcError, WrongUse
from omc.infrastructure.plans import requested
from omc.judgement.maintenance_windows import frozen, next_window
from omc.maintenance.calendar import LOOK_AHEAD, usable
from omc.maintenance.checks import LEADS, images_in, outline_of
from omc.model import typed_json
from omc.model.maintenance import MaintenanceRequest, MaintenanceStep
from omc.output.text import shell_word
from omc.times import iso

USUAL_LENGTH = timedelta(hours=2)
"""Of a maintenance where the environment has no window: as long as the runbook's."""
FURTHEST = timedelta(days=36_500)
"""From now, for what somebody writes: calendars don't reach much further."""
INTERRUPTIONS: Mapping[str, str] = {
    "deploy": "none: tasks are replaced one after another",
    "restart": "none: tasks are replaced one after another",
    "rollback": "none: tasks are replaced one after another",
    "scale": "none",
    "migrate": "none, where the running code can use the new schema",
    "prune": "none",
    "backup-create": "none",
    "backup-verify": "none",
    "database-reboot": "the database restarts: a moment, or 60 to 120 s with a failover",
    "database-class": "the database is away: 60 to 120 s in two zones, in one AWS publishes no figure",
    "database-storage": "none",
    "database-parameter": "the database restarts for a moment, where a parameter is static",
    "database-rotate": "none, where no service logs in with the master password",
    "database-upgrade": "the database is away, AWS publishes no figure; switching over to a copy takes under a minute",
    "database-cleanup": "none",
    "database-certificate": "none, or the database restarts for a moment, by its version",
    "database-apply": "the database is away: 60 to 120 s in two zones, in one AWS publishes no figure",
    "cache-failover": "writes to the cache fail for some seconds",
    "cache-scale": "writes to the cache fail for some seconds, where its node type changes",
    "cache-upgrade": "writes to the cache fail for some seconds",
    "cache-valkey": "writes to the cache fail for some seconds",
    "cache-reboot": "a member of the cache is away for a moment, and begins empty",
    "cache-apply": "writes to the cache fail for some seconds",
}
"""What users notice of a procedure, where the file says nothing else. Figures are those of ``procedures/database.py``,
with their addresses."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class StepTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``[[step]]``: a procedure of omc, or something for a person."""

    procedure: Text | None = None
    request: dict[str, Any] = msgspec.field(default_factory=dict)
    plan: Text | None = None
    """The file of ``omc infra plan --out`` that ``infra-apply`` performs, in place of its request."""
    manual: Text | None = None
    """What a person does."""
    title: Text | None = None
    undo: Text | None = None
    interruption: Text | None = None


class MaintenanceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file."""

    title: Text
    step: Annotated[list[StepTable], msgspec.Meta(min_length=1, max_length=50)]
    begin: datetime | None = None
    end: datetime | None = None
    watch_minutes: Annotated[float, msgspec.Meta(gt=0, le=1440)] = 60.0
    silence: list[Annotated[list[Text], msgspec.Meta(min_length=1)]] = msgspec.field(default_factory=list)
    """Each one silence: conditions that all must hold."""
    public: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    """What customers read of it on the status feed; nothing: it isn't told there."""
    affects: list[Text] = msgspec.field(default_factory=list)
    """Services that customers find worse meanwhile."""

    def at(self, begin: datetime, end: datetime | None) -> MaintenanceFile:
        """The same at another time."""
        return msgspec.structs.replace(self, begin=begin, end=end)


def read_file(file: Path) -> MaintenanceFile:
    """``WrongUse`` with the place where it is no such file."""
    try:
        return from_text(file.read_text())
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file} is no file of a maintenance: {error}") from error
    except OSError as error:
        raise WrongUse(f"{file} can't be read: {error.strerror}") from error


def from_text(text: str) -> MaintenanceFile:
    """Raises as ``tomllib`` and ``msgspec`` do."""
    return msgspec.convert(tomllib.loads(text), MaintenanceFile)


def time_of(written: MaintenanceFile, environment: Environment, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end: those of the file, else the window that is open or comes next; where there is none, from now."""
    for moment in (written.begin, written.end):
        if moment is not None and moment.tzinfo is None:
            raise WrongUse("begin and end need their offset: begin = 2026-11-29T02:00:00+10:00")
        if moment is not None and abs(moment.replace(tzinfo=None) - now.replace(tzinfo=None)) > FURTHEST:
            raise WrongUse(f"{moment.isoformat()} is no time that a maintenance could have.")
    begin, end = written.begin, written.end
    if begin is None and end is not None:
        raise WrongUse("A maintenance that has an end needs a begin too.")
    window = _window(environment, begin or now)
    if begin is None:
        begin = window[0] if window else now.replace(microsecond=0)
        usual = window[1] if window else begin + USUAL_LENGTH
        return begin, usual
    if end is not None:
        return begin, end
    return begin, window[1] if window and window[0] <= begin < window[1] else begin + USUAL_LENGTH


def _window(environment: Environment, at: datetime) -> tuple[datetime, datetime] | None:
    """The window that is open or comes next; the first that isn't frozen, where there is one."""
    window = next_window(environment, at)
    if window is None or not frozen(environment, *window):
        return window
    free = next((each for each in usable(environment, at, at + LOOK_AHEAD)), None)
    return (free.begin, free.end) if free is not None else window


def request_of(
    site: RunContext, written: MaintenanceFile, begin: datetime, end: datetime, override: str
) -> tuple[MaintenanceRequest, tuple[str, ...]]:
    """What is asked for, each step with what it would do now; and what a person should know of that. Raises the error
    of the first step that can't be planned."""
    steps, notes = [], []
    led: dict[str, str] = {}
    for number, table in enumerate(written.step, 1):
        step, more = _step(site, number, table, led)
        steps.append(typed_json.to_json(step))
        notes += [f"Step {number}: {note}" for note in more]
    request = MaintenanceRequest(
        title=written.title,
        begin=iso(begin) or "",
        end=iso(end) or "",
        steps=steps,
        silences=written.silence,
        watch_seconds=written.watch_minutes * 60,
        override=override,
        public=written.public,
        affects=written.affects,
    )
    return request, tuple(notes)


def _step(
    site: RunContext, number: int, table: StepTable, led: dict[str, str]
) -> tuple[MaintenanceStep, Sequence[str]]:
    """``led``: the images that steps before it put there, which those after it find."""
    if (table.procedure is None) == (table.manual is None):
        raise WrongUse(f"Step {number} has a procedure, or is manual; say one of the two.")
    if table.manual is not None:
        if table.request or table.plan:
            raise WrongUse(f"Step {number} is a person's, and takes no request.")
        manual = MaintenanceStep(
            table.title or table.manual, undo=table.undo or "", interruption=table.interruption or ""
        )
        return manual, ()
    procedure = str(table.procedure)
    written = _planned_file(site, number, table) if table.plan else table.request
    bare = MaintenanceStep(
        table.title or procedure,
        procedure,
        written,
        undo=table.undo or "",
        interruption=table.interruption or INTERRUPTIONS.get(procedure, ""),
    )
    request = _request(site, number, procedure, written)
    try:
        plan = planning.make(site, procedure, request)
    except NothingToDo as error:
        return bare, (f"as things are there is nothing to do: {error.message}",)
    except OmcError as error:
        error.message = f"Step {number} can't be planned: {error.message}"
        raise
    images = images_in(plan)
    if procedure in LEADS:
        led |= images
    else:
        images = {place: led.get(place, digest) for place, digest in images.items()}
    undos = [each.undo.description for each in plan.steps if each.undo]
    known = replace(
        bare,
        title=table.title or plan.title,
        request=dict(plan.request),
        risk=plan.risk.value,
        outline=outline_of(plan),
        undo="; ".join(reversed(undos)) or bare.undo,
        is_undone_by_run=bool(undos),
        images=images,
    )
    return known, (*(f"refused as things are: {each}" for each in plan.refusals), *plan.notes)


def _planned_file(site: RunContext, number: int, table: StepTable) -> dict[str, Any]:
    """The request of ``infra-apply`` for a plan file, of which omc keeps a copy, as ``omc infra apply --plan`` does."""
    if table.procedure != "infra-apply" or table.request:
        raise WrongUse(f"Step {number} has a plan, which is infra-apply's alone, and without a request.")
    file = Path(str(table.plan))
    if not file.is_file():
        raise WrongUse(
            f"Step {number}: there is no plan file {file}. Make it: omc infra plan --out {shell_word(str(file))}"
        )
    request = requested(site.reads, site.stack, file)
    return {name: value for name, value in asdict(request).items() if value not in ("", ())}


def _request(site: RunContext, number: int, procedure: str, written: Mapping[str, Any]) -> Any:
    """With each field as its kind says: what a procedure makes of another one isn't known."""
    try:
        request = planning.request_from(site.procedures, procedure, written)
        typed_json.from_json(type(request), dict(written))
    except (TypeError, typed_json.Misfit) as error:
        what = str(error).partition(".__init__() ")[2] or str(error)
        raise WrongUse(f"The request of step {number} isn't one of {procedure}: {what.rstrip('.')}.") from error
    return request


def from_options(title: str, steps: Sequence[str]) -> MaintenanceFile:
    """A maintenance without a file: each step ``PROCEDURE`` or ``PROCEDURE=JSON``."""
    tables = []
    for text in steps:
        procedure, _, request = text.partition("=")
        try:
            request_body = json.loads(request) if request else {}
            tables.append(msgspec.convert({"procedure": procedure, "request": request_body}, StepTable))
        except (ValueError, msgspec.ValidationError) as error:
            raise WrongUse(f"--step {text} is neither PROCEDURE nor PROCEDURE=JSON: {error}") from error
    try:
        return msgspec.convert(
            {"title": title, "step": [msgspec.to_builtins(each) for each in tables]}, MaintenanceFile
        )
    except msgspec.ValidationError as error:
        raise WrongUse(f"--title and --step make no maintenance: {error}") from error
