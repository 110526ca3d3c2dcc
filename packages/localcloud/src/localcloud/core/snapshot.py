"""The cloud's state on disk: moto's backends and every component's dump in one file, soon after each change.

Written to a temporary file, synced and renamed, with a checksum, and the one before is kept; so a kill at any moment
costs at most about a second of changes. Processes, sockets and the big stores (metrics, logs, databases) aren't here.

What can't be pickled costs only the backend or component that holds it: its last good copy is kept beside the rest,
which is saved. Whose it is stands in ``problems`` until it can be saved again, and ``status``, ``down`` and the call
that left it there say so. Nothing is ever replaced by a stand-in: that would break a later call far from the cause.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict

from localcloud.core import pickling
from localcloud.core.pickling import Backend, Writer, why_not, written

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud, Component

log = logging.getLogger(__name__)

FORMAT = 3
FILE = "snapshot"
PREVIOUS = "snapshot.previous"
EVERY = 0.5
"""Seconds between looks at the dirty flag."""
REST = 10.0
"""At least this many times the last snapshot's cost passes before the next, so that it never takes over a core."""

CHEAP = 0.005
"""Seconds that looking for what can't be saved may cost each call."""
CHECKED = 3
"""Calls of each operation that are looked at whatever it costs."""

Unit = Backend | str
"""What is saved or fails by itself: a backend of moto's, or a component by its name."""


class SnapshotError(Exception):
    """One sentence: why the saved state can't be taken back, and the way out."""


def version() -> dict[str, Any]:
    """What must be the same for a snapshot to be read: the format, and moto and Python, whose objects are in it."""
    import moto

    return {"format": FORMAT, "moto": moto.__version__, "python": list(sys.version_info[:2])}


def _moto_state(account: str) -> dict[Backend, Any]:
    """Every backend of this account by (module, service, region)."""
    found = {}
    for registry in list(BackendDict._instances):
        held = registry.get(account)
        for region, backend in (held or {}).items():
            found[registry.backend.__module__, registry.service_name, region] = backend
    return found


def _buckets(account: str) -> dict[str, tuple[str, str]]:
    """S3's names are global, so moto keeps whose bucket is whose outside of any account."""
    from moto.s3.models import s3_backends

    return {name: owner for name, owner in s3_backends.bucket_accounts.items() if owner[1] == account}


def _label(unit: Unit) -> str:
    return unit if isinstance(unit, str) else f"{unit[1]} ({unit[2]})"


