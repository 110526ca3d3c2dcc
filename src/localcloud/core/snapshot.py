"""The cloud's state on disk: moto's backends and every component's dump in one file, soon after each change.

Written to a temporary file, synced and renamed, with a checksum, and the one before is kept; so a kill at any moment
costs at most about a second of changes. Processes, sockets and the big stores (metrics, logs, databases) aren't here.
What can't be pickled fails loudly: a stand-in for it would break a later call far from the cause.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import logging
import marshal
import os
import pickle
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate
from moto.core.base_backend import AccountSpecificBackend, BackendDict

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud, Component

log = logging.getLogger(__name__)

FORMAT = 1
FILE = "snapshot"
PREVIOUS = "snapshot.previous"
EVERY = 0.5
"""Seconds between looks at the dirty flag."""
REST = 10.0
"""At least this many times the last snapshot's cost passes before the next, so that it never takes over a core."""
LOCKS = (type(threading.Lock()), type(threading.RLock()))
PRIVATE_KEYS = (RSAPrivateKey, EllipticCurvePrivateKey)


class SnapshotError(Exception):
    """One sentence: why the saved state can't be taken back, and the way out."""


def version() -> dict[str, Any]:
    """What must be the same for a snapshot to be read: the format, and moto and Python, whose objects are in it."""
    import moto

    return {"format": FORMAT, "moto": moto.__version__, "python": list(sys.version_info[:2])}


class _Writer(pickle.Pickler):
    """moto's registries stay where they are: only backends are state. Locks are made anew, keys are PEM."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, BackendDict):
            return ("registry", value.backend.__module__, value.service_name)
        if isinstance(value, AccountSpecificBackend):
            return ("account", value.backend.__module__, value.service_name, value.account_id)
        return None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, LOCKS):
            return (threading.RLock if isinstance(value, LOCKS[1]) else threading.Lock, ())
        if isinstance(value, PRIVATE_KEYS):
            pem = value.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            return (_private_key, (pem,))
        if isinstance(value, Certificate):
            return (_certificate, (value.public_bytes(Encoding.PEM),))
        if isinstance(value, defaultdict) and type(value) is not defaultdict:
            made = (_default_dict, (type(value), value.default_factory))
            return (*made, value.__dict__ or None, None, iter(value.items()))
        if isinstance(value, FunctionType) and "<" in value.__qualname__:
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
            return (_function, (marshal.dumps(value.__code__), value.__module__, value.__defaults__, cells))
        return NotImplemented


def _default_dict(kind: Any, factory: Any) -> Any:
    """moto's dictionaries whose constructors want more than pickle gives them."""
    made = kind.__new__(kind)
    made.default_factory = factory
    return made


def _function(code: bytes, module: str, defaults: Any, cells: tuple[Any, ...]) -> FunctionType:
    """moto's ``defaultdict(lambda: …)`` and the like; ``version`` says whose code it is."""
    scope = vars(importlib.import_module(module))
    return FunctionType(marshal.loads(code), scope, None, defaults, tuple(CellType(value) for value in cells))  # noqa: S302


def _private_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, None)


def _certificate(pem: bytes) -> Any:
    return load_pem_x509_certificate(pem)


class _Reader(pickle.Unpickler):
    def persistent_load(self, reference: Any) -> Any:
        kind, module, service, *account = reference
        registry = _registry(module, service)
        return registry[account[0]] if kind == "account" else registry


def _registry(module: str, service: str) -> Any:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, BackendDict) and value.service_name == service:
            return value
    raise SnapshotError(f"The snapshot needs moto's {service}, which {module} doesn't have; start anew with `reset`.")


def _moto_state(account: str) -> dict[tuple[str, str, str], Any]:
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


class Snapshots:
    """Writes the snapshot when ``cloud.touch()`` was called, and reads it at the start."""

    name = "snapshot"

    def __init__(self, state: Path) -> None:
        self._state = state
        self._writing = threading.Lock()
        self._not_before = 0.0
        self.held_lock = 0.0
        """Seconds for which the last snapshot held the cloud's lock."""
        self.size = 0
        """Bytes of the last snapshot."""

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
        }

    def _if_changed(self, cloud: Cloud) -> None:
        if cloud.changed.is_set() and time.monotonic() >= self._not_before:
            self.save(cloud)

    def save(self, cloud: Cloud) -> None:
        """Write the whole state now. Raises what pickle raises for an object that can't be saved."""
        with self._writing:
            began = time.monotonic()
            buffer = io.BytesIO()
            try:
                with cloud.lock:
                    cloud.changed.clear()
                    held = time.monotonic()
                    account = cloud.settings.account
                    components = {part.name: part.dump() for part in cloud.components()}
                    moto = (_moto_state(account), _buckets(account))
                    _Writer(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump((moto, components))
                    self.held_lock = time.monotonic() - held
                self._write(buffer.getbuffer())
            except BaseException:
                cloud.changed.set()  # what was not written is still to be written
                raise
            took = time.monotonic() - began
            self._not_before = time.monotonic() + REST * took

    def _write(self, payload: memoryview) -> None:
        self.size = len(payload)
        header = json.dumps({**version(), "sha256": hashlib.sha256(payload).hexdigest()}).encode()
        current, temporary = self._state / FILE, self._state / f"{FILE}.new"
        with temporary.open("wb") as file:
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
        try:
            (backends, buckets), components = _Reader(io.BytesIO(payload)).load()
        except SnapshotError:
            raise
        except Exception as problem:
            message = f"{path} can't be taken back ({type(problem).__name__}: {problem}); start anew with `reset`."
            raise SnapshotError(message) from problem
        with cloud.lock:
            for (module, service, region), backend in backends.items():
                _registry(module, service)[cloud.settings.account][region] = backend
            if buckets:
                from moto.s3.models import s3_backends

                s3_backends.bucket_accounts.update(buckets)
            for part in cloud.components():
                if components.get(part.name) is not None:
                    _load(part, components[part.name], path)


def _load(part: Component, state: Any, path: Path) -> None:
    try:
        part.load(state)
    except Exception as problem:
        log.exception("%s can't take back its state", part.name)
        message = f"{path} has a state of {part.name} that this version can't take back; start anew with `reset`."
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
            f"{path} was written by another version ({written}, this is {known}); start anew with `reset`."
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
