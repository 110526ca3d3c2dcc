"""Plan files: making one, keeping it where nobody else reads it, reading it.

A plan file holds the whole state and every value, secrets included, in clear. So it stays in omc's own folder, readable
by its user alone, is never printed or uploaded, and is deleted after a week.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omc import terraform as tf
from omc.aws.gateway import Gateway
from omc.config import Stack
from omc.errors import WrongUse
from omc.infrastructure.planned_change import PlannedChange
from omc.infrastructure.roots import Root, root_of, work_folder
from omc.infrastructure.variables import as_environment, current_variables, declared, require_known

KEPT_SECONDS = 7 * 86_400.0
"""A plan this old would be stale anyway."""
PARALLELISM = 20
"""Resources that Terraform works on at a time; its default of 10 leaves it waiting for answers."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What can be said of a plan file without Terraform."""

    path: Path
    sha256: str
    serial: int
    """Of the state that it was made from; each change of the state adds one."""
    lineage: str
    """Of that state: generated once, at its first apply. Empty: there was no state."""
    sources: Mapping[str, bytes]
    """The Terraform files that it was made from, by their path from the root's folder: ``../../modules/x/main.tf``."""

    @property
    def root(self) -> str:
        """The environment whose state it changes, as its backend names it; empty where that doesn't say."""
        found = re.search(r'key\s*=\s*"([\w-]+)/terraform\.tfstate"', self.sources.get("backend.tf", b"").decode())
        return found[1] if found else ""


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hexadecimal. ``WrongUse`` where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WrongUse(f"The plan file {path} can't be read: {(error.strerror or str(error)).lower()}.") from error


def look_into(path: Path) -> PlanFile:
    """Read a plan file's state and sources. ``WrongUse`` for what isn't one."""
    digest = sha256_of(path)
    try:
        with zipfile.ZipFile(path) as packed:
            state = json.loads(packed.read("tfstate"))
            folders = {item["Key"]: item["Dir"] for item in json.loads(packed.read("tfconfig/modules.json"))}
            sources: dict[str, bytes] = {}
            for name in packed.namelist():
                parts = name.split("/")
                if len(parts) == 3 and parts[0] == "tfconfig" and parts[1].startswith("m-"):
                    sources[os.path.normpath(f"{folders[parts[1][2:]]}/{parts[2]}")] = packed.read(name)
        return PlanFile(path, digest, int(state["serial"]), str(state["lineage"]), sources)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise WrongUse(f"{path} is not a Terraform plan file. Make one: omc infra plan --out FILE") from error


def changed_sources(plan: PlanFile, folder: Path) -> list[str]:
    """The Terraform files that are not what they were when the plan was made, new and removed ones included."""
    changed = {
        name
        for name, content in plan.sources.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    }
    for place in {os.path.dirname(name) for name in plan.sources}:  # noqa: PTH120
        here = {os.path.normpath(f"{place or '.'}/{path.name}") for path in (folder / place).glob("*.tf")}
        changed |= here - set(plan.sources)
    return sorted(changed)


def make(
    root: Root,
    provided: Mapping[str, Any],
    say: Say,
    *,
    first: Mapping[str, Any] | None = None,
    destroy: bool = False,
    lock_wait: float = 0,
    mark: str = "",
) -> Path:
    """Plan the root's change into a file of omc's own folder.

    Variables that no file holds and that aren't ``given`` stay as the state has them, or, where it has none,
    are what ``first`` says. ``WrongUse`` for names that nothing declares, ``StateLocked`` where somebody else works on
    the state for longer than ``lock_wait`` seconds.
    """
    _drop_old(root.plans)
    root.prepare()
    known = declared(root.folder)
    kept = {
        name: value for name, value in {**(first or {}), **current_variables(root.state())}.items() if name in known
    }
    variables = kept | dict(provided)
    require_known(root.folder, variables, root.var_files)
    # Files stand above the environment, in which Terraform finds the other variables.
    settings = {name: provided.get(name, value) for name, value in root.settings.items() if name in known}
    fresh = root.plans / f"{os.getpid()}-{time.monotonic_ns()}.new"
    arguments = ["plan", f"-out={fresh}", "-input=false", f"-parallelism={PARALLELISM}"]
    arguments += [f"-var-file={name}" for name in root.var_files]
    ours = fresh.with_suffix(".tfvars.json")  # a list of processes shows what is said as -var
    arguments += [f"-var-file={ours}"] if settings else []
    arguments += ["-destroy"] if destroy else []
    prepared = replace(root, extra=as_environment(variables) | _mark(mark))
    try:
        if settings:
            with os.fdopen(os.open(ours, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                json.dump(settings, out)
        held(lambda: prepared.run(arguments, _counting(say)), lock_wait, say)
        fresh.chmod(0o600)
        path = root.plans / f"{sha256_of(fresh)[:16]}.tfplan"
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
        ours.unlink(missing_ok=True)
    return path


def hand_out(path: Path, target: Path) -> None:
    """Copy a plan file to where a person wants it, readable by nobody else."""
    try:
        target.unlink(missing_ok=True)
        with (
            os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out,
            path.open("rb") as kept,
        ):
            shutil.copyfileobj(kept, out)
    except OSError as error:
        raise WrongUse(f"The plan can't be written to {target}: {(error.strerror or str(error)).lower()}.") from error


def keep(file: Path, root: Root) -> Path:
    """Copy a plan file that a person hands in to omc's folder: it must not change while it waits for an approval."""
    made_for = look_into(file).root
    if made_for not in {"", root.name}:
        raise WrongUse(
            f"The plan file {file} was made for {made_for}, not for {root.name}. "
            f"Make one: omc infra plan --env {root.name}"
        )
    kept = root.plans / f"{sha256_of(file)[:16]}.tfplan"
    if not kept.is_file() or sha256_of(kept) != sha256_of(file):
        hand_out(file, kept)
    return kept


def requested(aws: Gateway, stack: Stack, file: Path) -> PlannedChange:
    """What ``infra-apply`` is asked for to perform a plan file that a person hands in: omc's own copy of it."""
    project, work = stack.file.parent, work_folder(stack, aws.environment)
    kept = keep(file, root_of(aws, project, work, stack.name))
    return PlannedChange(str(project), str(work), stack.name, str(kept), sha256_of(kept))


def held(work: Callable[[], Any], wait: float, say: Say) -> Any:
    """Do ``work``, waiting up to ``wait`` seconds while somebody else holds the state's lock, and saying who."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return work()
        except tf.StateLocked as error:
            if time.monotonic() >= deadline:
                raise
            say(f"Waiting for the state's lock, which {error.lock.words}")
            time.sleep(min(2.0, max(0.1, deadline - time.monotonic())))


def _mark(mark: str) -> dict[str, str]:
    return {"OMC_STEP": mark} if mark else {}


def _counting(say: Say) -> Callable[[Mapping[str, Any]], None]:
    read = 0

    def count(record: Mapping[str, Any]) -> None:
        nonlocal read
        if record.get("type") == "refresh_complete":
            read += 1
            say(f"Terraform has read {read} resource{'' if read == 1 else 's'}")

    return count


def _drop_old(folder: Path) -> None:
    for path in [*folder.glob("*.tfplan"), *folder.glob("*.new"), *folder.glob("*.tfvars.json")]:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
