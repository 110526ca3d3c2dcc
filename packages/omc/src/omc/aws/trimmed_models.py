"""botocore's models, cut down to the operations that omc sends, and kept so on the disk.

A client costs mostly the reading of its model: EC2's has seven hundred operations, of which omc sends a handful, and
the list of endpoints has four hundred services. What is kept is made anew from botocore's own files for each of its
versions and whenever the operations change; a file that is damaged, or can't be written, costs nothing but time.
Nothing of what AWS answers is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore
from botocore.exceptions import DataNotFoundError

from omc.aws.command_permissions import COMMANDS, IDENTITY, KEEPING
from omc.aws.models import ModelLoader
from omc.aws.reads import SERVICES

EDITION: Final = 1
"""Of what is left out; counts up with every change here."""
SENT_BY_BOTOCORE: Final = (("s3", "CreateSession"), ("s3", "HeadBucket"), ("sts", "GetCallerIdentity"))
"""By itself, for buckets in other regions or of one zone; and what needs no permission."""
MODEL: Final = "service-2"
BESIDE: Final = ("endpoint-rule-set-1", "paginators-1")
"""Kept with the model; the first whole, of the second what is of the operations."""
ENDPOINTS: Final = "endpoints"


@cache
def operations() -> Mapping[str, frozenset[str]]:
    """By service, botocore's names of all that any command sends."""
    found: dict[str, set[str]] = {}
    for table in (*COMMANDS.values(), KEEPING):
        for service, *names in (row.split() for row in table.strip().splitlines()):
            found.setdefault(service, set()).update(names)
    for service, name in (*IDENTITY, *SENT_BY_BOTOCORE):
        found.setdefault(service, set()).add(name)
    return {service: frozenset(names) for service, names in found.items()}


@cache
def folder_of_this_version() -> Path | None:
    """In the user's cache; None where there is no such place, or where others may write to it."""
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        if not root.is_absolute():
            return None
        what = json.dumps([EDITION, sorted((name, *sorted(some)) for name, some in operations().items())])
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        folder = root / "omc" / f"botocore-{botocore.__version__}-{digest}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.stat()
        return folder if about.st_uid == os.geteuid() and not about.st_mode & 0o022 else None
    except (OSError, RuntimeError):  # no home
        return None


class TrimmedModels(ModelLoader):
    """Gives what botocore's loader gives, without the operations that omc doesn't send. Where the user has models of
    their own (``~/.aws/models``), or asks for another version of an API, everything is whole."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder or folder_of_this_version()
        self._is_theirs = os.path.isdir(self.CUSTOMER_DATA_PATH)  # noqa: PTH112 - Path's raises in a home of another
        self._kept: dict[str, Mapping[str, Any]] = {}

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """A model by its type, cut down where that is possible."""
        if api_version is None and not self._is_theirs and service_name in operations():
            kept = self._kept_of(service_name)
            if type_name in kept:
                return kept[type_name]
        return super().load_service_model(service_name, type_name, api_version)

    def load_data_with_path(self, name: str) -> Any:
        """A file by its name, and where it is; the endpoints of the services that omc knows."""
        if name == ENDPOINTS and not self._is_theirs:
            return self._kept_of(ENDPOINTS)[ENDPOINTS], str(Path(self.BUILTIN_DATA_PATH) / ENDPOINTS)
        return super().load_data_with_path(name)

    def _kept_of(self, name: str) -> Mapping[str, Any]:
        if name not in self._kept:
            kept = self._read(name)
            if kept is None:
                kept = self._endpoints() if name == ENDPOINTS else self._of_service(name)
                self._write(name, kept)
            self._kept[name] = kept
        return self._kept[name]

    def _read(self, name: str) -> Mapping[str, Any] | None:
        """None where there is none, or where it isn't what was written."""
        if self._folder is None:
            return None
        try:
            digest, _, text = (self._folder / f"{name}.json").read_bytes().partition(b"\n")
            if hashlib.sha256(text).hexdigest().encode() != digest:
                return None
            kept: Mapping[str, Any] = json.loads(text)
        except (OSError, ValueError):
            return None
        return kept

    def _write(self, name: str, kept: Mapping[str, Any]) -> None:
        """Whole or not at all, however many processes write it."""
        if self._folder is None:
            return
        text = json.dumps(kept, separators=(",", ":")).encode()
        with suppress(OSError):
            descriptor, path = tempfile.mkstemp(dir=self._folder, prefix=f".{name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
                Path(path).replace(self._folder / f"{name}.json")
            except OSError:
                Path(path).unlink(missing_ok=True)
                raise

    def _of_service(self, service: str) -> Mapping[str, Any]:
        wanted = operations()[service]
        kept = {MODEL: trimmed(super().load_service_model(service, MODEL), wanted)}
        for name in BESIDE:
            with suppress(DataNotFoundError):
                kept[name] = super().load_service_model(service, name)
        if found := kept.get("paginators-1"):
            some = {operation: pages for operation, pages in found["pagination"].items() if operation in wanted}
            kept["paginators-1"] = {"pagination": some}
        return kept

    def _endpoints(self) -> Mapping[str, Any]:
        whole, _ = super().load_data_with_path(ENDPOINTS)
        names = set(SERVICES)
        for service in SERVICES:
            metadata = super().load_service_model(service, MODEL)["metadata"]
            names |= {metadata["endpointPrefix"], metadata.get("signingName", "")}
        partitions = [
            {**one, "services": {name: endpoints for name, endpoints in one["services"].items() if name in names}}
            for one in whole["partitions"]
        ]
        return {ENDPOINTS: {**whole, "partitions": partitions}}


def trimmed(model: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """A service's model with only these of its operations, the shapes that they and their errors are made of, and no
    documentation."""
    kept = {name: _bare(model["operations"][name]) for name in sorted(wanted)}
    shapes: dict[str, Any] = {}
    ahead = [name for operation in kept.values() for name in _shapes_of_operation(operation)]
    while ahead:
        name = ahead.pop()
        if name not in shapes:
            shapes[name] = _bare_shape(model["shapes"][name])
            ahead.extend(_shapes_of_shape(shapes[name]))
    rest = {key: value for key, value in model.items() if key not in ("documentation", "examples")}
    return {**rest, "operations": kept, "shapes": shapes}


def _shapes_of_operation(operation: Mapping[str, Any]) -> Iterator[str]:
    for side in (operation.get("input"), operation.get("output"), *operation.get("errors", ())):
        if side:
            yield side["shape"]


def _shapes_of_shape(shape: Mapping[str, Any]) -> Iterator[str]:
    for each in (*shape.get("members", {}).values(), *(shape.get(part) for part in ("member", "key", "value"))):
        if each and "shape" in each:
            yield each["shape"]


def _bare(record: Mapping[str, Any]) -> dict[str, Any]:
    """Without its own words. What is below is left alone, but for what an operation says of its sides."""
    return {
        key: _bare(value) if key in ("input", "output") else value
        for key, value in record.items()
        if key != "documentation"
    }


def _bare_shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in shape.items() if key != "documentation"}
    if "members" in kept:
        kept["members"] = {name: _bare(member) for name, member in kept["members"].items()}
    for part in ("member", "key", "value"):
        if part in kept:
            kept[part] = _bare(kept[part])
    return kept
