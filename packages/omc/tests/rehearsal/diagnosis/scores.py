"""A diagnosis of each scenario, and what it is worth: the rank of each true cause, whether its path is the true one,
whether its next step is acceptable, and what is told where nothing is wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median
from typing import Any, cast

from omc.config import Environment
from omc.diagnosis.model import Diagnosis, RankedCause
from omc.diagnosis.run import diagnosis_of
from omc.errors import Unreachable
from omc.facts.collector import Reading, Unavailable, dependencies
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.store.location import StoreLocation
from rehearsal.diagnosis.faults import Truth
from rehearsal.diagnosis.scenarios import Paths, Scenario, scenarios
from rehearsal.diagnosis.world import World

FIRST, FIRST_THREE, PATH = 0.90, 0.95, 0.85
"""What is aimed at: single faults told first, pairs told both among the first three, paths that are right."""


NOT_HERE = Unreachable("The scenarios' world doesn't have it.")
"""Of a fact that is newer than ``world.py``: add it there, or the causes that need it are never told."""


class Given:
    """Facts that are there already, handed out as they are asked for."""

    def __init__(self, world: World) -> None:
        self.environment = world.environment
        self.endpoint = None
        self.scope = Scope(world.now, timedelta(hours=1))
        self.provided: Mapping[type, Any] = {
            Environment: world.environment, Scope: self.scope, StoreLocation: StoreLocation()
        }  # fmt: skip
        self.readings: dict[type, Any] = {}
        self.calls = ()
        self.seconds = 0.0
        read = Reading(world.now)
        self._all = {kind: replace(value, reading=read) for kind, value in world.facts().items()}
        for kind, why in world.unread.items():
            self._all[kind] = Unavailable(kind, Unreachable(why), read)

    def read(self, functions: Iterable[Callable[..., Any]]) -> dict[type, Any]:
        for function in functions:
            for kind in dependencies(function).values():
                if kind not in self.provided:
                    self.readings[kind] = self._all.get(kind) or Unavailable(kind, NOT_HERE, Reading(self.scope.now))
        return self.readings


def diagnosed(world: World) -> Diagnosis:
    """By the very function that the command calls."""
    return diagnosis_of(cast("Facts", Given(world)))


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one true cause."""

    truth: Truth
    rank: int
    """From 1; 0: it wasn't told."""
    is_path_right: bool
    is_action_right: bool
    path: tuple[str, ...]
    paths: Paths
    """Each of these would have been right."""


@dataclass(frozen=True, slots=True)
class Score:
    scenario: Scenario
    told: tuple[Told, ...]
    alarms: tuple[str, ...]
    """Where nothing is wrong: what is told all the same."""
    causes: tuple[str, ...]
    """All that were told, by rank."""
    confidences: tuple[float, ...]
    seconds: float
    given: Given
    found: Diagnosis


def score(scenario: Scenario) -> Score:
    case = scenario.make()
    began = time.perf_counter()
    given = Given(case.world)
    found = diagnosis_of(cast("Facts", given))
    seconds = time.perf_counter() - began
    told = tuple(_told(true, paths, found) for true, paths in zip(case.truths, case.paths, strict=True))
    shown = tuple(_shown(each) for each in found.causes)
    alarms = () if case.truths else (*shown, *(each.sentence for each in found.unexplained))
    return Score(scenario, told, alarms, shown, tuple(each.score for each in found.causes), seconds, given, found)


def _shown(cause: RankedCause) -> str:
    return f"{cause.explained.cause.name} at {cause.explained.cause.place}"


def _told(truth: Truth, paths: Paths, found: Diagnosis) -> Told:
    for rank, each in enumerate(found.causes, 1):
        cause = each.explained.cause
        if cause.name in truth.names and _is_at(cause.place, truth.place):
            path = tuple(station.place for station in each.path)
            begun = {(cause.place, *some[1:]) for some in paths}
            return Told(truth, rank, path in begun, _fits(each.action.command, truth.actions), path, paths)
    return Told(truth, 0, False, False, (), paths)


def _is_at(place: str, true: str) -> bool:
    """A server of others is told at its own place, where a status page names it, or at the service that misses it."""
    return place == true or ("/" not in true and true not in ("database", "cache", "load-balancer"))


def _fits(command: str, actions: Sequence[str]) -> bool:
    return bool(command) and any(re.search(pattern, command) for pattern in actions)


# -- all of them


@dataclass(frozen=True, slots=True)
class Sum:
    """Of many scenarios."""

    singles: int
    first: int
    pairs: int
    first_three: int
    told: int
    """True causes that were told at all, of single faults and pairs."""
    paths: int
    """Of those, paths that are right."""
    actions: int
    truths: int
    healthy: int
    alarms: int
    median: float
    slowest: float

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(what, the figure, the aim)."""
        yield "single faults, the true cause first", _share(self.first, self.singles), f"≥ {FIRST:.0%}"
        yield "pairs, both among the first three", _share(self.first_three, self.pairs), f"≥ {FIRST_THREE:.0%}"
        yield "the true path, of all true causes", _share(self.paths, self.truths), f"≥ {PATH:.0%}"
        yield "an acceptable next step, of all true causes", _share(self.actions, self.truths), ""
        yield "healthy stacks of which something was told", f"{self.alarms} of {self.healthy}", "0"

    def missed(self) -> list[str]:
        """The aims that aren't met."""
        aims = (
            ("single faults first", self.first, self.singles, FIRST),
            ("pairs among the first three", self.first_three, self.pairs, FIRST_THREE),
            ("paths", self.paths, self.truths, PATH),
        )
        found = [f"{name}: {part} of {whole}" for name, part, whole, aim in aims if whole and part < aim * whole]
        return [*found, *([f"false alarms: {self.alarms}"] if self.alarms else [])]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"


def summed(scores: Iterable[Score]) -> Sum:
    some = list(scores)
    singles = [each for each in some if each.scenario.sort == "single"]
    pairs = [each for each in some if each.scenario.sort == "pair"]
    healthy = [each for each in some if each.scenario.sort == "healthy"]
    truths = [told for each in some for told in each.told]
    times = [each.seconds for each in some] or [0.0]
    return Sum(
        len(singles),
        sum(each.told[0].rank == 1 for each in singles),
        len(pairs),
        sum(all(1 <= told.rank <= 3 for told in each.told) for each in pairs),
        sum(told.rank > 0 for told in truths),
        sum(told.is_path_right for told in truths),
        sum(told.is_action_right for told in truths),
        len(truths),
        len(healthy),
        sum(bool(each.alarms) for each in healthy),
        median(times),
        max(times),
    )


def all_scores() -> list[Score]:
    return [score(each) for each in scenarios()]