class Snapshots:
    """Writes the snapshot when ``cloud.touch()`` was called, and reads it at the start."""

    name = "snapshot"

    def __init__(self, state: Path) -> None:
        self._state = state
        self._writing = threading.Lock()
        self._not_before = 0.0
        self._kept: dict[Unit, bytes] = {}
        """The last good copies of what can't be saved now."""
        self._checked: dict[tuple[str, str], int] = {}
        self._spoiled: set[str] = set()
        self._costs: dict[str, float] = {}
        self.held_lock = 0.0
        """Seconds for which the last snapshot held the cloud's lock."""
        self.size = 0
        """Bytes of the last snapshot."""
        self.problems: dict[str, str] = {}
        """Why the state, or a part of it by its name, isn't saved as it is now. Empty: all of it is."""

    def start(self, cloud: Cloud) -> None:
        cloud.loop("snapshot", EVERY, lambda: self._if_changed(cloud))

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        pass

    def stop(self) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {
            "bytes": self.size,
            "held_lock_ms": round(self.held_lock * 1000, 1),
            "writing": self._writing.locked(),
            "unsaved": dict(self.problems),
        }

    def _if_changed(self, cloud: Cloud) -> None:
        if cloud.changed.is_set() and time.monotonic() >= self._not_before:
            self.save(cloud)

    def save(self, cloud: Cloud) -> None:
        """Write the state now: all that can be saved, and ``problems`` for what can't. Raises ``OSError`` where the
        disk refuses; what was not written is then still to be written."""
        with self._writing:
            began = time.monotonic()
            try:
                with cloud.lock:
                    cloud.changed.clear()
                    held = time.monotonic()
                    payload, problems = self._payload(cloud)
                    self.held_lock = time.monotonic() - held
                self._write(payload)
            except BaseException as problem:
                cloud.changed.set()
                self.problems = {"the whole state": f"{type(problem).__name__}: {problem}"}
                raise
            for unit in sorted(set(problems) - set(self.problems)):
                log.error("%s can't be saved: %s", unit, problems[unit])
            self.problems = problems
            took = time.monotonic() - began
            self._not_before = time.monotonic() + REST * took

    def spoiled(self, cloud: Cloud, package: str, operation: str) -> str:
        """Why moto's backends of a service can't be saved any more since this call; empty where they can, or couldn't
        before. Backends that take long to look at are looked at only in the first calls of each operation."""
        times = self._checked.get((package, operation), 0)
        if self._costs.get(package, 0.0) > CHEAP and times >= CHECKED:
            return ""
        with cloud.lock:
            began = time.monotonic()
            self._checked[package, operation] = times + 1
            why = pickling.unsavable(get_backend(package).get(cloud.settings.account, {}).values())
            self._costs[package] = time.monotonic() - began
            known = package in self._spoiled
            (self._spoiled.add if why else self._spoiled.discard)(package)
        return "" if known else why

    def _payload(self, cloud: Cloud) -> tuple[memoryview, dict[str, str]]:
        """The bytes of a snapshot, and what of the cloud is in them only as it once was. Under the cloud's lock."""
        account = cloud.settings.account
        dumps, failed = _dumps(cloud)
        backends = _moto_state(account)
        buffer = io.BytesIO()
        try:
            Writer(buffer).dump(((backends, _buckets(account)), dumps))
        except Exception:  # noqa: BLE001 — named below, one by one
            failed |= _culprits(backends, dumps)
            buffer = io.BytesIO()
            apart = {id(backends[unit]): unit for unit in failed if not isinstance(unit, str) and unit in backends}
            well = {unit: backend for unit, backend in backends.items() if unit not in failed}
            rest = {name: state for name, state in dumps.items() if name not in failed}
            Writer(buffer, apart).dump(((well, _buckets(account)), rest))
        self._kept = {unit: copy for unit in failed if (copy := self._last_good(unit, backends)) is not None}
        Writer(buffer).dump(self._kept)
        problems = {
            _label(unit): f"{why}; its last good copy is kept" if unit in self._kept else f"{why}; it was never saved"
            for unit, why in failed.items()
        }
        return buffer.getbuffer(), problems

    def _last_good(self, unit: Unit, live: dict[Backend, Any]) -> bytes | None:
        """A unit as it was when it could last be saved."""
        if unit in self._kept:
            return self._kept[unit]
        payload = _read(self._state / FILE)
        if payload is None:
            return None
        stream = io.BytesIO(payload)
        try:
            (backends, _), dumps = pickling.read(stream)
            kept: dict[Unit, bytes] = pickling.read(stream)
            if unit in kept:
                return kept[unit]
            if isinstance(unit, str):
                return written(dumps[unit]) if unit in dumps else None
            apart = {id(backend): named for named, backend in (*live.items(), *backends.items())}
            return written(pickling.state_of(backends[unit]), apart) if unit in backends else None
        except Exception:
            log.exception("the last good copy of %s can't be had", _label(unit))
            return None

    def _write(self, payload: memoryview) -> None:
        self.size = len(payload)
        header = json.dumps({**version(), "sha256": hashlib.sha256(payload).hexdigest()}).encode()
        current, temporary = self._state / FILE, self._state / f"{FILE}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(header + b"\n")
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        if current.exists():
            current.replace(self._state / PREVIOUS)
        temporary.replace(current)

    def restore(self, cloud: Cloud) -> None:
        """Take back the newest snapshot that is whole. Raises ``SnapshotError`` for one of another version."""
        for path in (self._state / FILE, self._state / PREVIOUS):
            payload = _read(path)
            if payload is not None:
                self._restore(cloud, path, payload)
                return

    def _restore(self, cloud: Cloud, path: Path, payload: bytes) -> None:
        account = cloud.settings.account
        stream = io.BytesIO(payload)
        try:
            (backends, buckets), dumps = pickling.read(stream)
            kept: dict[Unit, bytes] = pickling.read(stream)
            with cloud.lock:
                for (module, service, region), backend in backends.items():
                    pickling.registry(module, service)[account][region] = backend
                for unit, copy in kept.items():
                    log.warning("%s comes back as it was when it could last be saved", _label(unit))
                    if isinstance(unit, str):
                        dumps[unit] = pickling.read(copy)
                    else:
                        backend = pickling.registry(unit[0], unit[1])[account][unit[2]]
                        vars(backend).update(pickling.read(copy))
        except pickling.Missing as problem:
            raise SnapshotError(str(problem)) from problem
        except Exception as problem:
            message = f"{path} can't be restored ({type(problem).__name__}: {problem}); start over with `reset`."
            raise SnapshotError(message) from problem
        with cloud.lock:
            if buckets:
                from moto.s3.models import s3_backends

                s3_backends.bucket_accounts.update(buckets)
            for part in cloud.components():
                if dumps.get(part.name) is not None:
                    _load(part, dumps[part.name], path)


