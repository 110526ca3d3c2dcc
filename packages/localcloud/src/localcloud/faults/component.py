"""The faults in force: started, kept up each second, stopped, and saved with the cloud. What each does is its module's.

At most one of each name is in force; different ones side by side. A fault's functions run outside of the cloud's lock,
on a copy of its memory, so that a snapshot taken meanwhile holds a whole one.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from localcloud.core.profiles import FULL, profile
from localcloud.core.registry import AwsError, component
from localcloud.faults.catalogue import Fault, Memory, all_faults

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud, Settings

log = logging.getLogger(__name__)

KEEP_EVERY = 1.0
"""Seconds."""
PATIENCE = 60.0
"""Seconds for which a start or stop waits for another one of the same fault."""


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """One fault that was started."""

    settings: Mapping[str, str]
    since: str
    """ISO 8601, UTC."""
    memory: Memory = field(repr=False)
    not_stopped: str = ""
    """Why the last try to stop it failed; empty where nobody tried."""
    not_kept_up: str = ""
    """Why it could not be kept up at the last try; empty where it could."""


@component(order=200)
class StackFaults:
    """Starts, keeps and stops the faults of the catalogue."""

    name = "stack-faults"

    def __init__(self, catalogue: Mapping[str, Fault] | None = None, settings: Settings | None = None) -> None:
        chosen = profile(settings.profile if settings else FULL)
        self.catalogue = all_faults(chosen.loaded) if catalogue is None else catalogue
        self._absent = "" if not chosen.left_out else f" The profile {chosen.name} has only faults of its services."
        self._cloud: Cloud | None = None
        self._guard = threading.Lock()
        self._in_force: dict[str, ActiveFault] = {}
        self._working_on = {name: threading.Lock() for name in self.catalogue}

    # -- component ------------------------------------------------------------------------------------------------

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        cloud.loop("stack-faults", KEEP_EVERY, self._keep_all)

    def dump(self) -> object:
        with self._guard:
            return {
                name: (dict(entry.settings), entry.since, entry.memory, entry.not_stopped, entry.not_kept_up)
                for name, entry in self._in_force.items()
            }

    def load(self, state: Any) -> None:
        with self._guard:
            for name, saved in state.items():
                if name in self.catalogue:
                    self._in_force[name] = ActiveFault(*saved)
                else:
                    log.warning("the fault %s was in force and is unknown to this version: it can't be stopped", name)

    def stop(self) -> None:
        """Nothing: what a fault started belongs to the supervisor, and ``keep`` starts it again with the cloud."""

    def status(self) -> dict[str, Any]:
        """For the cloud's status page: what is in force."""
        with self._guard:
            return {"in_force": {name: _shown(entry) for name, entry in sorted(self._in_force.items())}}

    # -- what people do -------------------------------------------------------------------------------------------

    def listed(self) -> list[dict[str, Any]]:
        """Every fault of the catalogue, in force or not, by name."""
        with self._guard:
            in_force = dict(self._in_force)
        return [
            {
                "name": name,
                "injected": fault.injected,
                "symptom": fault.symptom,
                "settings": {key: {"default": it.default, "help": it.help} for key, it in fault.settings.items()},
                "in_force": _shown(in_force[name]) if name in in_force else None,
            }
            for name, fault in sorted(self.catalogue.items())
        ]

    def begin(self, name: str, provided: Mapping[str, Any]) -> dict[str, Any]:
        """Start a fault. Raises ``AwsError`` where there is no such fault or setting, where it is in force already, or
        where it can't be made now; then nothing has changed."""
        fault = self._fault(name)
        settings = _complete(fault, provided)
        with self._working(name):
            if name in self._in_force:
                since = self._in_force[name].since
                raise AwsError("FaultInForce", f"{name} has been in force since {since}. Stop it first.")
            try:
                memory = fault.start(self._running(), settings)
            except AwsError:
                raise
            except Exception as problem:
                log.exception("the fault %s could not be started", name)
                raise AwsError("FaultNotStarted", f"{name} was not started: {_reason(problem)}.") from problem
            entry = ActiveFault(settings, self._running().now().isoformat(timespec="milliseconds"), memory)
            self._put(name, entry)
            log.info("the fault %s is in force with %s", name, dict(settings))
            return _shown(entry)

    def end(self, name: str) -> bool:
        """Stop a fault; False where it wasn't in force. Raises ``AwsError`` where its cause could not be undone: then
        it stays in the list with the reason, and can be stopped again."""
        fault = self._fault(name)
        with self._working(name):
            entry = self._in_force.get(name)
            if entry is None:
                return False
            memory = copy.deepcopy(entry.memory)
            try:
                fault.stop(self._running(), memory)
            except Exception as problem:
                if not isinstance(problem, AwsError):
                    log.exception("the fault %s could not be stopped", name)
                why = _reason(problem)
                self._put(name, replace(entry, memory=memory, not_stopped=why))
                raise AwsError("FaultNotStopped", f"{name} is still in force, it was not stopped: {why}.") from problem
            self._put(name, None)
            log.info("the fault %s is over", name)
            return True

    def memories(self) -> dict[str, Memory]:
        """What each fault in force remembers: for a fault that must know of the others."""
        with self._guard:
            return {name: copy.deepcopy(entry.memory) for name, entry in self._in_force.items()}

    # -- inner ----------------------------------------------------------------------------------------------------

    def _keep_all(self) -> None:
        with self._guard:
            in_force = list(self._in_force)
        for name in in_force:
            keep = self.catalogue[name].keep
            if keep is not None and self._working_on[name].acquire(blocking=False):  # else it is just being stopped
                try:
                    self._keep(name, keep)
                finally:
                    self._working_on[name].release()

    def _keep(self, name: str, keep: Callable[[Cloud, Memory], None]) -> None:
        entry = self._in_force.get(name)
        if entry is None:
            return
        memory, problem = copy.deepcopy(entry.memory), ""
        try:
            keep(self._running(), memory)
        except Exception as failed:
            problem = _reason(failed)
            if problem != entry.not_kept_up and not self._running().stopping.is_set():
                log.warning(
                    "the fault %s was not kept up: %s", name, problem, exc_info=not isinstance(failed, AwsError)
                )
        if memory != entry.memory or problem != entry.not_kept_up:
            self._put(name, replace(entry, memory=memory, not_kept_up=problem))

    @contextmanager
    def _working(self, name: str) -> Iterator[None]:
        """Only one start, keep or stop of a fault at a time; whoever waits too long for another is told so."""
        if not self._working_on[name].acquire(timeout=PATIENCE):
            raise AwsError("FaultBusy", f"{name} is still being started or stopped. Try again in a moment.")
        try:
            yield
        finally:
            self._working_on[name].release()

    def _put(self, name: str, entry: ActiveFault | None) -> None:
        with self._guard:
            if entry is None:
                self._in_force.pop(name, None)
            else:
                self._in_force[name] = entry
        self._running().touch()

    def _fault(self, name: str) -> Fault:
        if name not in self.catalogue:
            raise AwsError(
                "NoSuchFault", f"There is no fault {name!r}.{_meant(name, self.catalogue)}{self._absent}", 404
            )
        return self.catalogue[name]

    def _running(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("StackFaults was used before it was started")
        return self._cloud


def _complete(fault: Fault, provided: Mapping[str, Any]) -> dict[str, str]:
    for key, value in provided.items():
        if key not in fault.settings:
            known = ", ".join(fault.settings) or "none"
            intended = _meant(key, fault.settings)
            raise AwsError("ValidationError", f"{fault.name} has no setting {key!r}.{intended} Its settings: {known}.")
        if not isinstance(value, str):
            raise AwsError("ValidationError", f"The setting {key} of {fault.name} is a string, not {value!r}.")
    return {key: setting.default for key, setting in fault.settings.items()} | dict(provided)


def _meant(word: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _reason(problem: Exception) -> str:
    message = str(problem) if isinstance(problem, AwsError) else f"{type(problem).__name__}: {problem}"
    return message.rstrip(".")


def _shown(entry: ActiveFault) -> dict[str, Any]:
    problems = (("not stopped", entry.not_stopped), ("not kept up", entry.not_kept_up))
    problem = "; ".join(f"{what}: {why}" for what, why in problems if why)
    return {"since": entry.since, "settings": dict(entry.settings), "problem": problem}
