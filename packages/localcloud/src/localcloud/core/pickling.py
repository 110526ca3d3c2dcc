"""How moto's backends and our components' dumps become bytes and objects again.

A file, a socket, a generator or a thread means nothing to another process: such a thing raises here, and ``snapshot``
names whose it is. What only looks unsavable (locks, keys, moto's lambdas, the threads of its imports, pages that nobody
fetched) is saved as what it comes to.
"""

from __future__ import annotations

import copyreg
import importlib
import io
import marshal
import pickle
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import CellType, FunctionType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate
from moto.core.base_backend import AccountSpecificBackend, BackendDict, BaseBackend

Backend = tuple[str, str, str]
"""One of moto's backends: its module, its service and its region."""

LOCKS = (type(threading.Lock()), type(threading.RLock()))
PRIVATE_KEYS = (RSAPrivateKey, EllipticCurvePrivateKey)
PASSING = {"ResourceGroupsTaggingAPIBackend": ("_pages",)}
"""Dictionaries of a backend that matter to a paged read under way and to nothing else: the token is expired, in AWS's
own words, when the cloud comes back."""
THREAD_ATTRIBUTES = frozenset(vars(threading.Thread()))


class Missing(Exception):
    """What a snapshot refers to isn't in this moto."""


class Writer(pickle.Pickler):
    """moto's registries stay where they are: only backends are state. ``apart`` names backends that are written
    elsewhere, by their identity: here only who they are."""

    def __init__(self, file: io.BytesIO, apart: Mapping[int, Backend] | None = None) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._apart = apart or {}

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, BackendDict):
            return ("registry", value.backend.__module__, value.service_name)
        if isinstance(value, AccountSpecificBackend):
            return ("account", value.backend.__module__, value.service_name, value.account_id)
        if self._apart and isinstance(value, BaseBackend) and (named := self._apart.get(id(value))):
            return ("backend", named[0], named[1], value.account_id, named[2])
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
        if isinstance(value, subprocess.Popen):
            raise TypeError("cannot pickle 'Popen' object")  # else its number, which is soon another process's
        if isinstance(value, BaseBackend) and type(value).__name__ in PASSING:
            return (copyreg.__newobj__, (type(value),), state_of(value))  # type: ignore[attr-defined]
        if isinstance(value, threading.Thread) and type(value).__module__.startswith("moto."):
            own = {name: held for name, held in vars(value).items() if name not in THREAD_ATTRIBUTES}
            return (_thread, (type(value), own))
        return NotImplemented


class Reader(pickle.Unpickler):
    """Raises ``Missing`` for a service that this moto doesn't have, and whatever pickle raises."""

    def persistent_load(self, reference: Any) -> Any:
        kind, module, service, *more = reference
        held = registry(module, service)
        if kind == "registry":
            return held
        account = held[more[0]]
        return account if kind == "account" else account[more[1]]


def state_of(backend: BaseBackend) -> dict[str, Any]:
    """A backend's attributes, without what passes."""
    passing = PASSING.get(type(backend).__name__, ())
    return {name: {} if name in passing else held for name, held in vars(backend).items()}


def written(value: Any, apart: Mapping[int, Backend] | None = None) -> bytes:
    """Raises whatever pickle raises for what can't be saved."""
    buffer = io.BytesIO()
    Writer(buffer, apart).dump(value)
    return buffer.getvalue()


def read(payload: bytes | io.BytesIO) -> Any:
    return Reader(io.BytesIO(payload) if isinstance(payload, bytes) else payload).load()


def why_not(problem: BaseException) -> str:
    """What can't be saved, in pickle's own words."""
    return str(problem) or type(problem).__name__


def unsavable(values: Iterable[BaseBackend]) -> str:
    """Why one of these backends could not be saved as it is now; empty where all could."""
    held = list(values)
    apart = {id(value): ("", "", "") for value in held}
    try:
        for value in held:
            written(state_of(value), apart)
    except Exception as problem:  # noqa: BLE001 — an object's own __reduce__ may raise anything
        return why_not(problem)
    return ""


def registry(module: str, service: str) -> Any:
    """moto's backends of a service, of all accounts."""
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, BackendDict) and value.service_name == service:
            return value
    raise Missing(f"The snapshot needs moto's {service}, which {module} doesn't have; start over with `reset`.")


def _default_dict(kind: Any, factory: Any) -> Any:
    """moto's dictionaries whose constructors want more than pickle gives them."""
    made = kind.__new__(kind)
    made.default_factory = factory
    return made


def _function(code: bytes, module: str, defaults: Any, cells: tuple[Any, ...]) -> FunctionType:
    """moto's ``defaultdict(lambda: …)`` and the like; ``snapshot.version`` says whose code it is."""
    scope = vars(importlib.import_module(module))
    return FunctionType(marshal.loads(code), scope, None, defaults, tuple(CellType(value) for value in cells))  # noqa: S302


def _thread(kind: Any, own: dict[str, Any]) -> Any:
    """A job of moto's (an import or export of DynamoDB) whose thread ended with its process: undone, it has failed."""
    made = kind.__new__(kind)
    threading.Thread.__init__(made)
    vars(made).update(own)
    if own.get("status") == "IN_PROGRESS":
        made.status, made.failure_code = "FAILED", "InternalServerError"
        made.failure_message = "The job was cut off when the cloud stopped."
    return made


def _private_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, None)


def _certificate(pem: bytes) -> Any:
    return load_pem_x509_certificate(pem)