def _dumps(cloud: Cloud) -> tuple[dict[str, Any], dict[Unit, str]]:
    """What each component gives, and why some give nothing."""
    dumps: dict[str, Any] = {}
    failed: dict[Unit, str] = {}
    for part in cloud.components():
        try:
            dumps[part.name] = part.dump()
        except Exception as problem:
            log.exception("%s can't say what is to be saved of it", part.name)
            failed[part.name] = why_not(problem)
    return dumps, failed


def _culprits(backends: dict[Backend, Any], dumps: dict[str, Any]) -> dict[Unit, str]:
    """Each backend and dump that can't be saved by itself, and why."""
    apart = {id(backend): unit for unit, backend in backends.items()}
    states: dict[Unit, Any] = {unit: pickling.state_of(backend) for unit, backend in backends.items()}
    failed: dict[Unit, str] = {}
    for unit, state in (states | dict[Unit, Any](dumps)).items():
        try:
            written(state, apart)
        except Exception as problem:  # noqa: BLE001 — an object's own __reduce__ may raise anything
            failed[unit] = why_not(problem)
    return failed


def _load(part: Component, state: Any, path: Path) -> None:
    try:
        part.load(state)
    except Exception as problem:
        log.exception("%s can't take back its state", part.name)
        message = f"{path} has a state of {part.name} that this version can't restore; start over with `reset`."
        raise SnapshotError(message) from problem


def _read(path: Path) -> bytes | None:
    """The payload of a whole snapshot; None for one that is missing or damaged. Another version is an error."""
    try:
        header_line, _, payload = path.read_bytes().partition(b"\n")
        header = json.loads(header_line)
    except FileNotFoundError:
        return None
    except ValueError:
        log.warning("%s is damaged; trying the one before", path)
        return None
    known = version()
    written = {key: header.get(key) for key in known}
    if written != known:
        raise SnapshotError(
            f"{path} was written by another version ({written}, this is {known}); start over with `reset`."
        )
    if hashlib.sha256(payload).hexdigest() != header["sha256"]:
        log.warning("%s is damaged; trying the one before", path)
        return None
    return payload


def forget_instances() -> None:
    """moto keeps every object that it ever made in a list, for its dashboard: a leak in a long-lived cloud."""
    from moto.core.model_instances import model_data

    for models in model_data.values():
        for model in models.values():
            model.instances_tracked = _Forgetful()


class _Forgetful(list[Any]):
    """A list that stays empty."""

    def append(self, _: Any) -> None:
        pass
