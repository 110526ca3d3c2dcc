"""What an action is: four small functions that make a step safe to run twice, and the list of all of them.

The engine journals the intent, asks ``look`` whether the effect is there already (a runner may have died after it),
performs if not, and then asks ``watch`` until there is an outcome. Every function may raise an ``OmcError``: one that
is not known to be final (throttled, unreachable, cut off) is tried again until the step's deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import OmcError
from omc.model.arguments import base
from omc.model.arguments.base import Arguments
from omc.model.plan import Json
from omc.model.registry import Registry
from omc.store.opened import Store


class Verdict(StrEnum):
    """How a step, and a run, ends. The exit code of each is in ``omc.cli``'s table."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled back"
    """What was there before runs again: by ECS itself, or undone by us."""
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """Somebody else's change took the place of ours."""
    UNKNOWN = "unknown"
    """It could not be found out; nothing is claimed."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict with what it rests on."""

    verdict: Verdict
    sentence: str
    """What happened, to what, why."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    """Readings: deployment id, rollout state, events, stopped tasks by cause, exit codes, last log lines, metrics."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """For later steps (``output_of``)."""


class Interrupted(OmcError):
    """The effect isn't there as a whole and isn't gone on with; the step ends with ``verdict``. What there is stays."""

    def __init__(self, verdict: Verdict, message: str, evidence: Mapping[str, Json], *, has_begun: bool = True) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.evidence = evidence
        self.has_begun = has_begun
        """Whether some of it may be there."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an action may use."""

    gateway: Gateway
    """Made for writing."""
    environment: Environment
    run: str
    """The run's id: goes into tags, ``startedBy`` and client tokens, so that an effect is recognised as ours."""
    step: str
    token: str
    """The same at every attempt of this step, another for every other step; 32 hexadecimal digits. For clientToken."""
    now: Callable[[], datetime]
    """UTC."""
    checkpoint: Callable[[Mapping[str, Json]], None]
    """Journal something durably *before* the effect, such as which deployments there were; merged into ``memory``."""
    state: Mapping[str, Any]
    """What this step has remembered so far, also in an earlier life of the run. Read it anew after ``remember``."""
    report: Callable[[str], None]
    """A line of progress: counts, events, time left."""
    cancelled: Callable[[], bool]
    """Whether somebody has cancelled the run, for an effect that takes long: it stops what it can and raises
    ``CutShort``. Reads the record, which is cheap: ask at most about once a second. Never while undoing."""
    store: Store
    """omc's own record, for actions whose effect is in it: timers, releases."""


Kind = TypeVar("Kind", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Action(Generic[Kind]):
    """One thing that can be done to the world. Its functions get its arguments with the outputs of earlier steps in."""

    arguments: type[Kind]
    """Names the action too."""
    apply: Callable[[Context, Kind], Mapping[str, Json]]
    """Make the effect. Returns what is worth keeping (merged into the step's memory): ids, ARNs."""
    is_applied: Callable[[Context, Kind], bool]
    """Whether the effect of *this* step is there already, so that ``perform`` must not run (again). May ``remember``
    what it found, such as an ARN. Called before each ``perform``, also the first."""
    poll: Callable[[Context, Kind], Outcome | None]
    """None: not at its end yet, ask again in ``every`` seconds. Reads only."""
    commands: Callable[[Environment, Kind], Sequence[str]]
    """The same by hand: ``aws …`` or ``terraform …`` lines."""
    poll_interval: float = 1.0
    pending_notice: Callable[[Context, Kind], str] = lambda *_: ""
    """What goes on in the world when nobody watches it to its end any more, as a sentence; empty: nothing to mind."""

    @property
    def name(self) -> str:
        """``ecs.roll_service``: the AWS service, then what it does."""
        return self.arguments.ACTION

    def read(self, record: Mapping[str, Any]) -> Kind:
        """Its arguments, as a plan keeps them. ``Misfit`` where they are none of it, with the place."""
        return base.from_json(self.arguments, record)


READ_ONLY = frozenset({"cloudwatch.note_before", "cloudwatch.settle"})
"""Actions that change nothing: when a run ends before its time, nothing of them is left behind."""

ACTIONS: Registry[str, Action[Any]] = Registry("action")
"""By name, as far as their modules are imported."""


def register(action: Action[Kind]) -> Action[Kind]:
    """Put an action into the list. Raises ``RuntimeError`` for a second one of the same name."""
    ACTIONS.add(action.name, action)
    return action


def action_named(name: str) -> Action[Any]:
    """The action of that name; its module (the part before the dot) is imported when it is first wanted. Raises
    ``NotRegistered``, a ``KeyError``."""
    if name not in ACTIONS and find_spec(module := f"omc.actions.{name.partition('.')[0]}"):
        import_module(module)
    return ACTIONS[name]
